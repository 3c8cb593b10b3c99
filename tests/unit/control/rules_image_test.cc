// Policies and grants that hold at a time, and what becomes of those in doubt.
#include "control/rules_image.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "ringfence/model/timestamp.h"
#include "ringfence/policy/policy_set.h"

using namespace ringfence;
using namespace ringfence::control;
using model::Json;

namespace {

const model::Noun& policies_noun() { return *model::find_noun("policy"); }
const model::Noun& grants_noun() { return *model::find_noun("grant"); }

Json record(const model::Noun& noun, const std::string& id, Json fields) {
  Json out = model::complete(noun, fields);
  out.update({{"id", id}, {"number", 1}, {"version", 1}});
  return out;
}
Json grant_record(const std::string& id, Json fields = Json::object()) {
  fields.update({{"user", "00000000-0000-0000-0000-000000000001"}, {"tag", "*"}});
  return record(grants_noun(), id, fields);
}
Json policy_record(const std::string& id, Json fields = Json::object()) {
  fields.update({{"name", "p-" + id}, {"roles", {"operator"}}});
  return record(policies_noun(), id, fields);
}

uint64_t at(const char* time) { return *model::parse_rfc3339(time); }

}  // namespace

TEST_CASE("policies are another list only where one of them has changed") {
  RulesImage image;
  InForce in;
  image.put(policies_noun(), "a", policy_record("a"));
  image.renew(in, 1);
  REQUIRE(in.policies->size() == 1);
  const auto before = in.policies;
  image.put(policies_noun(), "a", policy_record("a"));
  image.renew(in, 2);
  CHECK(in.policies == before);
  image.put(policies_noun(), "b", policy_record("b", {{"enabled", false}}));
  image.renew(in, 3);
  CHECK(in.policies->size() == 1);
  image.remove(policies_noun(), "a");
  image.renew(in, 4);
  CHECK(in.policies->empty());
  CHECK(!in.is_closed);
}

TEST_CASE("a policy in doubt closes what it was about, and is open again when it is right") {
  RulesImage image;
  InForce in;
  image.put(policies_noun(), "a", policy_record("a"));
  image.doubt(policies_noun(), "a");
  image.renew(in, 1);
  REQUIRE(in.policies->size() == 1);
  CHECK(in.policies->front().is_closed);
  CHECK(in.policies->front().roles[0].text == "operator");
  image.put(policies_noun(), "a", policy_record("a"));
  image.renew(in, 2);
  CHECK(!in.policies->front().is_closed);
}

TEST_CASE("what nobody knows any more closes everything") {
  for (const model::Noun* noun : {&policies_noun(), &grants_noun()}) {
    RulesImage image;
    InForce in;
    image.doubt(*noun, "a");
    image.renew(in, 1);
    CHECK(in.is_closed);
    image.remove(*noun, "a");
    image.renew(in, 2);
    CHECK(!in.is_closed);
    image.clear(true);
    image.renew(in, 3);
    CHECK(in.is_closed);
  }
}

TEST_CASE("grants come and go with time") {
  RulesImage image;
  InForce in;
  image.put(grants_noun(), "g",
            grant_record("g", {{"starts_at", "2026-12-01T10:00:00.000000Z"},
                               {"expires_at", "2026-12-01T11:00:00.000000Z"}}));
  image.renew(in, at("2026-12-01T09:00:00Z"));
  CHECK(in.grants.empty());
  CHECK(image.next_change_us() == at("2026-12-01T10:00:00Z"));
  image.renew(in, at("2026-12-01T10:00:00Z"));
  CHECK(in.grants.size() == 1);
  CHECK(in.changed_grants.size() == 1);
  CHECK(image.next_change_us() == at("2026-12-01T11:00:00Z"));
  in.changed_grants.clear();
  image.renew(in, at("2026-12-01T12:00:00Z"));
  CHECK(in.grants.empty());
  CHECK(in.changed_grants.size() == 1);
  CHECK(image.next_change_us() == 0);
}

TEST_CASE("a grant in doubt stays and gives nothing") {
  RulesImage image;
  InForce in;
  image.put(grants_noun(), "g", grant_record("g"));
  image.renew(in, 1);
  CHECK(!in.grants.find("g")->is_in_doubt);
  image.doubt(grants_noun(), "g");
  image.renew(in, 2);
  REQUIRE(in.grants.find("g") != nullptr);
  CHECK(in.grants.find("g")->is_in_doubt);
  policy::Access access;
  access.use(std::make_shared<const policy::Grant>(*in.grants.find("g")));
  CHECK(!access.is_granted());
  image.put(grants_noun(), "g", grant_record("g"));
  image.renew(in, 3);
  CHECK(!in.grants.find("g")->is_in_doubt);
}
