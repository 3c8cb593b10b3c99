// Policies that change while a session logs in or runs, and markers that are stolen.
#include "messages.h"
#include "ringfence/model/declared.h"
#include "ringfence/proxy/core/find_access.h"
#include "session_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

std::shared_ptr<const policy::PolicySet> policies_of(policy::Level level,
                                                     std::vector<policy::Text> functions = {}) {
  policy::Policy policy;
  policy.name = "test";
  policy.roles = {{"*", ""}};
  policy.level = level;
  policy.functions = std::move(functions);
  std::vector<policy::Problem> problems;
  auto set = policy::PolicySet::compile({policy}, problems);
  REQUIRE(set);
  return set;
}
auto begins_with(std::shared_ptr<const policy::PolicySet> policies) {
  return [policies](Snapshot& snapshot) { snapshot.policies = policies; };
}
void reload(World& world, std::shared_ptr<const policy::PolicySet> policies) {
  auto snapshot = std::make_shared<Snapshot>(*world.core->snapshot);
  snapshot->generation++;
  snapshot->policies = std::move(policies);
  world.core->use(snapshot);
  world.settle();
}
std::string failure(std::string_view sqlstate, std::string_view message) {
  std::string out;
  pg::append_error_response(out, {.sqlstate = sqlstate, .message = message});
  pg::append_ready_for_query(out, 'I');
  return out;
}
// SQLSTATEs and messages of the errors that the client got.
std::vector<std::string> errors(std::string_view bytes) {
  std::vector<std::string> found;
  for (size_t at = 0; at + 5 <= bytes.size();) {
    const uint32_t length = detail::load_be<uint32_t>(bytes.data() + at + 1);
    if (bytes[at] == 'E') {
      auto fields = pg::parse_error_fields(bytes.substr(at + 5, length - 4));
      REQUIRE(fields.has_value());
      found.push_back(std::string(fields->sqlstate) + " " + std::string(fields->message));
    }
    at += 1 + length;
  }
  return found;
}
bool was_replaced(const World& world) { return world.server.got.find("rf_") != std::string::npos; }
std::string marker_in(const World& world) {
  const size_t begin = world.server.got.rfind("rf_");
  REQUIRE(begin != std::string::npos);
  return world.server.got.substr(begin, world.server.got.find('\0', begin) - begin);
}

}  // namespace

TEST_CASE("who loses access while logging in is told so at once, without sending anything") {
  World world;
  world.reach_server();
  reload(world, policies_for("another", policy::Level::read));
  world.send(world.server, World::welcome());
  REQUIRE_FALSE(errors(world.client.got).empty());
  CHECK(errors(world.client.got).back().starts_with("57P01 terminating connection: your access"));
  CHECK(world.types(world.server.got).find('Q') == std::string::npos);
}

TEST_CASE("policies that came while a user logged in decide the first statement") {
  World world(1, 0, begins_with(policies_of(policy::Level::ddl)));
  world.reach_server();
  reload(world, policies_of(policy::Level::write));
  world.send(world.server, World::welcome());
  world.server.got.clear();
  world.send(world.client, query("drop table t"));
  CHECK(was_replaced(world));
  CHECK(world.server.got.find("drop") == std::string::npos);
}

TEST_CASE("a session ends when its level falls to read, or from admin: what it did to itself is not known") {
  for (const auto& [before, after] : {std::pair{policy::Level::write, policy::Level::read},
                                      {policy::Level::ddl, policy::Level::read},
                                      {policy::Level::admin, policy::Level::read},
                                      {policy::Level::admin, policy::Level::write},
                                      {policy::Level::admin, policy::Level::ddl}}) {
    // At rest, and with a statement under way.
    for (bool is_running : {false, true}) {
      World world(1, 0, begins_with(policies_of(before)));
      world.connect();
      world.log_in();
      world.server.got.clear();
      world.client.got.clear();
      if (is_running) world.send(world.client, query("select 1"));
      reload(world, policies_of(after));
      if (is_running) {
        CHECK(world.client.got.empty());
        world.send(world.client, query("select lower('x')"));
        CHECK(world.server.got == query("select 1"));
        world.send(world.server, answer());
        CHECK(world.server.got.find("lower") == std::string::npos);
      }
      REQUIRE(errors(world.client.got).size() == 1);
      CHECK(errors(world.client.got)[0].starts_with("57P01 terminating connection: your access level"));
    }
  }
}

