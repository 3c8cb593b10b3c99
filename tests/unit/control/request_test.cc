// Access requests and break-glass: what is decided, by whom, once; and that a grant is there or is not.
#include <thread>

#include "control/plane_fixture.h"

using namespace ringfence;
using namespace ringfence::control;
using namespace ringfence::control::testing;
using Kind = Answer::Kind;

namespace {

// A node with two who ask, two who decide, and a target.
struct Desk {
  Desk() {
    forget_all();
    node = std::make_unique<Node>();
    for (const char* name : {"ana", "eve"}) add(name, "user");
    for (const char* name : {"bob", "cid"}) add(name, "approver");
    const Json target = {{"name", "shop"}, {"hosts", {"db"}}, {"user", "app"}, {"tags", {"e2e"}}};
    REQUIRE(node->create("target", target).kind == Kind::created);
  }
  void add(const std::string& name, const std::string& role) const {
    const Answer made = node->create("user", {{"name", name}, {"roles", {role}}});
    REQUIRE_MESSAGE(made.kind == Kind::created, made.message);
  }
  Actor as(const std::string& name, const std::string& method = "password") const {
    const UserFacts* user = node->plane->in_force()->find_user(name);
    REQUIRE(user != nullptr);
    return {name, method, "127.0.0.1:1", user->id, user->scopes};
  }
  Answer ask(const std::string& who, Json more = Json::object(), const std::string& key = "") const {
    Json given = {
        {"target", "shop"}, {"level", "write"}, {"duration_s", 3600}, {"justification", "ticket 7"}};
    given.update(more);
    const Actor actor = as(who);
    return node->ask([&](Registry& r) { return r.create(Node::noun("access_request"), given, actor, key); });
  }
  static Answer decide(Node& at, const std::string& which, const Actor& who, Decision decision,
                       const Json& given = Json::object()) {
    return at.ask([&](Registry& r) { return r.decide(which, decision, given, std::nullopt, who); });
  }
  Answer decide(const std::string& which, const Actor& who, Decision decision = Decision::approve,
                const Json& given = Json::object()) const {
    return decide(*node, which, who, decision, given);
  }
  Answer break_glass(const Actor& who, const Json& given, const std::string& key = "") const {
    return node->ask([&](Registry& r) { return r.break_glass(given, who, key); });
  }
  size_t grants() const { return node->list("grant").body.at("items").size(); }
  std::string state(const std::string& which) const {
    return node->read("access_request", which).body.at("state").get<std::string>();
  }
  std::unique_ptr<Node> node;
};

std::string id_of(const Answer& answer) {
  REQUIRE_MESSAGE(answer.kind == Kind::created, answer.message);
  return answer.body.at("id").get<std::string>();
}

// "access_request_approved success INFO", of events of this action, in their order.
std::string told_of(const Node& node, const std::string& action) {
  std::string out;
  for (const auto& record : node.trail.records) {
    if (record[audit::Tag::action] != action) continue;
    std::string outcome = std::string(record[audit::Tag::outcome]);
    for (const auto& other : node.trail.records) {
      if (other.kind == audit::RecordKind::outcome && other.start_seq == record.seq)
        outcome = std::string(other[audit::Tag::outcome]) + " " + std::string(other[audit::Tag::severity]);
    }
    out += (out.empty() ? "" : "; ") + outcome;
  }
  return out;
}

}  // namespace

