// Who owns the store and changes its tables: the appliance goes on, and gives nothing for it.
#include "control/plane_fixture.h"
#include "ringfence/base/clock.h"

using namespace ringfence;
using namespace ringfence::control;
using namespace ringfence::control::testing;
using Kind = Answer::Kind;

namespace {

constexpr const char* bump = "UPDATE ringfence_control.state SET revision = revision + 1";

struct One {
  One() {
    forget_all();
    node = std::make_unique<Node>();
    REQUIRE(node->create("role", {{"name", "junior"}}).kind == Kind::created);
    REQUIRE(node->create("user", {{"name", "ana"}, {"roles", {"junior"}}}).kind == Kind::created);
  }
  Node* operator->() const { return node.get(); }
  std::unique_ptr<Node> node;
};

bool tells(One& node, const std::string& what) {
  return eventually([&] { return node->told().find(what) != std::string::npos; });
}

}  // namespace

TEST_CASE("a row of another form is no record, and ends nothing") {
  One node;
  SUBCASE("a tombstone of nobody") {
    query(
        "ALTER TABLE ringfence_control.tombstones DROP CONSTRAINT tombstones_pkey, ALTER id DROP NOT NULL; "
        "INSERT INTO ringfence_control.tombstones VALUES ('user', NULL, 2, 1000, now(), 'x', 'k1', "
        "decode(repeat('00', 32), 'hex'))");
    query(bump);
    CHECK(node->create("user", {{"name", "bob"}}).kind == Kind::created);
    CHECK(node->has_user("ana"));
    return;
  }
  SUBCASE("a record without an id") {
    query(
        "ALTER TABLE ringfence_control.users DROP CONSTRAINT users_pkey CASCADE, ALTER id DROP NOT NULL; "
        "UPDATE ringfence_control.users SET id = NULL, revision = 1000 WHERE name = 'ana'");
  }
  SUBCASE("a record without a version") {
    query(
        "ALTER TABLE ringfence_control.users ALTER version DROP NOT NULL; "
        "UPDATE ringfence_control.users SET version = NULL, revision = 1000 WHERE name = 'ana'");
  }
  SUBCASE("a number that is none") {
    query(
        "ALTER TABLE ringfence_control.users ALTER number TYPE numeric; "
        "UPDATE ringfence_control.users SET number = ('1' || repeat('0', 400))::numeric WHERE name = 'ana'");
  }
  SUBCASE("links to what has no id") {
    query(
        "ALTER TABLE ringfence_control.users_roles DROP CONSTRAINT users_roles_other_fkey, "
        "DROP CONSTRAINT users_roles_pkey; "
        "ALTER TABLE ringfence_control.users_roles ALTER other TYPE int USING 1");
  }
  query(bump);
  CHECK(tells(node, "no appliance deleted it"));
  CHECK(!node->has_user("ana"));
  CHECK(node->read("user", "ana").kind == Kind::not_found);
  CHECK(node->list("user").kind == Kind::ok);
}

TEST_CASE("an earlier answer that somebody wrote is none") {
  One node;
  REQUIRE(node->create("user", {{"name", "bob"}}, "key-1").kind == Kind::created);
  query("UPDATE ringfence_control.idempotency SET answer = '[1]'");
  CHECK(node->create("user", {{"name", "bob"}}, "key-1").kind == Kind::conflict);
}

namespace {

// May manage users and nothing else, and asks for more.
Answer as_helpdesk(One& node, const std::string& user, const Json& given) {
  const Actor helpdesk{"helpdesk", "password", "", {}, auth::Scopes{"users:*"}};
  return node->ask([&](Registry& r) { return r.change(Node::noun("user"), user, given, {}, helpdesk); });
}

Json roles_of(One& node, const std::string& user) {
  const UserFacts* facts = node->plane->in_force()->find_user(user);
  return facts == nullptr ? Json() : Json(facts->roles);
}

}  // namespace

TEST_CASE("what a role may is not believed of a row that somebody wrote") {
  One node;
  CHECK(as_helpdesk(node, "ana", {{"roles", {"admin"}}}).kind == Kind::forbidden);
  query("UPDATE ringfence_control.roles SET permissions = '{}' WHERE name = 'admin'");
  CHECK(as_helpdesk(node, "ana", {{"roles", {"admin"}}}).kind == Kind::invalid);
  // Nor of one that is away: the administrator's password would be anybody's.
  CHECK(as_helpdesk(node, "admin", {{"password", "another horse 8"}}).kind == Kind::conflict);
  query(
      "ALTER TABLE ringfence_control.users_roles DROP CONSTRAINT users_roles_other_fkey; "
      "CREATE TABLE public.away AS SELECT * FROM ringfence_control.roles WHERE name = 'admin'; "
      "DELETE FROM ringfence_control.roles WHERE name = 'admin'");
  CHECK(as_helpdesk(node, "admin", {{"password", "another horse 8"}}).kind == Kind::conflict);
  // Who may everything takes access away all the same.
  CHECK(node->change("user", "ana", {{"enabled", false}}).kind == Kind::ok);
  query("DROP TABLE public.away");
}

