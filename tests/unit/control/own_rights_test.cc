// What users do with what is their own, what became of their rights meanwhile, and what the trail is told of
// what is not valid.
#include "control/plane_fixture.h"
#include "control/refusal_tally.h"
#include "ringfence/base/clock.h"

using namespace ringfence;
using namespace ringfence::control;
using namespace ringfence::control::testing;
using Kind = Answer::Kind;

namespace {

struct Own {
  Own() {
    forget_all();
    node = std::make_unique<Node>();
    for (const char* name : {"ana", "eve"})
      REQUIRE(node->create("user", {{"name", name}, {"roles", {"user"}}}).kind == Kind::created);
  }
  Actor as(const std::string& name) const {
    const UserFacts* user = node->plane->in_force()->find_user(name);
    REQUIRE(user != nullptr);
    return {name, "password", "127.0.0.1:1", user->id, user->scopes};
  }
  Answer make(const std::string& who, const Json& given) const { return make(as(who), given); }
  Answer make(const Actor& who, const Json& given) const {
    return node->ask([&](Registry& r) { return r.create(Node::noun("key"), given, who, ""); });
  }
  Answer remove(const std::string& who, const std::string& which, std::optional<int64_t> version = {}) const {
    const Actor actor = as(who);
    return node->ask([&](Registry& r) { return r.remove(Node::noun("key"), which, version, actor); });
  }
  Answer change(const std::string& who, const std::string& which, const Json& given) const {
    const Actor actor = as(who);
    return node->ask([&](Registry& r) { return r.change(Node::noun("key"), which, given, {}, actor); });
  }
  // "CREATE key failure {"fields":["scopes"]}" of the last refusal.
  std::string last_refusal() const {
    const auto& records = node->trail.records;
    for (size_t i = records.size(); i-- > 0;) {
      const std::string outcome(records[i][audit::Tag::outcome]);
      if (outcome != "failure" && outcome != "denied") continue;
      return std::string(records[i][audit::Tag::action]) + " " +
             std::string(records[i][audit::Tag::entity_type]) + " " + outcome + " " +
             std::string(records[i][audit::Tag::metadata]);
    }
    return "";
  }
  std::unique_ptr<Node> node;
};

std::string in_days(uint64_t days) { return rfc3339(wall_us() + days * 24 * 3600 * 1'000'000); }

}  // namespace

TEST_CASE("a user makes, changes and deletes keys of his own, with an end and within his scopes") {
  const Own own;
  const Answer made = own.make("ana", {{"name", "ci"}, {"expires_at", in_days(30)}});
  REQUIRE_MESSAGE(made.kind == Kind::created, made.message);
  CHECK(made.body.at("user") == "ana");
  CHECK(made.body.contains("key"));
  CHECK(own.make("ana", {{"name", "endless"}}).kind == Kind::invalid);
  CHECK(own.last_refusal() == "CREATE key failure {\"fields\":[\"expires_at\"]}");
  CHECK(own.make("ana", {{"name", "late"}, {"expires_at", in_days(400)}}).kind == Kind::invalid);
  CHECK(own.make("ana", {{"name", "wide"}, {"scopes", {"users:read"}}, {"expires_at", in_days(1)}}).kind ==
        Kind::invalid);
  CHECK(own.last_refusal() == "CREATE key failure {\"fields\":[\"scopes[0]\"]}");
  const Answer for_eve = own.make("ana", {{"name", "for-eve"}, {"user", "eve"}, {"expires_at", in_days(1)}});
  CHECK(for_eve.kind == Kind::forbidden);
  // Keys of others are not there.
  CHECK(own.remove("eve", "ci").kind == Kind::not_found);
  CHECK(own.remove("eve", "ci", 77).kind == Kind::not_found);
  CHECK(own.change("eve", "ci", {{"enabled", false}}).kind == Kind::not_found);
  CHECK(own.change("ana", "ci", {{"expires_at", in_days(400)}}).kind == Kind::invalid);
  CHECK(own.change("ana", "ci", {{"expires_at", nullptr}}).kind == Kind::invalid);
  CHECK(own.change("ana", "ci", {{"enabled", false}}).kind == Kind::ok);
  CHECK(own.remove("ana", "ci").kind == Kind::deleted);
}

TEST_CASE("a user has a bounded number of keys of his own") {
  const Own own;
  Answer last;
  for (int i = 0; i < 51 && last.kind != Kind::conflict; ++i)
    last = own.make("ana", {{"name", "k" + std::to_string(i)}, {"expires_at", in_days(1)}});
  CHECK(last.kind == Kind::conflict);
  CHECK(last.message.find("at most 50") != std::string::npos);
  CHECK(own.make("eve", {{"name", "of-eve"}, {"expires_at", in_days(1)}}).kind == Kind::created);
}

