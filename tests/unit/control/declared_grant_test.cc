// Grants, requests and their rules that name users and targets of the configuration file.
#include "control/plane_fixture.h"
#include "ringfence/control/declared_records.h"
#include "ringfence/model/declared.h"

using namespace ringfence;
using namespace ringfence::control;
using namespace ringfence::control::testing;
using Kind = Answer::Kind;

namespace {

std::string id_in_file(const char* noun, const std::string& name) {
  return to_string(model::declared_id(noun, name));
}

// The file declares user zoe and target shop; the store has user ana and target lab.
struct Filed : Node {
  explicit Filed(const std::string& key_ring = "") : Node(key_ring) { declare(true); }
  void declare(bool has_any) const {
    auto made = std::make_shared<DeclaredRecords>();
    if (has_any) {
      made->add(noun("user"), {{"name", "zoe"}}, "ringfence.yaml:7");
      made->add(noun("target"), {{"name", "shop"}, {"hosts", {"db"}}, {"tags", {"e2e"}}}, "ringfence.yaml:9");
    }
    plane->declare(made);
  }
  void make_stored() {
    REQUIRE(create("user", {{"name", "ana"}, {"roles", {"user"}}}).kind == Kind::created);
    const Json target = {{"name", "lab"}, {"hosts", {"db"}}, {"user", "app"}};
    REQUIRE(create("target", target).kind == Kind::created);
  }
  Json grant(const std::string& user, const std::string& target) {
    const Answer made = create("grant", {{"user", user}, {"target", target}, {"level", "write"}});
    REQUIRE_MESSAGE(made.kind == Kind::created, made.message);
    return made.body;
  }
  size_t count(const std::string& of, const std::string& field, const std::string& value) {
    const Answer page = list(of, {{{field, value}}, "", 100, ""});
    REQUIRE_MESSAGE(page.kind == Kind::ok, page.message);
    return page.body.at("items").size();
  }
  Actor as(const std::string& name) const {
    const UserFacts* user = plane->in_force()->find_user(name);
    REQUIRE(user != nullptr);
    return {name, "password", "127.0.0.1:1", user->id, user->scopes};
  }
  Answer ask_for(const Json& given, const Actor& who) {
    return ask([&](Registry& r) { return r.create(noun("access_request"), given, who, ""); });
  }
};

}  // namespace

TEST_CASE("a grant names users and targets of the file, by name or id, beside those of the store") {
  forget_all();
  Filed node;
  node.make_stored();
  for (const std::string& user : {std::string("zoe"), id_in_file("user", "zoe")}) {
    const Json made = node.grant(user, "shop");
    CHECK(made.at("user") == "zoe");
    CHECK(made.at("declared_user") == "zoe");
    CHECK(made.at("target") == "shop");
    CHECK(made.at("declared_target") == "shop");
    CHECK(made.at("not_declared_here") == Json::array());
    const model::Grant* held = node.plane->in_force()->grants.find(made.at("id").get<std::string>());
    REQUIRE(held != nullptr);
    CHECK(held->subject == model::grant_subject("user", id_in_file("user", "zoe")));
    CHECK(held->object == model::grant_object("target", id_in_file("target", "shop")));
  }
  CHECK(node.grant("ana", "shop").at("declared_user").is_null());
  CHECK(node.grant("zoe", "lab").at("declared_target").is_null());
  CHECK(node.count("grant", "user", "zoe") == 3);
  CHECK(node.count("grant", "user", id_in_file("user", "zoe")) == 3);
  CHECK(node.count("grant", "target", "shop") == 3);
  CHECK(node.count("grant", "declared_target", "shop") == 3);
  CHECK(node.count("grant", "user", "ana") == 1);
  // What refers to the store's records keeps them, as ever.
  CHECK(node.remove("user", "ana").kind == Kind::conflict);
  CHECK(node.remove("target", "lab").kind == Kind::conflict);
  const Json nobody = {{"user", id_in_file("user", "nobody")}, {"target", "shop"}};
  CHECK(node.create("grant", nobody).kind == Kind::invalid);
  CHECK(node.create("grant", {{"user", "zoe"}, {"target", "shop"}, {"declared_user", "ana"}}).kind ==
        Kind::invalid);
}

TEST_CASE(
    "what the file has lost makes the grant one without effect, and who takes the name does not get it") {
  forget_all();
  Filed node;
  const Json made = node.grant("zoe", "shop");
  const std::string id = made.at("id").get<std::string>();
  node.declare(false);
  const Json lost = node.read("grant", id).body;
  CHECK(lost.at("user") == "zoe");
  CHECK(lost.at("not_declared_here") == Json{"user zoe", "target shop"});
  CHECK(node.create("grant", {{"user", "zoe"}, {"target", "shop"}}).kind == Kind::invalid);
  // A user of the store by this name is another one.
  REQUIRE(node.create("user", {{"name", "zoe"}, {"roles", {"user"}}}).kind == Kind::created);
  const std::string other = to_string(node.plane->in_force()->find_user("zoe")->id);
  CHECK(node.plane->in_force()->grants.find(id)->subject != model::grant_subject("user", other));
  CHECK(node.read("grant", id).body.at("not_declared_here") == Json{"user zoe", "target shop"});
  REQUIRE(node.create("target", {{"name", "lab"}, {"hosts", {"db"}}, {"user", "app"}}).kind == Kind::created);
  CHECK(node.grant("zoe", "lab").at("declared_user").is_null());
  // And back.
  node.declare(true);
  CHECK(node.read("grant", id).body.at("not_declared_here") == Json::array());
  CHECK(node.change("grant", id, {{"level", "read"}}).kind == Kind::ok);
  CHECK(node.remove("grant", id).kind == Kind::deleted);
}

