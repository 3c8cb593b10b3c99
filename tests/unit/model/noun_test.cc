#include "ringfence/model/noun.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

using namespace ringfence::model;

namespace {

// "path message; path message"
std::string told(const Defects& defects) {
  std::string out;
  for (const Defect& defect : defects) out += (out.empty() ? "" : "; ") + defect.path + " " + defect.message;
  return out;
}
const Noun& user() { return *find_noun("user"); }

}  // namespace

TEST_CASE("nouns refer to earlier ones, and describe what is shown") {
  std::set<std::string_view> names, plurals;
  for (const Noun* noun : nouns()) {
    CHECK(names.insert(noun->name).second);
    CHECK(plurals.insert(noun->plural).second);
    CHECK((noun->has_name() || noun->name == "grant" || noun->is_request));
    for (const Field& field : noun->fields) {
      CAPTURE(field.name);
      if (field.exposure != Exposure::hidden) CHECK(!field.description.empty());
      const bool refers = field.kind == FieldKind::reference || field.kind == FieldKind::references;
      CHECK(refers == !field.of.empty());
      if (refers) CHECK(names.contains(field.of));
      const bool is_bounded = field.kind == FieldKind::text || field.kind == FieldKind::texts ||
                              field.kind == FieldKind::references || field.kind == FieldKind::integer;
      if (is_bounded) CHECK(field.max > 0);
      if (!field.default_json.empty()) CHECK(!Json::parse(field.default_json, nullptr, false).is_discarded());
    }
    CHECK(find_noun(noun->plural) == noun);
  }
  CHECK(find_noun("nothing") == nullptr);
}

TEST_CASE("a new record gets its defaults, and times in one form") {
  const Json given = {{"name", "ana"}, {"expires_at", "2199-01-01T01:00:00+01:00"}, {"roles", {"b", "a"}}};
  CHECK(check_new(user(), given).empty());
  const Json made = complete(user(), given);
  CHECK(made.at("enabled") == true);
  CHECK(made.at("groups") == Json::array());
  CHECK(made.at("email").is_null());
  CHECK(made.at("expires_at") == "2199-01-01T00:00:00.000000Z");
  CHECK(made.at("roles") == Json{"a", "b"});
  CHECK(shown(user(), {{"name", "ana"}, {"verifier", "x"}, {"password_hash", "y"}}) == Json{{"name", "ana"}});
  const Json changed = merged(user(), made, {{"roles", nullptr}, {"email", "a@b"}});
  CHECK(changed.at("roles") == Json::array());
  CHECK(changed.at("email") == "a@b");
  CHECK(changed.at("expires_at") == made.at("expires_at"));
}

TEST_CASE("each wrong field is told with what is wrong and the cure") {
  CHECK(told(check_new(user(), Json::array())) == " is no JSON object");
  CHECK(told(check_new(user(), Json::object())) == "name is missing; add it");
  CHECK(told(check_new(user(), {{"name", nullptr}})) == "name is missing; add it");
  CHECK(told(check_new(user(), {{"name", "x"}, {"enabled", 1}})) == "enabled is neither true nor false");
  CHECK(told(check_new(user(), {{"name", "x"}, {"verifier", "y"}})) ==
        "verifier is no field of a user; remove it");
  CHECK(told(check_new(user(), {{"name", "x"}, {"password_set_at", "y"}})) ==
        "password_set_at is set by the appliance; remove it");
  CHECK(told(check_new(user(), {{"name", "x"}, {"roles", {"a", "a"}}})) == "roles[1] stands twice; keep one");
  CHECK(told(check_new(user(), {{"name", "x"}, {"roles", {1}}})) == "roles[0] is no text; use a JSON string");
  CHECK(told(check_new(user(), {{"name", "x"}, {"roles", "a"}})) ==
        "roles is no list; use a JSON array of texts");
  CHECK(told(check_new(user(), {{"name", "x\n"}})) == "name holds control characters; use text without them");
  CHECK(told(check_new(user(), {{"name", std::string(64, 'x')}})) == "name is 64 bytes long; use 1 to 63");
  CHECK(told(check_new(user(), {{"name", "x"}, {"expires_at", "tomorrow"}})) ==
        "expires_at is no time; write it as 2026-01-02T03:04:05Z");
  CHECK(told(check_change(user(), {{"name", "y"}})) == "name cannot change; make another user");
  CHECK(check_change(user(), Json::object()).empty());
  const Noun& role = *find_noun("roles");
  CHECK(told(check_new(role, {{"name", "r"}, {"priority", -1}})) == "priority is -1; use 0 to 1000000");
  CHECK(told(check_new(role, {{"name", "r"}, {"permissions", {"audit"}}}))
            .starts_with("permissions[0] is \"audit\""));
  // However much is wrong, the answer is bounded.
  Json many = Json::object();
  for (int i = 0; i < 1'000; ++i) many["f" + std::to_string(i)] = i;
  CHECK(check_new(role, many).size() == 100);
}