TEST_CASE("an approval makes a grant, once, and both say so") {
  const Desk desk;
  const Answer asked = desk.ask("ana", {{"max_rows", 10}});
  const std::string id = id_of(asked);
  CHECK(asked.body.at("user") == "ana");
  CHECK(asked.body.at("state") == "pending");
  CHECK(asked.body.at("grant").is_null());
  CHECK(desk.grants() == 0);
  const Answer approved = desk.decide(id, desk.as("bob"), Decision::approve, {{"reason", "fine"}});
  REQUIRE_MESSAGE(approved.kind == Kind::ok, approved.message);
  CHECK(approved.body.at("state") == "approved");
  CHECK(approved.body.at("decided_by") == "bob (password)");
  CHECK(approved.body.at("decision_reason") == "fine");
  // When the answer comes, the grant is in force.
  const std::string grant = approved.body.at("grant").get<std::string>();
  CHECK(desk.node->plane->in_force()->grants.find(grant) != nullptr);
  const Json made = desk.node->read("grant", grant).body;
  CHECK(made.at("user") == "ana");
  CHECK(made.at("target") == "shop");
  CHECK(made.at("level") == "write");
  CHECK(made.at("max_rows") == 10);
  CHECK(made.at("reason") == "ticket 7");
  CHECK(made.at("origin") == "request");
  CHECK(!made.at("expires_at").is_null());
  CHECK(told_of(*desk.node, "access_request_approved") == "success INFO");
  CHECK(told_of(*desk.node, "privilege_granted") == "success");
  for (const Decision again : {Decision::approve, Decision::deny, Decision::cancel}) {
    const Actor who = desk.as(again == Decision::cancel ? "ana" : "cid");
    CHECK(desk.decide(id, who, again, {{"reason", "x"}}).kind == Kind::conflict);
  }
  CHECK(desk.grants() == 1);
  // The grant may go; the request still says which one it was.
  CHECK(desk.node->remove("grant", grant).kind == Kind::deleted);
  CHECK(desk.node->read("access_request", id).body.at("grant") == grant);
}

TEST_CASE("nobody decides a request of his own, by whatever key and role") {
  const Desk desk;
  const std::string id = id_of(desk.ask("bob"));
  Actor bob = desk.as("bob");
  for (const char* method : {"password", "api key", "browser session"}) {
    bob.method = method;
    CHECK(desk.decide(id, bob).kind == Kind::forbidden);
    CHECK(desk.decide(id, bob, Decision::deny, {{"reason", "x"}}).kind == Kind::forbidden);
  }
  bob.scopes = auth::Scopes::all();
  CHECK(desk.decide(id, bob).kind == Kind::forbidden);
  CHECK(desk.grants() == 0);
  CHECK(desk.state(id) == "pending");
  CHECK(told_of(*desk.node, "access_request_approved") == "denied; denied; denied; denied");
  const auto remove = [&](Registry& r) {
    return r.remove(Node::noun("access_request"), id, std::nullopt, bob);
  };
  CHECK(desk.node->ask(remove).kind == Kind::forbidden);
  CHECK(desk.node->change("access_request", id, {{"level", "admin"}}).kind == Kind::invalid);
  CHECK(desk.node->change("access_request", id, {{"state", "approved"}}).kind == Kind::invalid);
  // The configuration's token decides, and asks for nothing.
  CHECK(desk.decide(id, desk.node->actor).kind == Kind::ok);
  const Json given = {{"target", "shop"}, {"duration_s", 60}, {"justification", "x"}};
  CHECK(desk.node->create("access_request", given).kind == Kind::forbidden);
}

TEST_CASE("who lost the role while he was asked does not decide, and who was disabled gets nothing") {
  const Desk desk;
  const std::string id = id_of(desk.ask("ana"));
  const Actor bob = desk.as("bob");
  REQUIRE(desk.node->change("user", "bob", {{"roles", {"user"}}}).kind == Kind::ok);
  CHECK(desk.decide(id, bob).kind == Kind::forbidden);
  const Actor cid = desk.as("cid");
  REQUIRE(desk.node->change("user", "cid", {{"enabled", false}}).kind == Kind::ok);
  CHECK(desk.decide(id, cid).kind == Kind::forbidden);
  REQUIRE(desk.node->change("user", "cid", {{"enabled", true}}).kind == Kind::ok);
  REQUIRE(desk.node->change("user", "ana", {{"enabled", false}}).kind == Kind::ok);
  CHECK(desk.decide(id, cid).kind == Kind::conflict);
  CHECK(desk.grants() == 0);
  REQUIRE(desk.node->change("user", "ana", {{"enabled", true}}).kind == Kind::ok);
  CHECK(desk.decide(id, cid).kind == Kind::ok);
}