TEST_CASE("a session that was raised meanwhile ends when it falls to read again") {
  World world(1, 0, begins_with(policies_of(policy::Level::read)));
  world.connect();
  world.log_in();
  reload(world, policies_of(policy::Level::write));
  world.server.got.clear();
  world.client.got.clear();
  world.send(world.client, query("set default_transaction_read_only = off"));
  CHECK(world.server.got == query("set default_transaction_read_only = off"));
  world.send(world.server, status("default_transaction_read_only", "off") + answer());
  reload(world, policies_of(policy::Level::read, {{"f", ""}}));
  REQUIRE(errors(world.client.got).size() == 1);
  CHECK(errors(world.client.got)[0].starts_with("57P01 "));
}

TEST_CASE("a session goes on where its level rises, or falls from ddl to write") {
  for (const auto& [before, after] : {std::pair{policy::Level::read, policy::Level::write},
                                      {policy::Level::read, policy::Level::admin},
                                      {policy::Level::write, policy::Level::admin},
                                      {policy::Level::ddl, policy::Level::write}}) {
    World world(1, 0, begins_with(policies_of(before)));
    world.connect();
    world.log_in();
    world.server.got.clear();
    reload(world, policies_of(after));
    world.send(world.client, query("select 1"));
    CHECK(world.server.got == query("select 1"));
  }
}

TEST_CASE("a session that a superuser serves ends when it is lowered to read, after the running statement") {
  for (bool is_allowed : {false, true}) {
    World world(1, 0, [&](Snapshot& snapshot) {
      snapshot.policies = policies_of(policy::Level::write);
      snapshot.targets["shop"].allow_superuser_read = is_allowed;
    });
    world.reach_server();
    world.send(world.server, [] {
      std::string out;
      pg::append_authentication_ok(out);
      pg::append_parameter_status(out, "is_superuser", "on");
      pg::append_ready_for_query(out, 'I');
      return out;
    }());
    world.client.got.clear();
    world.send(world.client, query("select 1"));
    reload(world, policies_of(policy::Level::read));
    CHECK(world.client.got.empty());
    world.send(world.server, answer());
    CHECK(world.types(world.client.got) == "CZE");
    CHECK((errors(world.client.got)[0].find("superuser") != std::string::npos) == !is_allowed);
  }
}

TEST_CASE("a session whose settings hide what statements say ends when it is restricted") {
  World world(1, 0, begins_with(policies_of(policy::Level::admin)));
  world.connect();
  world.log_in();
  world.send(world.client, query("set standard_conforming_strings = off"));
  world.send(world.server, status("standard_conforming_strings", "off") + answer());
  world.server.got.clear();
  world.client.got.clear();
  reload(world, policies_for("*", policy::Level::admin, {{"delete", ""}}));
  world.send(world.client, query("select 'a\\'; delete from t; --'"));
  CHECK(world.server.got.empty());
  REQUIRE(errors(world.client.got).size() == 1);
  CHECK(errors(world.client.got)[0].starts_with("57P01 "));
}

TEST_CASE(
    "access that is gone ends a session with its running statement, and what stands behind is not sent") {
  World world;
  world.connect();
  world.log_in();
  world.send(world.client, query("select 1"));
  world.server.got.clear();
  reload(world, policies_for("another", policy::Level::read));
  world.send(world.client, query("select 2"));
  CHECK(world.server.got.empty());
  CHECK(world.types(world.client.got) == "E");
  CHECK(errors(world.client.got)[0].starts_with("57P01 "));
}