TEST_CASE("a key that was revoked since it proved something changes nothing") {
  const Own own;
  REQUIRE(own.node->create("role", {{"name", "grouper"}, {"permissions", {"groups:*"}}}).kind ==
          Kind::created);
  REQUIRE(own.node->change("user", "eve", {{"roles", {"grouper"}}}).kind == Kind::ok);
  const Answer key = own.node->create("key", {{"name", "ci"}, {"user", "eve"}});
  REQUIRE(key.kind == Kind::created);
  Actor eve = own.as("eve");
  eve.method = "api key";
  eve.key_id = *parse_uuid(key.body.at("id").get<std::string>());
  int made = 0;
  const auto may = [&] {
    const Json group = {{"name", "g" + std::to_string(++made)}};
    return own.node->ask([&](Registry& r) { return r.create(Node::noun("user_group"), group, eve, ""); })
        .kind;
  };
  CHECK(may() == Kind::created);
  REQUIRE(own.node->change("key", "ci", {{"enabled", false}}).kind == Kind::ok);
  CHECK(may() == Kind::forbidden);
  CHECK(own.last_refusal() == "CREATE user_group denied ");
  REQUIRE(own.node->change("key", "ci", {{"enabled", true}}).kind == Kind::ok);
  CHECK(may() == Kind::created);
  SUBCASE("its user lost the role") {
    REQUIRE(own.node->change("user", "eve", {{"roles", {"user"}}}).kind == Kind::ok);
  }
  SUBCASE("its user was disabled") {
    REQUIRE(own.node->change("user", "eve", {{"enabled", false}}).kind == Kind::ok);
  }
  SUBCASE("its user has expired") {
    REQUIRE(own.node->change("user", "eve", {{"expires_at", "2001-01-01T00:00:00Z"}}).kind == Kind::ok);
  }
  SUBCASE("the role may less") {
    REQUIRE(own.node->change("role", "grouper", {{"permissions", {"groups:read"}}}).kind == Kind::ok);
  }
  SUBCASE("it was deleted") { REQUIRE(own.node->remove("key", "ci").kind == Kind::deleted); }
  CHECK(may() == Kind::forbidden);
}

TEST_CASE("what is not valid is told by its fields, without its values, and within bounds") {
  const Own own;
  const auto refusals = [&] {
    size_t out = 0;
    for (const auto& record : own.node->trail.records)
      out += record[audit::Tag::outcome] == "failure" ? 1 : 0;
    return out;
  };
  const Json wrong = {{"name", "bob"}, {"password", "sesam"}, {"roles", {"none"}}};
  CHECK(own.node->create("user", wrong).kind == Kind::invalid);
  CHECK(own.last_refusal() == "CREATE user failure {\"fields\":[\"password\"]}");
  for (const auto& record : own.node->trail.records)
    CHECK(record[audit::Tag::metadata].find("sesam") == std::string_view::npos);
  CHECK(own.node->create("user", {{"name", "ana"}}).kind == Kind::conflict);
  CHECK(own.last_refusal() == "CREATE user failure {\"fields\":[\"name\"]}");
  CHECK(own.node->change("user", "ana", {{"enabled", 7}}).kind == Kind::invalid);
  CHECK(own.last_refusal() == "UPDATE user failure {\"fields\":[\"enabled\"]}");
  const size_t before = refusals();
  for (int i = 0; i < 200; ++i)
    CHECK(own.node->change("user", "ana", {{"enabled", 7}}).kind == Kind::invalid);
  CHECK(refusals() - before < 200);
}

TEST_CASE("the tally has room for so many at once, then for one in a second") {
  RefusalTally tally;
  constexpr uint64_t second = RefusalTally::room_again_ns;
  uint64_t now = 5 * second;
  for (uint64_t i = 0; i < RefusalTally::at_once_max; ++i) CHECK(tally.take("ana", now).has_room);
  CHECK(!tally.take("ana", now).has_room);
  CHECK(!tally.take("ana", now).has_room);
  CHECK(tally.take("eve", now).has_room);
  now += second;
  const RefusalTally::Room next = tally.take("ana", now);
  CHECK(next.has_room);
  CHECK(next.left_out == 2);
  CHECK(!tally.take("ana", now).has_room);
  CHECK(tally.size() == 1);  // Nothing is left to know of eve.
}

namespace {

// As an appliance with this key ring would write it.
void rewrite_role(const std::string& name, const std::string& ring_path, const Json& permissions) {
  auto ring = KeyRing::read(ring_path);
  REQUIRE(ring);
  auto connection = store::Connection::open(cluster().store.control_dsn(), "test");
  REQUIRE(connection);
  store::ControlRecords records(**connection);
  auto revision = records.begin();
  REQUIRE(revision);
  auto role = records.by_name(Node::noun("role"), name);
  REQUIRE(role);
  REQUIRE(*role);
  (*role)->body["permissions"] = permissions;
  (*role)->body["version"] = (*role)->version() + 1;
  (*role)->body["revision"] = *revision;
  Authority::seal(**role, *ring, ring->current_id());
  REQUIRE(records.update(**role));
  REQUIRE(records.commit());
}

}  // namespace

TEST_CASE(
    "a start brings built-in roles of an earlier appliance up to date, and takes nothing from a later "
    "one's") {
  forget_all();
  const TempDir dir;
  {
    Node first("", 100, dir.path);
    REQUIRE(first.create("user", {{"name", "ana"}, {"roles", {"auditor"}}}).kind == Kind::created);
  }
  rewrite_role("auditor", dir.path + "/control.keys", {"audit:read"});
  rewrite_role("user", dir.path + "/control.keys", {"self:*", "news:read"});
  auto second_node = std::make_unique<Node>("", 100, dir.path);
  Node& second = *second_node;
  const UserFacts* ana = second.plane->in_force()->find_user("ana");
  REQUIRE(ana != nullptr);
  CHECK(ana->scopes.has("privileges:read"));
  CHECK(last_change(second.trail) == "UPDATE role success");
  CHECK(second.read("role", "auditor").body.at("version") == 3);
  CHECK(second.read("role", "user").body.at("permissions") == Json{"self:*", "news:read"});
  CHECK(second.told().empty());
  // A second start finds nothing to do.
  second_node.reset();
  const Node third("", 100, dir.path);
  CHECK(last_change(third.trail).empty());
}
