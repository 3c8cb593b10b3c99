// Who owns the store changes its rows by hand: none of that is in force, on any node.
#include "control/plane_fixture.h"

using namespace ringfence;
using namespace ringfence::control;
using namespace ringfence::control::testing;
using Kind = Answer::Kind;

namespace {

// Two nodes that share a store and a key ring.
struct Pair {
  Pair() {
    forget_all();
    first = std::make_unique<Node>();
    second = std::make_unique<Node>(first->dir.path + "/control.keys");
    REQUIRE(first->create("user", {{"name", "ana"}, {"roles", {"auditor"}}}).kind == Kind::created);
    REQUIRE(eventually([&] { return second->has_user("ana"); }));
  }
  bool both(const std::function<bool(Node&)>& holds) {
    return eventually([&] { return holds(*first) && holds(*second); });
  }
  std::unique_ptr<Node> first, second;
};

bool tells(Node& node, const std::string& what) { return node.told().find(what) != std::string::npos; }

}  // namespace

TEST_CASE("another node follows, in both directions") {
  Pair pair;
  REQUIRE(pair.second->create("user", {{"name", "bob"}}).kind == Kind::created);
  CHECK(eventually([&] { return pair.first->has_user("bob"); }));
  REQUIRE(pair.first->change("user", "bob", {{"enabled", false}}).kind == Kind::ok);
  CHECK(eventually([&] { return !pair.second->has_user("bob"); }));
  REQUIRE(pair.second->remove("user", "ana").kind == Kind::deleted);
  CHECK(eventually([&] { return !pair.first->has_user("ana"); }));
  CHECK(pair.first->told().empty());
  CHECK(pair.second->told().empty());
}

TEST_CASE("an edited row is not in force, and cannot be changed on") {
  Pair pair;
  query("UPDATE ringfence_control.users SET must_change_password = true WHERE name = 'ana'");
  CHECK(pair.both([](Node& node) { return !node.has_user("ana") && tells(node, "its code does not fit"); }));
  CHECK(pair.first->change("user", "ana", {{"email", "x"}}).kind == Kind::conflict);
  CHECK(pair.first->read("user", "ana").kind == Kind::conflict);
  const Answer listed = pair.first->list("user");
  for (const Json& item : listed.body.at("items")) CHECK(item.at("name") != "ana");
  query("UPDATE ringfence_control.users SET must_change_password = false WHERE name = 'ana'");
  CHECK(pair.both([](Node& node) { return node.has_user("ana"); }));
}

TEST_CASE("a link that was put in gives nothing") {
  Pair pair;
  query(
      "INSERT INTO ringfence_control.users_roles SELECT u.id, r.id FROM ringfence_control.users u, "
      "ringfence_control.roles r WHERE u.name = 'ana' AND r.name = 'admin'");
  CHECK(pair.both([](Node& node) { return !node.has_user("ana"); }));
}

TEST_CASE("an inserted row gives nothing") {
  Pair pair;
  query(
      "INSERT INTO ringfence_control.users (id, number, version, revision, created_at, created_by, "
      "updated_at, "
      "updated_by, key_id, mac, name) SELECT gen_random_uuid(), 99, 1, revision, created_at, created_by, "
      "updated_at, "
      "updated_by, key_id, mac, 'eve' FROM ringfence_control.users WHERE name = 'ana'");
  CHECK(pair.both([](Node& node) { return tells(node, "its code does not fit"); }));
  CHECK(!pair.first->has_user("eve"));
  CHECK(pair.first->has_user("ana"));
}

TEST_CASE("a row that was taken away is told of") {
  Pair pair;
  query("DELETE FROM ringfence_control.users WHERE name = 'ana'");
  CHECK(
      pair.both([](Node& node) { return !node.has_user("ana") && tells(node, "no appliance deleted it"); }));
}

TEST_CASE("an older version that is brought back is not in force") {
  Pair pair;
  query("CREATE TABLE public.older AS SELECT * FROM ringfence_control.users WHERE name = 'ana'");
  query(
      "CREATE TABLE public.older_links AS SELECT * FROM ringfence_control.users_roles l WHERE owner IN "
      "(SELECT id FROM "
      "public.older)");
  REQUIRE(pair.first->change("user", "ana", {{"enabled", false}}).kind == Kind::ok);
  REQUIRE(eventually([&] { return !pair.second->has_user("ana"); }));
  query(
      "UPDATE ringfence_control.users u SET enabled = o.enabled, version = o.version, revision = o.revision, "
      "updated_at = o.updated_at, mac = o.mac FROM public.older o WHERE o.id = u.id");
  CHECK(pair.both([](Node& node) { return tells(node, "version 2 was there already"); }));
  CHECK(!pair.first->has_user("ana"));
  // Neither after a restart.
  const std::string ring = pair.first->dir.path + "/control.keys";
  const std::string state = pair.second->dir.path;
  pair.second->plane.reset();
  Node again(ring, 100, state);
  CHECK(!again.has_user("ana"));
  // A deleted one comes back to nothing, even on a node that has seen neither.
  REQUIRE(pair.first->create("user", {{"name", "bob"}}).kind == Kind::created);
  query("DROP TABLE public.older, public.older_links");
  query("CREATE TABLE public.older AS SELECT * FROM ringfence_control.users WHERE name = 'bob'");
  REQUIRE(pair.first->remove("user", "bob").kind == Kind::deleted);
  query("INSERT INTO ringfence_control.users SELECT * FROM public.older");
  CHECK(eventually([&] { return tells(*pair.first, "it was deleted and is there again"); }));
  Node fresh(ring);
  CHECK(!fresh.has_user("bob"));
  CHECK(!pair.first->has_user("bob"));
  query("DROP TABLE public.older");
}

TEST_CASE("another store, or one that was taken back, is told of") {
  Pair pair;
  query("UPDATE ringfence_control.state SET revision = 1");
  CHECK(pair.both([](Node& node) { return tells(node, "taken back"); }));
  query("UPDATE ringfence_control.state SET store_id = gen_random_uuid()");
  CHECK(
      pair.both([](Node& node) { return !node.has_user("ana") && tells(node, "the store is another one"); }));
}

TEST_CASE("a node that was cut off follows again") {
  Pair pair;
  query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ringfence control "
      "follower'");
  REQUIRE(pair.first->create("user", {{"name", "bob"}}).kind == Kind::created);
  CHECK(pair.both([](Node& node) { return node.has_user("bob"); }));
  query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ringfence control'");
  CHECK(eventually([&] { return pair.first->create("user", {{"name", "cid"}}).kind != Kind::unavailable; }));
  CHECK(pair.both([](Node& node) { return node.has_user("cid"); }));
}