TEST_CASE("a name leads to no other record than the one that has it") {
  One node;
  const auto swap = [](const std::string& a, const std::string& b) {
    query("UPDATE ringfence_control.roles SET name = 'away' WHERE name = '" + a + "'");
    query("UPDATE ringfence_control.roles SET name = '" + a + "' WHERE name = '" + b + "'");
    query("UPDATE ringfence_control.roles SET name = '" + b + "' WHERE name = 'away'");
  };
  REQUIRE(node->create("user", {{"name", "bob"}}).kind == Kind::created);
  swap("admin", "junior");
  CHECK(node->change("user", "bob", {{"roles", {"junior"}}}).kind == Kind::invalid);
  // Nor is it shown under another one's name.
  CHECK(node->read("user", "ana").body["roles"] != Json{"admin"});
  CHECK(node->read("role", "junior").kind == Kind::conflict);
  swap("admin", "junior");
  CHECK(node->change("user", "bob", {{"roles", {"junior"}}}).kind == Kind::ok);
  CHECK(roles_of(node, "bob") == Json{"junior"});
  CHECK(node->read("user", "ana").body["roles"] == Json{"junior"});
}

TEST_CASE("nothing is made of an older version that was brought back") {
  One node;
  query("CREATE TABLE public.older AS SELECT * FROM ringfence_control.users WHERE name = 'ana'");
  REQUIRE(node->change("user", "ana", {{"enabled", false}}).kind == Kind::ok);
  query(
      "UPDATE ringfence_control.users u SET enabled = o.enabled, version = o.version, revision = o.revision, "
      "updated_at = o.updated_at, mac = o.mac FROM public.older o WHERE o.id = u.id; DROP TABLE "
      "public.older");
  CHECK(node->change("user", "ana", {{"email", "x"}}).kind == Kind::conflict);
  CHECK(node->read("user", "ana").kind == Kind::conflict);
  CHECK(!node->has_user("ana"));
}

TEST_CASE("what somebody wrote is not shown as true") {
  One node;
  query("UPDATE ringfence_control.users SET display_name = 'Forged' WHERE name = 'ana'");
  CHECK(node->read("user", "ana").kind == Kind::conflict);
  const Answer list = node->list("user");
  REQUIRE(list.kind == Kind::ok);
  REQUIRE(list.body["items"].size() == 1);
  CHECK(list.body["items"][0]["name"] == "admin");
}

TEST_CASE("a change that the store confirms and does not keep") {
  One node;
  const auto on_update = [](const std::string& then) {
    query("CREATE OR REPLACE FUNCTION public.meddle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN " + then +
          " END'; CREATE TRIGGER meddle BEFORE UPDATE ON ringfence_control.users FOR EACH ROW "
          "EXECUTE FUNCTION public.meddle()");
  };
  SUBCASE("the row stays as it was") { on_update("RETURN OLD;"); }
  SUBCASE("another row is written") { on_update("NEW.enabled = true; RETURN NEW;"); }
  SUBCASE("nor does the revision grow") {
    on_update("UPDATE ringfence_control.state SET revision = revision - 1; RETURN OLD;");
  }
  CHECK(node->change("user", "ana", {{"enabled", false}}).kind == Kind::conflict);
  CHECK(!node->has_user("ana"));
  CHECK(node->has_user("admin"));
  CHECK(tells(node, "user "));
  query("DROP TRIGGER meddle ON ringfence_control.users");
  CHECK(node->change("user", "ana", {{"email", "x"}}).kind == Kind::conflict);
  CHECK(!node->has_user("ana"));
  CHECK(node->change("user", "admin", {{"email", "x"}}).kind == Kind::ok);
}

TEST_CASE("a deletion that the store confirms and does not keep") {
  One node;
  query(
      "CREATE OR REPLACE FUNCTION public.meddle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
      "INSERT INTO ringfence_control.users SELECT OLD.*; DELETE FROM ringfence_control.tombstones; RETURN "
      "NULL; "
      "END'; CREATE TRIGGER meddle AFTER DELETE ON ringfence_control.users FOR EACH ROW "
      "EXECUTE FUNCTION public.meddle(); "
      "CREATE OR REPLACE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; "
      "END'; CREATE TRIGGER swallow BEFORE INSERT ON ringfence_control.tombstones FOR EACH ROW "
      "EXECUTE FUNCTION public.swallow()");
  CHECK(node->remove("user", "ana").kind == Kind::conflict);
  CHECK(!node->has_user("ana"));
  CHECK(tells(node, "user "));
}