TEST_CASE("of two approvers on two nodes at once one decides") {
  const Desk desk;
  Node other(desk.node->dir.path + "/control.keys");
  for (int round = 0; round < 5; ++round) {
    const std::string id = id_of(desk.ask("ana"));
    const Actor bob = desk.as("bob"), cid = desk.as("cid");
    Answer by_bob, by_cid;
    std::thread second([&] { by_cid = Desk::decide(other, id, cid, Decision::approve); });
    by_bob = desk.decide(id, bob);
    second.join();
    CHECK((by_bob.kind == Kind::ok) != (by_cid.kind == Kind::ok));
    CHECK((by_bob.kind == Kind::conflict) != (by_cid.kind == Kind::conflict));
    CHECK(desk.grants() == static_cast<size_t>(round) + 1);
  }
}

TEST_CASE("a store that breaks off in an approval has neither, and the trail says how it ended") {
  const Desk desk;
  const std::string id = id_of(desk.ask("ana"));
  query(
      "CREATE FUNCTION public.break_off() RETURNS trigger LANGUAGE plpgsql AS "
      "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'");
  query(
      "CREATE TRIGGER break_off BEFORE UPDATE ON ringfence_control.access_requests FOR EACH ROW EXECUTE "
      "FUNCTION public.break_off()");
  CHECK(desk.decide(id, desk.as("bob")).kind == Kind::unavailable);
  query("DROP FUNCTION public.break_off CASCADE");
  CHECK(desk.grants() == 0);
  CHECK(desk.state(id) == "pending");
  // The trail takes nothing: the change is not made.
  desk.node->trail.is_full = true;
  CHECK(desk.decide(id, desk.as("bob")).kind == Kind::unavailable);
  desk.node->trail.is_full = false;
  CHECK(desk.grants() == 0);
  CHECK(desk.state(id) == "pending");
  CHECK(desk.decide(id, desk.as("bob")).kind == Kind::ok);
  CHECK(desk.grants() == 1);
}

