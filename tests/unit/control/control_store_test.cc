// Records through the registry, over a real store: made, read, listed, changed, deleted, refused.
#include "control/plane_fixture.h"

#include <sys/stat.h>

#include <fstream>

using namespace ringfence;
using namespace ringfence::control;
using namespace ringfence::control::testing;
using Kind = Answer::Kind;

namespace {

std::string names_of(const Answer& list) {
  std::string out;
  for (const Json& item : list.body.at("items"))
    out += (out.empty() ? "" : " ") + item.at("name").get<std::string>();
  return out;
}

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

}  // namespace

TEST_CASE("the first start makes the built-in roles and an administrator") {
  forget_all();
  Node node;
  CHECK(names_of(node.list("role")) == "admin approver auditor user");
  CHECK(names_of(node.list("user")) == "admin");
  const Answer admin = node.read("user", "admin");
  CHECK(admin.body.at("must_change_password") == true);
  CHECK(admin.body.at("roles") == Json{"admin"});
  for (const char* hidden : {"password", "password_hash", "verifier", "revision", "mac"})
    CHECK(!admin.body.contains(hidden));
  const std::string file = node.dir.path + "/initial-admin-password";
  CHECK(first_line(file).size() >= 20);
  struct stat facts{};
  REQUIRE(::stat(file.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  REQUIRE(node.has_user("admin"));
  CHECK(node.plane->in_force()->find_user("admin")->scopes.has("anything:at-all"));
}

TEST_CASE("a record is made, found by id and name, changed and deleted") {
  forget_all();
  Node node;
  const Answer made =
      node.create("user", {{"name", "ana"}, {"password", "correct horse 7"}, {"roles", {"auditor"}}});
  REQUIRE_MESSAGE(made.kind == Kind::created, made.message);
  CHECK(made.version == 1);
  CHECK(made.body.at("created_by") == "root (admin token)");
  CHECK(made.body.at("roles") == Json{"auditor"});
  CHECK(made.body.at("expires_at").is_null());
  CHECK(node.has_user("ana"));
  CHECK(last_change(node.trail) == "CREATE user success");
  REQUIRE(node.trail.events("role_assigned").size() == 2);  // The first administrator's, and this one.
  CHECK((*node.trail.events("role_assigned")[1])[audit::Tag::metadata] ==
        "{\"granted\":true,\"role_id\":\"auditor\"}");
  CHECK(node.read("user", made.body.at("id")).body == node.read("user", "ana").body);

  const Answer changed =
      node.change("user", "ana", {{"email", "ana@example.org"}, {"expires_at", "2199-01-02T03:04:05+01:00"}});
  REQUIRE(changed.kind == Kind::ok);
  CHECK(changed.version == 2);
  CHECK(changed.body.at("expires_at") == "2199-01-02T02:04:05.000000Z");
  CHECK(last_change(node.trail) == "UPDATE user success");
  // What does not differ changes nothing.
  CHECK(node.change("user", "ana", {{"email", "ana@example.org"}}).version == 2);
  CHECK(node.change("user", "ana", {{"email", "x"}}, 1).kind == Kind::stale);

  CHECK(node.change("user", "ana", {{"enabled", false}}).kind == Kind::ok);
  CHECK(!node.has_user("ana"));
  CHECK(node.remove("user", "ana", 3).kind == Kind::deleted);
  CHECK(last_change(node.trail) == "DELETE user success");
  CHECK(node.trail.events("role_revoked").size() == 1);
  CHECK(node.read("user", "ana").kind == Kind::not_found);
  CHECK(node.remove("user", "ana").kind == Kind::not_found);
}

TEST_CASE("what is wrong is told by field, and changes nothing") {
  forget_all();
  Node node;
  const Answer wrong =
      node.create("user", {{"nam", "x"}, {"enabled", "yes"}, {"roles", {"nobody"}}, {"created_at", "x"}});
  REQUIRE(wrong.kind == Kind::invalid);
  std::string paths;
  for (const model::Defect& defect : wrong.defects) paths += defect.path + " ";
  CHECK(paths == "created_at enabled nam name ");
  const Answer unknown = node.create("user", {{"name", "x"}, {"roles", {"admin", "nobody"}}});
  REQUIRE(unknown.kind == Kind::invalid);
  CHECK(unknown.defects[0].path == "roles[1]");
  CHECK(node.create("user", {{"name", "x"}, {"password", "short"}}).defects[0].path == "password");
  CHECK(node.create("user", {{"name", "0198d0f4-0000-7000-8000-000000000000"}}).kind == Kind::invalid);
  CHECK(node.create("user", {{"name", "admin"}}).kind == Kind::conflict);
  CHECK(node.change("user", "admin", {{"name", "root"}}).kind == Kind::invalid);
  CHECK(node.read("user", std::string("adm\0in", 6)).kind == Kind::not_found);
  CHECK(names_of(node.list("user")) == "admin");
}

TEST_CASE("lists come page by page, in each order, filtered") {
  forget_all();
  Node node;
  for (const char* name : {"d", "b", "a", "c", "e"}) {
    Json given = {{"name", name}};
    if (*name < 'c') given["roles"] = {"auditor"};
    REQUIRE(node.create("user", given).kind == Kind::created);
  }
  ListRequest request;
  request.limit = 2;
  std::string all;
  for (;;) {
    const Answer page = node.list("user", request);
    REQUIRE(page.kind == Kind::ok);
    all += names_of(page) + "|";
    if (page.body.at("next_cursor").is_null()) break;
    request.cursor = page.body.at("next_cursor");
  }
  CHECK(all == "a admin|b c|d e|");
  ListRequest newest;
  newest.sort = "-created_at";
  newest.limit = 3;
  const Answer page = node.list("user", newest);
  CHECK(names_of(page) == "e c a");
  newest.cursor = page.body.at("next_cursor");
  CHECK(names_of(node.list("user", newest)) == "b d admin");
  newest.sort = "name";
  CHECK(node.list("user", newest).kind == Kind::invalid);
  ListRequest filtered;
  filtered.filters = {{"roles", "auditor"}};
  CHECK(names_of(node.list("user", filtered)) == "a b");
  filtered.filters = {{"enabled", "perhaps"}};
  CHECK(node.list("user", filtered).kind == Kind::invalid);
  filtered.filters = {{"name", "' OR true --"}};
  CHECK(names_of(node.list("user", filtered)) == "");
  for (const char* bad : {"x", "W10", "WyJuYW1lIiwiYSIsIngiXQ", "bnVsbA"}) {
    request.cursor = bad;
    CHECK(node.list("user", request).kind == Kind::invalid);
  }
}

TEST_CASE("who may less gives no more away") {
  forget_all();
  Node node;
  REQUIRE(node.create("role", {{"name", "helpdesk"}, {"permissions", {"users:*", "sessions:read"}}}).kind ==
          Kind::created);
  REQUIRE(node.create("user", {{"name", "hal"}, {"roles", {"helpdesk"}}}).kind == Kind::created);
  node.actor = {
      "hal", "password", "127.0.0.1:2", {}, auth::Scopes({"users:*", "sessions:read", "roles:*", "keys:*"})};
  CHECK(node.create("user", {{"name", "eve"}, {"roles", {"admin"}}}).kind == Kind::forbidden);
  REQUIRE(node.create("user", {{"name", "eve"}, {"roles", {"helpdesk"}}}).kind == Kind::created);
  CHECK(node.change("user", "eve", {{"roles", {"admin"}}}).kind == Kind::forbidden);
  CHECK(node.trail.records.back()[audit::Tag::outcome] == "denied");
  // Not by the password of somebody who may more, nor by taking him away.
  CHECK(node.change("user", "admin", {{"password", "correct horse 8"}}).kind == Kind::forbidden);
  CHECK(node.remove("user", "admin").kind == Kind::forbidden);
  CHECK(node.create("role", {{"name", "all"}, {"permissions", {"*"}}}).kind == Kind::forbidden);
  CHECK(node.create("role", {{"name", "all"}, {"parents", {"admin"}}}).kind == Kind::forbidden);
  CHECK(node.change("role", "admin", {{"permissions", Json::array()}}).kind == Kind::forbidden);
  CHECK(node.create("key", {{"name", "k"}, {"user", "admin"}}).kind == Kind::forbidden);
}

TEST_CASE("a user changes his own password without a scope for it, and need not do so again") {
  forget_all();
  Node node;
  const Answer made = node.create("user", {{"name", "ana"},
                                           {"password", "correct horse 7"},
                                           {"roles", {"user"}},
                                           {"must_change_password", true}});
  REQUIRE(made.kind == Kind::created);
  const InForcePtr before = node.plane->in_force();
  const UserFacts* facts = before->find_user("ana");
  REQUIRE(facts != nullptr);
  REQUIRE(facts->must_change_password);
  const Actor ana{"ana", "password", "127.0.0.1:3", facts->id, facts->scopes};
  const auto change = [&](const char* password, int64_t version) {
    return node.ask(
        [&, password, version](Registry& r) { return r.change_own_password(ana, password, version); });
  };
  const Answer weak = change("short", 1);
  REQUIRE(weak.kind == Kind::invalid);
  CHECK(weak.defects[0].path == "password");
  CHECK(change("correct horse 8", 7).kind == Kind::stale);
  CHECK(node.plane->in_force()->find_user("ana")->password_hash.reveal() == facts->password_hash.reveal());
  const Answer changed = change("correct horse 8", 1);
  REQUIRE_MESSAGE(changed.kind == Kind::ok, changed.message);
  CHECK(changed.body.at("updated_by") == "ana (password)");
  CHECK(changed.body.at("roles") == Json{"user"});
  CHECK(last_change(node.trail) == "UPDATE user success");
  const UserFacts* now = node.plane->in_force()->find_user("ana");
  CHECK(!now->must_change_password);
  CHECK(now->password_hash.reveal() != facts->password_hash.reveal());
  CHECK(now->password_set_us > facts->password_set_us);
}

TEST_CASE("roles have their parents' permissions, and are nobody's own parents") {
  forget_all();
  Node node;
  REQUIRE(node.create("role", {{"name", "low"}, {"permissions", {"audit:read"}}, {"priority", 5}}).kind ==
          Kind::created);
  REQUIRE(node.create("role", {{"name", "high"}, {"parents", {"low"}}, {"priority", 9}}).kind ==
          Kind::created);
  REQUIRE(node.create("user", {{"name", "ana"}, {"roles", {"high"}}}).kind == Kind::created);
  const UserFacts* ana = node.plane->in_force()->find_user("ana");
  CHECK(ana->roles == std::vector<std::string>{"high", "low"});
  CHECK(ana->scopes.has("audit:read"));
  CHECK(!ana->scopes.has("users:read"));
  CHECK(node.change("role", "low", {{"parents", {"high"}}}).kind == Kind::invalid);
  CHECK(node.change("role", "low", {{"parents", {"low"}}}).kind == Kind::invalid);
  REQUIRE(node.change("role", "low", {{"permissions", {"users:read"}}}).kind == Kind::ok);
  CHECK(node.plane->in_force()->find_user("ana")->scopes.has("users:read"));
  CHECK(node.remove("role", "low").kind == Kind::conflict);
  CHECK(node.remove("role", "high").kind == Kind::conflict);
  CHECK(node.change("user", "ana", {{"roles", Json::array()}}).kind == Kind::ok);
  CHECK(node.remove("role", "high").kind == Kind::deleted);
  CHECK(node.remove("role", "low").kind == Kind::deleted);
}

TEST_CASE("the last administrator stays") {
  forget_all();
  Node node;
  CHECK(node.change("user", "admin", {{"enabled", false}}).kind == Kind::conflict);
  CHECK(node.change("user", "admin", {{"roles", Json::array()}}).kind == Kind::conflict);
  CHECK(node.remove("user", "admin").kind == Kind::conflict);
  REQUIRE(node.create("user", {{"name", "ana"}, {"roles", {"admin"}}}).kind == Kind::created);
  CHECK(node.remove("user", "admin").kind == Kind::deleted);
  CHECK(node.remove("user", "ana").kind == Kind::conflict);
}

TEST_CASE("a key is shown once, found by its prefix, and goes with its user") {
  forget_all();
  Node node;
  REQUIRE(node.create("user", {{"name", "ana"}, {"roles", {"auditor"}}}).kind == Kind::created);
  const Answer made =
      node.create("key", {{"name", "ci"}, {"user", "ana"}, {"scopes", {"audit:read"}}}, "once");
  REQUIRE_MESSAGE(made.kind == Kind::created, made.message);
  const std::string text = made.body.at("key");
  const auto prefix = auth::api_key_prefix(text);
  REQUIRE(prefix);
  const auth::ApiKeyFacts* facts = node.plane->in_force()->find_key(*prefix);
  REQUIRE(facts != nullptr);
  CHECK(auth::check_api_key(text, facts, wall_us()) == auth::ApiKeyOutcome::ok);
  CHECK(!node.read("key", "ci").body.contains("key"));
  CHECK(!node.read("key", "ci").body.contains("hash"));
  const Answer again =
      node.create("key", {{"name", "ci"}, {"user", "ana"}, {"scopes", {"audit:read"}}}, "once");
  CHECK(again.kind == Kind::created);
  CHECK(again.body.at("id") == made.body.at("id"));
  CHECK(!again.body.contains("key"));
  CHECK(node.create("key", {{"name", "other"}, {"user", "ana"}}, "once").kind == Kind::conflict);
  CHECK(query("SELECT count(*) FROM ringfence_control.keys") == "1");
  CHECK(node.remove("user", "ana").kind == Kind::conflict);
  REQUIRE(node.change("user", "ana", {{"enabled", false}}).kind == Kind::ok);
  CHECK(node.plane->in_force()->find_key(*prefix) == nullptr);
  CHECK(node.create("key", {{"name", "nobody"}}).kind == Kind::invalid);
}

TEST_CASE("a lesser key makes no other one more, and nobody's key is another one's name") {
  forget_all();
  Node node;
  REQUIRE(node.create("user", {{"name", "ana"}, {"roles", {"admin"}}}).kind == Kind::created);
  REQUIRE(node.create("key", {{"name", "wide"}, {"user", "ana"}}).kind == Kind::created);
  // Ana's, by a key that may manage keys alone.
  node.actor = {"ana", "api key", "", node.plane->in_force()->find_user("ana")->id, auth::Scopes{"keys:*"}};
  CHECK(node.create("key", {{"name", "wider"}}).kind == Kind::forbidden);
  CHECK(node.change("key", "wide", {{"expires_at", nullptr}}).kind == Kind::ok);  // Nothing differs.
  CHECK(node.change("key", "wide", {{"expires_at", "2099-01-01T00:00:00Z"}}).kind == Kind::forbidden);
  CHECK(node.change("key", "wide", {{"enabled", false}}).kind == Kind::ok);
  CHECK(node.change("key", "wide", {{"enabled", true}}).kind == Kind::forbidden);
  CHECK(node.create("key", {{"name", "less"}, {"scopes", {"keys:read"}}}).kind == Kind::created);
  CHECK(node.change("key", "less", {{"enabled", false}}).kind == Kind::ok);
  CHECK(node.change("key", "less", {{"enabled", true}}).kind == Kind::ok);
  CHECK(node.remove("key", "wide").kind == Kind::deleted);
  // Another user's key would act under his name, whatever it may.
  node.actor = {"bob", "password", "", {}, auth::Scopes{"keys:*"}};
  CHECK(node.create("key", {{"name", "mask"}, {"user", "ana"}, {"scopes", {"keys:read"}}}).kind ==
        Kind::forbidden);
  CHECK(node.change("key", "less", {{"enabled", false}}).kind == Kind::forbidden);
}

TEST_CASE("a target's password is sealed, and opens for its target alone") {
  forget_all();
  Node node;
  const Json given = {{"name", "shop"},
                      {"hosts", {"db.internal"}},
                      {"user", "app"},
                      {"password", "s3cret of the server"},
                      {"tags", {"production"}}};
  const Answer made = node.create("target", given);
  REQUIRE_MESSAGE(made.kind == Kind::created, made.message);
  CHECK(!made.body.contains("password"));
  CHECK(!made.body.contains("sealed_password"));
  CHECK(made.body.at("password_set_at").is_string());
  const TargetFacts* shop = node.plane->in_force()->find_target("shop");
  REQUIRE(shop != nullptr);
  CHECK(shop->postgres.password.reveal() == "s3cret of the server");
  CHECK(shop->postgres.database == "shop");
  CHECK(shop->postgres.port == 5432);
  CHECK(query("SELECT sealed_password LIKE 'k1:%', sealed_password LIKE '%s3cret%' FROM "
              "ringfence_control.targets") == "t|f");
  for (const auto& record : node.trail.records)
    CHECK(record[audit::Tag::changes].find("s3cret") == std::string::npos);

  REQUIRE(node.create("target",
                      {{"name", "other"}, {"hosts", {"db2"}}, {"user", "app"}, {"password", "another one"}})
              .kind == Kind::created);
  // Who does not know the password does not send it elsewhere.
  for (const Json& elsewhere :
       {Json{{"hosts", {"evil.example"}}}, Json{{"port", 6543}}, Json{{"sslmode", "disable"}}}) {
    const Answer refused = node.change("target", "shop", elsewhere);
    REQUIRE(refused.kind == Kind::invalid);
    CHECK(refused.defects[0].path == "password");
  }
  CHECK(node.change("target", "shop", {{"hosts", {"db3"}}, {"password", "s3cret of the server"}}).kind ==
        Kind::ok);
  CHECK(node.plane->in_force()->find_target("shop")->postgres.hosts == std::vector<std::string>{"db3"});
  CHECK(node.change("target", "shop", {{"password", nullptr}}).body.at("password_set_at").is_null());
  CHECK(node.plane->in_force()->find_target("shop")->postgres.password.empty());
  REQUIRE(node.change("target", "shop", {{"enabled", false}}).kind == Kind::ok);
  CHECK(node.plane->in_force()->find_target("shop") == nullptr);
}

TEST_CASE("a target is checked as one of the configuration is") {
  forget_all();
  Node node;
  const auto first = [&](const Json& given) {
    const Answer answer = node.create("target", given);
    return answer.defects.empty() ? std::string(answer.message)
                                  : answer.defects[0].path + " " + answer.defects[0].message;
  };
  CHECK(first({{"name", "a"}, {"hosts", Json::array()}, {"user", "x"}}) ==
        "hosts is missing; add host or hosts");
  CHECK(first({{"name", "a"}, {"hosts", {"h"}}}) == "user is missing; add it");
  CHECK(first({{"name", "a"}, {"hosts", {"h"}}, {"user", "x"}, {"sslmode", "verify-full"}})
            .starts_with("sslmode checks"));
  CHECK(first({{"name", "a"}, {"hosts", {"h"}}, {"type", "tcp"}}) ==
        "port is missing; add the server's port");
  CHECK(first({{"name", "a"}, {"hosts", {"h"}}, {"type", "tcp"}, {"port", 1}, {"user", "x"}}) ==
        "user has no meaning for type tcp; remove it");
  CHECK(first({{"name", "a"}, {"hosts", {"h"}}, {"type", "oracle"}})
            .starts_with("type is \"oracle\"; use one of postgres, tcp"));
  CHECK(first({{"name", "a"}, {"hosts", {"h"}}, {"user", "x"}, {"port", 70'000}}) ==
        "port is 70000; use 1 to 65535");
  CHECK(first({{"name", "a"}, {"hosts", {"h"}}, {"type", "tcp"}, {"port", 1}}) == "");
}

TEST_CASE("the trail's roles see nothing of it, and its role nothing of the trail") {
  forget_all();
  Node node;
  const auto may = [](const std::string& dsn, const std::string& sql) {
    auto connection = store::Connection::open(dsn, "test");
    REQUIRE(connection);
    return (*connection)->exec(sql).has_value();
  };
  const auto& store = cluster().store;
  CHECK(may(store.control_dsn(), "SELECT 1 FROM ringfence_control.users"));
  for (const std::string& dsn : {store.reader_dsn(), store.writer_dsn()}) {
    for (const char* table :
         {"users", "keys", "targets", "state", "tombstones", "users_roles", "idempotency"})
      CHECK_FALSE(may(dsn, std::string("SELECT 1 FROM ringfence_control.") + table));
    CHECK_FALSE(may(dsn, "SELECT nextval('ringfence_control.users_number')"));
  }
  CHECK_FALSE(may(store.control_dsn(), "SELECT 1 FROM ringfence.audit_event"));
}

TEST_CASE("without room in the trail nothing is changed") {
  forget_all();
  Node node;
  node.trail.is_full = true;
  CHECK(node.create("user", {{"name", "ana"}}).kind == Kind::unavailable);
  node.trail.is_full = false;
  CHECK(node.read("user", "ana").kind == Kind::not_found);
}

TEST_CASE("what expires ends without a change") {
  forget_all();
  Node node;
  const std::string soon = rfc3339(wall_us() + 1'500'000);
  REQUIRE(node.create("user", {{"name", "ana"}, {"expires_at", soon}}).kind == Kind::created);
  CHECK(node.has_user("ana"));
  CHECK(eventually([&] { return !node.has_user("ana"); }));
}