TEST_CASE("what is kept of a request tells nothing of its password") {
  One node;
  const Json given = {{"name", "bob"}, {"password", "correct horse 7"}};
  REQUIRE(node->create("user", given, "key-1").kind == Kind::created);
  const std::string plain =
      query("SELECT encode(sha256(convert_to('user', 'UTF8') || '\\x00'::bytea || convert_to('" +
            model::canonical_json(given) + "', 'UTF8')), 'hex')");
  const std::string kept = query("SELECT encode(request_digest, 'hex') FROM ringfence_control.idempotency");
  REQUIRE(plain.size() >= 64);
  CHECK(kept.find(plain.substr(0, 64)) == std::string::npos);
  CHECK(node->create("user", given, "key-1").kind == Kind::created);
  // Nor does a forged answer come again.
  query("UPDATE ringfence_control.idempotency SET answer = answer || '{\"roles\": [\"admin\"]}'");
  CHECK(node->create("user", given, "key-1").kind == Kind::conflict);
}

TEST_CASE("a user's time is over while the store does not answer") {
  One node;
  const std::string soon = rfc3339(wall_us() + 1'500'000);
  REQUIRE(node->change("user", "ana", {{"expires_at", soon}}).kind == Kind::ok);
  REQUIRE(node->has_user("ana"));
  auto owner = store::Connection::open(cluster().store.owner_dsn(), "test");
  REQUIRE(owner);
  REQUIRE((*owner)->exec("BEGIN; ALTER TABLE ringfence_control.state RENAME TO away; COMMIT"));
  CHECK(eventually([&] { return !node->has_user("ana"); }));
  CHECK(node->has_user("admin"));
  REQUIRE((*owner)->exec("ALTER TABLE ringfence_control.away RENAME TO state"));
}

TEST_CASE("who holds a lock in the store does not hold the appliance") {
  One node;
  auto owner = store::Connection::open(cluster().store.owner_dsn(), "test");
  REQUIRE(owner);
  REQUIRE((*owner)->exec("BEGIN; LOCK TABLE ringfence_control.users IN ACCESS EXCLUSIVE MODE"));
  CHECK(node->list("user").kind == Kind::unavailable);
  REQUIRE((*owner)->exec("ROLLBACK"));
  CHECK(node->list("user").kind == Kind::ok);
}

TEST_CASE("a change is on the disk whatever the store's settings are") {
  auto connection = store::Connection::open(cluster().store.owner_dsn(), "test");
  REQUIRE(connection);
  REQUIRE((*connection)->exec("SET synchronous_commit = off"));
  REQUIRE(store::ControlRecords(**connection).bound(1));
  auto shown = (*connection)->exec("SHOW synchronous_commit");
  REQUIRE(shown);
  CHECK(shown->text(0, 0) == "on");
}

TEST_CASE("a name finds the record that has it, whatever the store's operators say") {
  One node;
  query(
      "CREATE FUNCTION public.is_other(text, text) RETURNS boolean LANGUAGE sql AS "
      "'SELECT $1 OPERATOR(pg_catalog.=) CASE WHEN $2 OPERATOR(pg_catalog.=) ''junior'' THEN ''admin'' "
      "ELSE $2 END'; CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.is_other)");
  auto connection = store::Connection::open(cluster().store.control_dsn(), "test");
  REQUIRE(connection);
  REQUIRE((*connection)->exec("SET search_path = public, pg_catalog"));
  store::ControlRecords records(**connection);
  const auto junior = records.by_name(Node::noun("role"), "junior");
  REQUIRE_MESSAGE(junior, junior.error().message);
  CHECK(!*junior);
  const auto admin = records.by_name(Node::noun("role"), "admin");
  REQUIRE(admin);
  CHECK(*admin);
  query("DROP OPERATOR public.= (text, text); DROP FUNCTION public.is_other");
}

TEST_CASE("a row that is too long for any record is none") {
  One node;
  query(
      "ALTER TABLE ringfence_control.users DROP CONSTRAINT users_display_name_check; "
      "UPDATE ringfence_control.users SET display_name = repeat('x', 2000000) WHERE name = 'ana'");
  CHECK(tells(node, "no appliance deleted it"));
  CHECK(node->read("user", "ana").kind == Kind::not_found);
}

TEST_CASE("any number of rows that somebody put in is told of in a few words") {
  One node;
  query(
      "INSERT INTO ringfence_control.groups (id, number, version, revision, created_at, created_by, "
      "updated_at, updated_by, key_id, mac, name) SELECT gen_random_uuid(), 1000 + i, 1, 1, now(), 'x', "
      "now(), 'x', 'k1', decode(repeat('00', 32), 'hex'), 'g' || i FROM generate_series(1, 3000) i");
  CHECK(tells(node, "more than 1000 records"));
  query("UPDATE ringfence_control.users SET display_name = 'Forged' WHERE name = 'ana'");
  query("UPDATE ringfence_control.state SET revision = revision - 1");
  CHECK(tells(node, "user "));
  const std::lock_guard guard(node->lock);
  CHECK(node->distrusted.size() < 1'010);
}