TEST_CASE("a marker that somebody stole turns no other error into a refusal") {
  World world(1, 0, begins_with(policies_of(policy::Level::read)));
  world.connect();
  world.log_in();
  world.send(world.client, query("delete from t"));
  const std::string first = marker_in(world);
  world.send(world.server, failure("42601", "syntax error at or near \"" + first + "\""));
  // The marker that the next refusal will have, as far as it can be guessed from this one.
  std::string second = first;
  second.back() = '2';
  world.client.got.clear();
  world.server.got.clear();
  world.send(world.client, query("select " + first) + query("select " + second) + query("delete from t") +
                               query("select 3"));
  CHECK(marker_in(world) == second);
  world.send(world.server, failure("42703", "column \"" + first + "\" does not exist"));
  world.send(world.server, failure("42601", "syntax error at or near \"" + second + "\""));
  world.send(world.server, failure("42601", "syntax error at or near \"" + second + "\""));
  world.send(world.server, failure("42601", "syntax error at or near \"" + second + "\""));
  const std::vector<std::string> found = errors(world.client.got);
  REQUIRE(found.size() == 4);
  CHECK(found[0] == "42703 column \"" + first + "\" does not exist");
  CHECK(found[1] == "42601 syntax error at or near \"" + second + "\"");
  CHECK(found[2].starts_with("42501 "));
  CHECK(found[2].find("rf_") == std::string::npos);
  CHECK(found[3] == "42601 syntax error at or near \"" + second + "\"");
}

namespace {

// A grant of level write, whose term ends 10 s after the store was heard of at 1 s.
struct Term {
  std::shared_ptr<std::atomic<uint64_t>> heard_ns = std::make_shared<std::atomic<uint64_t>>(second_ns);
  static constexpr uint64_t second_ns = 1'000'000'000;

  std::function<void(Snapshot&)> grants() const {
    return [heard = heard_ns](Snapshot& snapshot) {
      snapshot.policies = nullptr;
      snapshot.grant_term = {heard, 10 * second_ns};
      User& ada = snapshot.users["ada"];
      ada.declared_id.bytes[0] = 1;
      model::Grant grant;
      grant.id = "g";
      grant.number = 7;
      grant.level = policy::Level::write;
      grant.subject = model::grant_subject("user", to_string(ada.declared_id));
      grant.object = model::grant_object("tag", "*");
      add_grant(snapshot, grant);
    };
  }
};

}  // namespace

TEST_CASE("the first statement after the term of grants is refused, and the first one after news is not") {
  for (const bool has_news : {false, true}) {
    for (const uint64_t ms : {1'001, 11'000, 11'001, 12'000}) {
      CAPTURE(ms);
      const Term term;
      World world(1, 0, term.grants());
      world.advance_to(1'000);
      world.connect();
      world.log_in();
      world.advance_to(ms);
      CHECK(world.core->look()->are_grants_stale == (ms > 11'000));
      if (has_news) *term.heard_ns = 11 * Term::second_ns;
      world.send(world.client, query("select 1"));
      CHECK((world.server.got == query("select 1")) == (has_news || ms <= 11'000));
    }
  }
}

TEST_CASE("a grant that names a user of the file is nobody else's") {
  Snapshot snapshot;
  Target target;
  target.name = "shop";
  target.declared_id = model::declared_id("target", "shop");
  snapshot.targets["shop"] = target;
  User ada;
  ada.name = "ada";
  ada.declared_id = model::declared_id("user", "ada");
  snapshot.users["ada"] = ada;
  model::Grant grant;
  grant.id = "g";
  grant.number = 7;
  grant.declared_user = "ada";
  grant.declared_target = "shop";
  grant.subject = model::grant_subject("user", to_string(ada.declared_id));
  grant.object = model::grant_object("target", to_string(target.declared_id));
  add_grant(snapshot, grant);
  CHECK(deciding_grant(snapshot, ada, pg_place(snapshot, "shop")) != nullptr);
  CHECK(grants_without_effect(snapshot, "ada", "shop").empty());
  // The store has a user of this name now, and the file has none.
  ada.declared_id = {};
  ada.id = model::declared_id("user", "another");
  snapshot.users["ada"] = ada;
  CHECK(deciding_grant(snapshot, ada, pg_place(snapshot, "shop")) == nullptr);
  auto idle = grants_without_effect(snapshot, "ada", "shop");
  REQUIRE(idle.size() == 1);
  CHECK(idle[0].gone == std::vector<std::string>{"user ada"});
  snapshot.targets.erase("shop");
  snapshot.users.erase("ada");
  idle = grants_without_effect(snapshot, "ada", "shop");
  REQUIRE(idle.size() == 1);
  CHECK(idle[0].gone == std::vector<std::string>{"user ada", "target shop"});
  CHECK(grants_without_effect(snapshot, "bob", "shop").empty());
}
