// Everything of the store moves to another key while the appliance works, and over a kill.
#include <filesystem>
#include <fstream>

#include "control/plane_fixture.h"

using namespace ringfence;
using namespace ringfence::control;
using namespace ringfence::control::testing;
using Kind = Answer::Kind;

namespace {

// Rows that are by another key than this one.
std::string others(const std::string& key) {
  std::string sql =
      "SELECT (SELECT count(*) FROM ringfence_control.tombstones WHERE key_id <> '" + key + "')";
  for (const model::Noun* noun : model::nouns()) {
    std::string table(noun->plural);
    std::replace(table.begin(), table.end(), '-', '_');
    sql += " + (SELECT count(*) FROM ringfence_control." + table + " WHERE key_id <> '" + key + "')";
  }
  return query(sql);
}

Answer keys(Node& node, KeyAction action, const std::string& which = "", const Json& given = Json::object()) {
  std::optional<Answer> out;
  node.plane->ask_keys(action, which, given, node.actor, [&](Answer answer) { out = std::move(answer); });
  for (int i = 0; i < 20'000 && !out; ++i) {
    node.home.turn_at(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  REQUIRE(out);
  return *out;
}

std::string rotation_state(Node& node) {
  const Answer status = keys(node, KeyAction::status);
  REQUIRE_MESSAGE(status.kind == Kind::ok, status.message);
  const Json& rotation = status.body.at("rotation");
  return rotation.is_null() ? "none" : rotation.at("state").get<std::string>();
}

bool completes(Node& node) {
  return eventually([&] {
    const Answer list = keys(node, KeyAction::list);
    return rotation_state(node) == "completed" && list.body.dump().find("retiring") == std::string::npos;
  });
}

std::string state_of(Node& node, const std::string& key) {
  const Answer shown = keys(node, KeyAction::show, key);
  return shown.kind == Kind::ok ? shown.body.at("state").get<std::string>() : "none";
}

// A store with each kind of row.
void fill(Node& node) {
  REQUIRE(node.create("role", {{"name", "junior"}}).kind == Kind::created);
  REQUIRE(
      node.create("user", {{"name", "ana"}, {"roles", {"junior"}}, {"password", "correct horse 7"}}).kind ==
      Kind::created);
  REQUIRE(node.create("user", {{"name", "gone"}}).kind == Kind::created);
  REQUIRE(node.remove("user", "gone").kind == Kind::deleted);
  REQUIRE(
      node.create("target", {{"name", "shop"}, {"hosts", {"db"}}, {"user", "app"}, {"password", "s3cret"}})
          .kind == Kind::created);
}

std::string password_of(Node& node, const std::string& target) {
  const TargetFacts* facts = node.plane->in_force()->find_target(target);
  return facts == nullptr ? "none" : std::string(facts->postgres.password.reveal());
}

bool has_event(Node& node, const std::string& action) {
  const std::lock_guard guard(node.lock);
  return std::any_of(node.events.begin(), node.events.end(),
                     [&](const std::string& one) { return one.find(action) != std::string::npos; });
}

// What the trail was told on the control thread: "key_generated success key_rotation_started success".
std::string told_actions(const Node& node) {
  std::string out;
  for (const auto& record : node.trail.records) {
    if (record[audit::Tag::category] == "encryption" && record.kind != audit::RecordKind::outcome)
      out += (out.empty() ? "" : " ") + record[audit::Tag::action];
  }
  return out;
}

}  // namespace

TEST_CASE("everything moves to the new key, and nothing is believed by the old one") {
  forget_all();
  Node node;
  fill(node);
  const std::string versions =
      query("SELECT string_agg(version::text, ',' ORDER BY id) FROM ringfence_control.users");
  query("CREATE TABLE public.older AS SELECT * FROM ringfence_control.roles WHERE name = 'junior'");
  const Answer begun = keys(node, KeyAction::rotate, "current");
  REQUIRE_MESSAGE(begun.kind == Kind::accepted, begun.message);
  const std::string key = begun.body.at("key_id");
  CHECK(begun.body.at("rotation").at("state") == "running");
  REQUIRE(completes(node));
  CHECK(others(key) == "0");
  CHECK(query("SELECT sealed_password LIKE '" + key + ":%' FROM ringfence_control.targets") == "t");
  CHECK(query("SELECT string_agg(version::text, ',' ORDER BY id) FROM ringfence_control.users") == versions);
  CHECK(state_of(node, "k1") == "retired");
  CHECK(state_of(node, "current") == "active");
  CHECK(told_actions(node) == "key_generated key_rotation_started");
  CHECK(has_event(node, "key_rotation_completed"));
  // What changes now is by the new key, and a node that starts believes all of it.
  REQUIRE(node.change("user", "ana", {{"email", "a@example.com"}}).kind == Kind::ok);
  Node again(node.dir.path + "/control.keys");
  CHECK(again.has_user("ana"));
  CHECK(password_of(again, "shop") == "s3cret");
  CHECK(again.told().empty());
  CHECK(node.told().empty());
  // The old row with its old code, of the version that is there.
  query(
      "UPDATE ringfence_control.roles r SET key_id = o.key_id, mac = o.mac FROM public.older o WHERE r.id = "
      "o.id");
  CHECK(eventually(
      [&] { return node.told().find("its key is not in this node's key ring") != std::string::npos; }));
  query("DROP TABLE public.older");
}

TEST_CASE("a rotation that was cut short goes on at the next start") {
  forget_all();
  auto node = std::make_unique<Node>();
  fill(*node);
  // The batch of users waits for somebody who holds a row; groups and roles have moved by then.
  auto holder = store::Connection::open(cluster().store.owner_dsn(), "holder");
  REQUIRE(holder);
  REQUIRE((*holder)->exec("BEGIN; SELECT FROM ringfence_control.users WHERE name = 'ana' FOR UPDATE"));
  const std::string key = keys(*node, KeyAction::rotate, "k1").body.at("key_id");
  CHECK(eventually([&] {
    return query("SELECT count(*) FROM ringfence_control.roles WHERE key_id <> '" + key + "'") == "0";
  }));
  CHECK(keys(*node, KeyAction::rotate, "current").kind == Kind::conflict);
  const std::string state = node->dir.path;
  const std::string kept = "/tmp/ringfence-rotation-test";
  std::filesystem::remove_all(kept);
  node->plane.reset();
  std::filesystem::copy(state, kept);
  node.reset();
  CHECK(others(key) != "0");
  REQUIRE((*holder)->exec("ROLLBACK"));
  {
    Node again("", 100, kept);
    REQUIRE(completes(again));
    CHECK(others(key) == "0");
    CHECK(password_of(again, "shop") == "s3cret");
    CHECK(state_of(again, "k1") == "retired");
    CHECK(again.told().empty());
    CHECK(has_event(again, "key_rotation_completed"));
  }
  std::filesystem::remove_all(kept);
}

TEST_CASE("a row that is not believed gets no new code") {
  forget_all();
  Node node;
  fill(node);
  query("UPDATE ringfence_control.users SET must_change_password = true WHERE name = 'ana'");
  query("UPDATE ringfence_control.tombstones SET deleted_by = 'nobody'");
  CHECK(eventually([&] { return !node.has_user("ana"); }));
  REQUIRE(keys(node, KeyAction::rotate, "current").kind == Kind::accepted);
  REQUIRE(completes(node));
  const Json status = keys(node, KeyAction::status).body;
  CHECK(status.at("rotation").at("left_out") == 2);
  CHECK(status.at("records_of_unknown_keys") == 2);
  CHECK(query("SELECT key_id FROM ringfence_control.users WHERE name = 'ana'") == "k1");
  CHECK(!node.has_user("ana"));
}

TEST_CASE("other nodes have the key before a rotation begins, and follow it") {
  forget_all();
  Node first("", 100, "", "first");
  fill(first);
  const std::string ring = first.dir.path + "/control.keys";
  TempDir place;
  const std::string copy = place.path + "/keys";
  std::filesystem::copy(ring, copy);
  Node second(copy, 100, "", "second");
  REQUIRE(second.has_user("ana"));
  const Answer refused = keys(first, KeyAction::rotate, "current");
  CHECK(refused.kind == Kind::conflict);
  CHECK(refused.message.find("\"second\"") != std::string::npos);
  CHECK(told_actions(first) == "key_rotation_started");  // Denied.
  const Answer made = keys(first, KeyAction::generate, "", {{"expires_at", "2100-01-01T00:00:00Z"}});
  REQUIRE(made.kind == Kind::created);
  const std::string key = made.body.at("key_id");
  CHECK(keys(first, KeyAction::rotate, "current").kind == Kind::conflict);
  std::filesystem::copy_file(ring, copy + ".x");
  std::filesystem::rename(copy + ".x", copy);
  CHECK(eventually([&] {
    return query("SELECT key_ids::text FROM ringfence_control.key_holders WHERE node = 'second'").find(key) !=
           std::string::npos;
  }));
  REQUIRE(keys(first, KeyAction::rotate, "current").kind == Kind::accepted);
  REQUIRE(completes(first));
  // Its ring calls the key prepared; the store says that new rows are by it.
  REQUIRE(second.create("user", {{"name", "bob"}}).kind == Kind::created);
  CHECK(query("SELECT key_id FROM ringfence_control.users WHERE name = 'bob'") == key);
  CHECK(eventually([&] { return first.has_user("bob"); }));
  CHECK(second.has_user("ana"));
  CHECK(password_of(second, "shop") == "s3cret");
  // There it has the same name, and nothing is left to move. The first one has told that it has the key.
  CHECK(eventually([&] {
    return query("SELECT key_ids::text FROM ringfence_control.key_holders WHERE node = 'first'").find(key) !=
           std::string::npos;
  }));
  REQUIRE(keys(second, KeyAction::rotate, "current").kind == Kind::accepted);
  REQUIRE(completes(second));
  CHECK(state_of(second, "k1") == "retired");
  CHECK(state_of(second, key) == "active");
  CHECK(first.told().empty());
  CHECK(second.told().empty());
}

TEST_CASE("a node without the store's key gives nothing, until it has it") {
  forget_all();
  Node first;
  fill(first);
  TempDir place;
  const std::string copy = place.path + "/keys";
  std::filesystem::copy(first.dir.path + "/control.keys", copy);
  Node second(copy);  // Without a name nobody knows of it.
  REQUIRE(second.has_user("ana"));
  REQUIRE(keys(first, KeyAction::rotate, "current").kind == Kind::accepted);
  REQUIRE(completes(first));
  CHECK(eventually([&] { return !second.plane->status().key_problem.empty(); }));
  CHECK(!second.has_user("ana"));
  CHECK(second.told().find("which this node's key ring has not in use") != std::string::npos);
  CHECK(second.create("user", {{"name", "bob"}}).kind == Kind::conflict);
  CHECK(keys(second, KeyAction::rotate, "current").kind == Kind::conflict);
  std::filesystem::copy_file(first.dir.path + "/control.keys", copy + ".x");
  std::filesystem::rename(copy + ".x", copy);
  CHECK(eventually([&] { return second.has_user("ana"); }));
  CHECK(password_of(second, "shop") == "s3cret");
  CHECK(second.plane->status().key_problem.empty());
}

TEST_CASE("a key ring that is not the store's is an error of the start") {
  forget_all();
  Node first;
  fill(first);
  ring::Shard home({});
  TempDir place;
  ControlPlaneOptions options;
  options.owner_dsn = cluster().store.owner_dsn();
  options.dsn = cluster().store.control_dsn();
  options.state_directory = place.path;
  auto stranger = ControlPlane::open(options, home);
  REQUIRE_FALSE(stranger);
  CHECK(stranger.error().message.find("none of the store's records is by this node's key ring") !=
        std::string::npos);
  query("UPDATE ringfence_control.state SET current_key = 'k9'");
  options.keys.file = first.dir.path + "/control.keys";
  auto without = ControlPlane::open(options, home);
  REQUIRE_FALSE(without);
  CHECK(without.error().message.find("by the key \"k9\"") != std::string::npos);
}

TEST_CASE("a key goes when nothing is by it") {
  forget_all();
  Node node;
  fill(node);
  CHECK(keys(node, KeyAction::destroy, "k1").kind == Kind::conflict);
  CHECK(keys(node, KeyAction::destroy, "none").kind == Kind::not_found);
  const std::string spare = keys(node, KeyAction::generate).body.at("key_id");
  CHECK(keys(node, KeyAction::destroy, spare).kind == Kind::deleted);
  CHECK(keys(node, KeyAction::destroy, spare).kind == Kind::conflict);
  REQUIRE(keys(node, KeyAction::rotate, "k1").kind == Kind::accepted);
  REQUIRE(completes(node));
  CHECK(keys(node, KeyAction::rotate, "k1").kind == Kind::conflict);
  REQUIRE(keys(node, KeyAction::destroy, "k1").kind == Kind::deleted);
  CHECK(state_of(node, "k1") == "destroyed");
  std::ifstream file(node.dir.path + "/control.keys");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  CHECK(text.find("k1 - state=destroyed") != std::string::npos);
  CHECK(node.has_user("ana"));
}

TEST_CASE("an answer to a request that comes again is that of the first, over a rotation's begin") {
  forget_all();
  Node node;
  const Answer made = node.create("user", {{"name", "bob"}}, "once");
  REQUIRE(made.kind == Kind::created);
  REQUIRE(keys(node, KeyAction::rotate, "current").kind == Kind::accepted);
  REQUIRE(completes(node));
  // The old key is out of use by now, and so is what it has signed.
  CHECK(node.create("user", {{"name", "bob"}}, "once").kind == Kind::conflict);
  CHECK(node.create("user", {{"name", "eve"}}, "twice").kind == Kind::created);
  CHECK(node.create("user", {{"name", "eve"}}, "twice").body.at("name") == "eve");
}

TEST_CASE("what can be sealed is sealed always, and the rest says why it is not") {
  forget_all();
  Node node;
  for (const char* type : {"credentials", "redacted_texts"}) {
    CHECK(keys(node, KeyAction::enable, "", {{"target_type", type}}).body.at("enabled") == true);
    CHECK(keys(node, KeyAction::enable, "", {{"target_type", type}, {"enabled", false}}).kind ==
          Kind::conflict);
  }
  for (const char* type : {"captured_rows", "tde", "hsm", "table"}) {
    const Answer answer = keys(node, KeyAction::enable, "", {{"target_type", type}});
    CHECK(answer.kind == Kind::impossible);
    CHECK(answer.message.size() > 20);
  }
  CHECK(keys(node, KeyAction::enable, "", {{"target_type", "moon"}}).defects[0].path == "target_type");
  CHECK(keys(node, KeyAction::enable).kind == Kind::invalid);
  CHECK(keys(node, KeyAction::column, "", {{"table", "targets"}, {"column", "password"}}).kind == Kind::ok);
  CHECK(keys(node, KeyAction::column, "", {{"table", "audit_query"}, {"column", "statement"}}).kind ==
        Kind::impossible);
  CHECK(keys(node, KeyAction::column, "", {{"table", "t"}, {"column", "c"}, {"x", 1}}).kind == Kind::invalid);
  CHECK(keys(node, KeyAction::generate, "", {{"expires_at", "2001-01-01T00:00:00Z"}}).kind == Kind::invalid);
  CHECK(keys(node, KeyAction::generate, "", {{"algorithm", "ROT13"}}).kind == Kind::invalid);
  CHECK(told_actions(node).starts_with("encryption_enabled encryption_disabled"));
}
