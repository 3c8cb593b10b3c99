// Groups of targets: what a target is a member of, as others decide by it.
#include "control/plane_fixture.h"

using namespace ringfence;
using namespace ringfence::control;
using namespace ringfence::control::testing;
using Kind = Answer::Kind;

namespace {

const TargetFacts* target_of(Node& node, const std::string& name) {
  return node.plane->in_force()->find_target(name);
}

}  // namespace

TEST_CASE("a target has the ids of its groups, and a group that has members stays") {
  forget_all();
  Node node;
  const Answer group = node.create("target_group", {{"name", "billing"}, {"description", "money"}});
  REQUIRE_MESSAGE(group.kind == Kind::created, group.message);
  const std::string id = group.body.at("id").get<std::string>();
  CHECK(node.create("target_group", {{"name", "billing"}}).kind == Kind::conflict);
  const Answer made =
      node.create("target", {{"name", "shop"}, {"hosts", {"db"}}, {"user", "app"}, {"groups", {"billing"}}});
  REQUIRE_MESSAGE(made.kind == Kind::created, made.message);
  CHECK(made.body.at("groups") == Json{"billing"});
  REQUIRE(target_of(node, "shop") != nullptr);
  CHECK(target_of(node, "shop")->groups == std::vector<std::string>{id});
  const Answer unknown =
      node.create("target", {{"name", "x"}, {"hosts", {"db"}}, {"user", "app"}, {"groups", {"nothing"}}});
  REQUIRE(unknown.kind == Kind::invalid);
  CHECK(unknown.defects[0].path == "groups[0]");
  REQUIRE(node.create("target",
                      {{"name", "raw"}, {"type", "tcp"}, {"port", 1}, {"hosts", {"db"}}, {"groups", {id}}})
              .kind == Kind::created);
  CHECK(target_of(node, "raw")->groups == std::vector<std::string>{id});
  ListRequest members;
  members.filters = {{"groups", "billing"}};
  CHECK(node.list("target", members).body.at("items").size() == 2);

  const Answer referred = node.remove("target_group", "billing");
  CHECK(referred.kind == Kind::conflict);
  CHECK(referred.message == "a target refers to this record; change or delete it first");
  REQUIRE(node.change("target", "shop", {{"groups", Json::array()}}).kind == Kind::ok);
  CHECK(target_of(node, "shop")->groups.empty());
  REQUIRE(node.remove("target", "raw").kind == Kind::deleted);
  CHECK(node.remove("target_group", "billing").kind == Kind::deleted);
}

TEST_CASE("a group that somebody else wrote takes its members out of force, and they come back with it") {
  forget_all();
  Node node;
  REQUIRE(node.create("target_group", {{"name", "billing"}}).kind == Kind::created);
  REQUIRE(
      node.create("target", {{"name", "shop"}, {"hosts", {"db"}}, {"user", "app"}, {"groups", {"billing"}}})
          .kind == Kind::created);
  REQUIRE(node.create("target", {{"name", "other"}, {"hosts", {"db"}}, {"user", "app"}}).kind ==
          Kind::created);
  // A link that no appliance has written.
  query(
      "INSERT INTO ringfence_control.targets_groups SELECT t.id, g.id FROM ringfence_control.targets t, "
      "ringfence_control.target_groups g WHERE t.name = 'other'");
  CHECK(eventually([&] { return target_of(node, "other") == nullptr; }));
  CHECK(target_of(node, "shop") != nullptr);
  query("UPDATE ringfence_control.target_groups SET description = 'x'");
  CHECK(eventually([&] { return target_of(node, "shop") == nullptr; }));
  query("UPDATE ringfence_control.target_groups SET description = NULL");
  CHECK(eventually([&] { return target_of(node, "shop") != nullptr; }));
}