TEST_CASE("two nodes with two files show one grant, each with what it lacks") {
  forget_all();
  Filed node;
  const std::string id = node.grant("zoe", "shop").at("id").get<std::string>();
  Filed other(node.dir.path + "/control.keys");
  other.declare(false);
  CHECK(node.read("grant", id).body.at("not_declared_here") == Json::array());
  const Json there = other.read("grant", id).body;
  CHECK(there.at("user") == "zoe");
  CHECK(there.at("not_declared_here") == Json{"user zoe", "target shop"});
}

TEST_CASE("the code covers the names") {
  forget_all();
  Filed node;
  const std::string id = node.grant("zoe", "shop").at("id").get<std::string>();
  query("UPDATE ringfence_control.grants SET declared_user = 'ana'");
  CHECK(eventually([&] { return node.told().find(id) != std::string::npos; }));
  CHECK(node.read("grant", id).kind == Kind::conflict);
}

TEST_CASE("requests, rules and break-glass for targets of the file") {
  forget_all();
  Filed node;
  node.make_stored();
  const Json given = {{"target", "shop"}, {"duration_s", 60}, {"justification", "ticket 7"}};
  const Answer asked = node.ask_for(given, node.as("ana"));
  REQUIRE_MESSAGE(asked.kind == Kind::created, asked.message);
  CHECK(asked.body.at("target") == "shop");
  CHECK(asked.body.at("declared_target") == "shop");
  const Answer approved = node.ask([&](Registry& r) {
    return r.decide(asked.body.at("id").get<std::string>(), Decision::approve, Json::object(), std::nullopt,
                    node.actor);
  });
  REQUIRE_MESSAGE(approved.kind == Kind::ok, approved.message);
  const Json grant = node.read("grant", approved.body.at("grant").get<std::string>()).body;
  CHECK(grant.at("user") == "ana");
  CHECK(grant.at("declared_target") == "shop");
  // A rule by the target's name, and one by its tag.
  Json rule = {{"name", "by-name"}, {"roles", {"user"}}, {"targets", {"shop", "lab"}}, {"duration_s", 60}};
  const Answer ruled = node.create("request_rule", rule);
  REQUIRE_MESSAGE(ruled.kind == Kind::created, ruled.message);
  CHECK(ruled.body.at("declared_targets") == Json{"shop"});
  CHECK(node.ask_for(given, node.as("ana")).body.at("decided_by") == "rule by-name");
  CHECK(node.count("request_rule", "targets", "shop") == 1);
  CHECK(node.change("request_rule", "by-name", {{"targets", {"lab"}}}).body.at("declared_targets") ==
        Json::array());
  CHECK(node.ask_for(given, node.as("ana")).body.at("state") == "pending");
  rule = {{"name", "by-tag"}, {"roles", {"user"}}, {"tags", {"e2e"}}, {"duration_s", 60}};
  REQUIRE(node.create("request_rule", rule).kind == Kind::created);
  CHECK(node.ask_for(given, node.as("ana")).body.at("decided_by") == "rule by-tag");
  REQUIRE(node.change("user", "ana", {{"roles", {"admin"}}}).kind == Kind::ok);
  const Actor ana = node.as("ana");
  const Answer glass = node.ask([&](Registry& r) {
    return r.break_glass({{"target", "shop"}, {"reason", "the shop is down"}}, ana, "");
  });
  REQUIRE_MESSAGE(glass.kind == Kind::created, glass.message);
  CHECK(glass.body.at("declared_target") == "shop");
}

TEST_CASE("records of the file have numbers, which lead to them") {
  forget_all();
  Filed node;
  const Json zoe = node.read("user", "zoe").body;
  const auto number = zoe.at("number").get<int64_t>();
  CHECK(number >= int64_t{1} << 52);
  CHECK(number < int64_t{1} << 53);
  const Answer found = node.ask([&](Registry& r) {
    return r.identify(
        {{&Node::noun("user"), std::to_string(number), false}, {&Node::noun("target"), "shop", true}});
  });
  REQUIRE(found.kind == Kind::ok);
  CHECK(found.body[0].at("name") == "zoe");
  CHECK(found.body[0].at("id") == zoe.at("id"));
  CHECK(found.body[1].at("id") == id_in_file("target", "shop"));
}