TEST_CASE("a request that nobody has decided expires by itself, once for all nodes") {
  const Desk desk;
  Node other(desk.node->dir.path + "/control.keys");
  const std::string soon = rfc3339(wall_us() + 1'500'000);
  const std::string id = id_of(desk.ask("ana", {{"expires_at", soon}}));
  const auto stored = [&] {
    return query("SELECT state FROM ringfence_control.access_requests WHERE id = '" + id + "'");
  };
  CHECK(stored() == "pending");
  CHECK(eventually([&] { return stored() == "expired"; }));
  CHECK(desk.state(id) == "expired");
  CHECK(desk.decide(id, desk.as("bob")).kind == Kind::conflict);
  CHECK(desk.grants() == 0);
  const std::string told =
      told_of(*desk.node, "access_request_expired") + told_of(other, "access_request_expired");
  CHECK(told == "success INFO");
  ListRequest expired;
  expired.filters = {{"state", "expired"}};
  CHECK(desk.node->list("access_request", expired).body.at("items").size() == 1);
  CHECK(desk.ask("ana", {{"expires_at", rfc3339(wall_us() - 1)}}).kind == Kind::invalid);
  CHECK(desk.ask("ana", {{"expires_at", rfc3339(wall_us() + uint64_t{8} * 86'400'000'000)}}).kind ==
        Kind::invalid);
}

TEST_CASE("denied and cancelled requests grant nothing") {
  const Desk desk;
  const std::string denied = id_of(desk.ask("ana"));
  CHECK(desk.decide(denied, desk.as("bob"), Decision::deny).kind == Kind::invalid);
  CHECK(desk.decide(denied, desk.as("bob"), Decision::deny, {{"reason", "no"}, {"x", 1}}).kind ==
        Kind::invalid);
  CHECK(desk.decide(denied, desk.as("bob"), Decision::deny, {{"reason", "no"}}).kind == Kind::ok);
  CHECK(desk.state(denied) == "denied");
  const std::string cancelled = id_of(desk.ask("ana"));
  // Who does not see it does not learn of it.
  CHECK(desk.decide(cancelled, desk.as("eve"), Decision::cancel).kind == Kind::not_found);
  CHECK(desk.decide(cancelled, desk.as("bob"), Decision::cancel).kind == Kind::forbidden);
  CHECK(desk.decide(cancelled, desk.as("ana"), Decision::cancel).kind == Kind::ok);
  CHECK(desk.state(cancelled) == "cancelled");
  CHECK(desk.grants() == 0);
  CHECK(told_of(*desk.node, "access_request_denied") == "failure; failure; success INFO");
}

TEST_CASE("a rule approves what it covers, for whom it is about, and nothing else") {
  const Desk desk;
  const Json rule = {{"name", "quick"}, {"roles", {"user"}}, {"tags", {"e2e"}}, {"duration_s", 3600}};
  REQUIRE(desk.node->create("request_rule", rule).kind == Kind::created);
  CHECK(desk.ask("ana").body.at("state") == "pending");  // Level write.
  CHECK(desk.ask("ana", {{"level", "read"}, {"duration_s", 3601}}).body.at("state") == "pending");
  CHECK(desk.ask("bob", {{"level", "read"}}).body.at("state") == "pending");
  CHECK(desk.ask("ana", {{"level", "read"}, {"target", nullptr}, {"tag", "*"}}).body.at("state") ==
        "pending");
  CHECK(desk.grants() == 0);
  const Answer made = desk.ask("ana", {{"level", "read"}}, "key-1");
  CHECK(made.body.at("state") == "approved");
  CHECK(made.body.at("decided_by") == "rule quick");
  CHECK(desk.node->plane->in_force()->grants.find(made.body.at("grant").get<std::string>()) != nullptr);
  CHECK(desk.grants() == 1);
  // The same request again is the same answer, and no other grant.
  CHECK(desk.ask("ana", {{"level", "read"}}, "key-1").body == made.body);
  CHECK(desk.ask("ana", {{"level", "ddl"}}, "key-1").kind == Kind::conflict);
  CHECK(desk.grants() == 1);
  // A rule that somebody else wrote approves nothing.
  query("UPDATE ringfence_control.request_rules SET level = 'admin'");
  CHECK(desk.ask("ana", {{"level", "read"}}).body.at("state") == "pending");
}

TEST_CASE("nobody makes a rule for himself, unless he may do everything") {
  const Desk desk;
  REQUIRE(desk.node->create("role", {{"name", "ruler"}, {"permissions", {"request-rules:*"}}}).kind ==
          Kind::created);
  REQUIRE(desk.node->create("role", {{"name", "chief"}, {"parents", {"ruler"}}}).kind == Kind::created);
  desk.add("rob", "chief");
  const Actor rob = desk.as("rob");
  const auto make = [&](const char* name, const char* role) {
    const Json rule = {{"name", name}, {"roles", {role}}, {"tags", {"*"}}, {"duration_s", 60}};
    return desk.node->ask([&](Registry& r) { return r.create(Node::noun("request_rule"), rule, rob, ""); });
  };
  CHECK(make("own", "chief").kind == Kind::forbidden);
  CHECK(make("inherited", "ruler").kind == Kind::forbidden);
  CHECK(make("others", "user").kind == Kind::created);
  const auto change = [&](Registry& r) {
    return r.change(Node::noun("request_rule"), "others", {{"roles", {"chief"}}}, std::nullopt, rob);
  };
  CHECK(desk.node->ask(change).kind == Kind::forbidden);
}

TEST_CASE("a row that says approved gives nothing") {
  const Desk desk;
  const std::string id = id_of(desk.ask("ana"));
  query(
      "UPDATE ringfence_control.access_requests SET state = 'approved', decided_at = now(), \"grant\" = id");
  CHECK(eventually([&] { return desk.node->told().find(id) != std::string::npos; }));
  CHECK(desk.node->plane->in_force()->grants.size() == 0);
  CHECK(desk.node->read("access_request", id).kind == Kind::conflict);
  // A pending one that asks for more than its user did is decided by nobody.
  query(
      "UPDATE ringfence_control.access_requests SET state = 'pending', decided_at = NULL, \"grant\" = NULL, "
      "level = 'admin'");
  CHECK(desk.decide(id, desk.as("bob")).kind == Kind::conflict);
  CHECK(desk.grants() == 0);
  query("UPDATE ringfence_control.access_requests SET level = 'write'");
  CHECK(desk.decide(id, desk.as("bob")).kind == Kind::ok);
  // The pending version of a decided request is not decided again.
  query(
      "UPDATE ringfence_control.access_requests SET state = 'pending', decided_at = NULL, \"grant\" = NULL, "
      "version = 1");
  CHECK(desk.decide(id, desk.as("bob")).kind == Kind::conflict);
  CHECK(desk.grants() == 1);
}

TEST_CASE("break-glass gives who asks access at once, and is CRITICAL") {
  const Desk desk;
  REQUIRE(desk.node->create("role", {{"name", "oncall"}, {"permissions", {"grants:break-glass"}}}).kind ==
          Kind::created);
  desk.add("dan", "oncall");
  const Actor dan = desk.as("dan");
  const Json given = {{"target", "shop"}, {"level", "admin"}, {"reason", "the shop is down"}};
  const Answer made = desk.break_glass(dan, given, "key-1");
  REQUIRE_MESSAGE(made.kind == Kind::created, made.message);
  CHECK(made.body.at("user") == "dan");
  CHECK(made.body.at("origin") == "break_glass");
  CHECK(made.body.at("priority") == 1'000'000);
  const std::string id = made.body.at("id").get<std::string>();
  CHECK(desk.node->plane->in_force()->grants.find(id) != nullptr);
  CHECK(told_of(*desk.node, "break_glass") == "success CRITICAL");
  CHECK(desk.node->plane->status().break_glass == 1);
  CHECK(desk.break_glass(dan, given, "key-1").body == made.body);
  CHECK(desk.break_glass(dan, {{"target", "shop"}, {"reason", "another reason"}}, "key-1").kind ==
        Kind::conflict);
  CHECK(desk.grants() == 1);
  for (const Json& wrong : {Json{{"reason", "too short"}, {"target", "shop"}}, Json{{"target", "shop"}},
                            Json{{"reason", "for what is it"}},
                            Json{{"reason", "far too long"}, {"target", "shop"}, {"minutes", 241}},
                            Json{{"reason", "for another"}, {"target", "shop"}, {"user", "ana"}}})
    CHECK(desk.break_glass(dan, wrong).kind == Kind::invalid);
  CHECK(desk.break_glass(desk.node->actor, given).kind == Kind::forbidden);
  // He ends his own, and nothing else of grants is his.
  const Answer others = desk.node->create("grant", {{"user", "dan"}, {"target", "shop"}});
  const auto remove = [&](const std::string& which, const Actor& who) {
    return desk.node
        ->ask([&](Registry& r) { return r.remove(Node::noun("grant"), which, std::nullopt, who); })
        .kind;
  };
  CHECK(remove(id_of(others), dan) == Kind::not_found);
  CHECK(remove(id, desk.as("ana")) == Kind::not_found);
  Actor granter = dan;
  granter.scopes.add("grants:write");
  const auto prolong = [&](Registry& r) {
    return r.change(Node::noun("grant"), id, {{"expires_at", nullptr}}, std::nullopt, granter);
  };
  CHECK(desk.node->ask(prolong).kind == Kind::forbidden);
  CHECK(remove(id, dan) == Kind::deleted);
  CHECK(desk.node->create("grant", {{"user", "ana"}, {"target", "shop"}, {"origin", "break_glass"}}).kind ==
        Kind::invalid);
  CHECK(desk.node->create("grant", {{"user", "ana"}, {"target", "shop"}, {"priority", 1'000'000}}).kind ==
        Kind::invalid);
}
