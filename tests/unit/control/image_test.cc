// What holds, found change by change, is what is found at once.
#include "control/image.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "ringfence/base/clock.h"

using namespace ringfence;
using namespace ringfence::control;
using model::Json;

namespace {

std::string id_of(const std::string& noun, unsigned number) {
  Uuid id{};
  id.bytes[0] = static_cast<uint8_t>(noun[0]);
  id.bytes[1] = static_cast<uint8_t>(noun.size());
  id.bytes[15] = static_cast<uint8_t>(number);
  return to_string(id);
}

store::ControlRecord record_of(const std::string& noun, unsigned number, int64_t version, Json fields) {
  store::ControlRecord out{model::find_noun(noun), model::complete(*model::find_noun(noun), fields), {}, {}};
  out.body["id"] = id_of(noun, number);
  out.body["version"] = version;
  return out;
}

std::optional<model::Secret> no_opener(const SealedField&, const std::string&) { return std::nullopt; }

std::string told(const InForce& in) {
  std::map<std::string, std::string> lines;
  for (const auto& [name, user] : in.users) {
    std::string& line = lines["user " + name];
    line = to_string(user.id) + " v" + std::to_string(user.version);
    for (const std::string& role : user.roles) line += " " + role;
    for (const std::string& scope : user.scopes.names()) line += " " + scope;
    for (const LoginKey& key : user.login_keys) {
      line += " key " + to_string(key.id) + (key.is_usable() ? "" : " unusable");
      CHECK_FALSE(key.verifier.empty());
    }
    if (user.has_older_keys) line += " older";
    CHECK(in.find_user(user.id) == &user);
  }
  for (const auto& [prefix, key] : in.keys) {
    lines["key " + prefix] =
        to_string(key.id) + " of " + to_string(key.user_id) + (key.is_revoked ? " revoked" : "");
  }
  for (const auto& [name, target] : in.targets) {
    std::string& line = lines["target " + name];
    line = to_string(target.id) + " v" + std::to_string(target.version);
    for (const std::string& group : target.groups) line += " " + group;
  }
  CHECK(in.users.size() == in.users_by_id.size());
  std::string out;
  for (const auto& [name, line] : lines) out += name + ": " + line + "\n";
  return out;
}

}  // namespace

TEST_CASE("whatever changes in whatever order, what holds is what holds of the records that there are") {
  constexpr uint64_t second = 1'000'000;
  for (unsigned seed = 1; seed <= 30; ++seed) {
    std::mt19937 engine(seed);
    const auto random = [&engine] { return static_cast<unsigned>(engine()); };
    uint64_t now_us = 1'800'000'000 * second;
    std::map<std::string, store::ControlRecord> records;
    Image image(no_opener);
    InForcePtr before;
    int64_t version = 0;
    const auto maybe = [&](unsigned one_in) { return random() % one_in == 0; };
    for (int round = 0; round < 120; ++round) {
      for (unsigned changes = random() % 3 + 1; changes > 0; --changes) {
        const std::string noun = std::vector<std::string>{
            "user", "user", "key", "role", "target", "user_group", "target_group"}[random() % 7];
        const unsigned number = random() % 5;
        const std::string key = noun + " " + id_of(noun, number);
        if (maybe(4)) {
          records.erase(key);
          image.remove(*model::find_noun(noun), id_of(noun, number));
          continue;
        }
        Json fields = {{"name", noun + std::to_string(maybe(3) ? (number + 1) % 5 : number)}};
        if (noun == "user") {
          // Two users have one name only where the store does not hold: never.
          fields["name"] = "user" + std::to_string(number);
          fields["enabled"] = !maybe(5);
          for (unsigned i = 0; i < 3; ++i)
            if (maybe(2)) fields["roles"].push_back(id_of("role", i));
          if (maybe(3)) fields["groups"] = {id_of("user_group", random() % 3)};
        }
        if (noun == "target") {
          fields["hosts"] = {"db"};
          fields["name"] = "target" + std::to_string(number);
          fields["enabled"] = !maybe(5);
          for (unsigned i = 0; i < 3; ++i)
            if (maybe(2)) fields["groups"].push_back(id_of("target_group", i));
        }
        if (noun == "key") {
          fields["user"] = id_of("user", random() % 5);
          fields["enabled"] = !maybe(4);
          if (maybe(2)) fields["scopes"] = {maybe(2) ? "postgres:connect" : "users:read"};
        }
        if (noun == "role") {
          if (maybe(3)) fields["parents"] = {id_of("role", random() % 5)};
          fields["permissions"] = {"r" + std::to_string(number) + ":read"};
        }
        if ((noun == "user" || noun == "key") && maybe(4))
          fields["expires_at"] = rfc3339(now_us + random() % 20 * second);
        store::ControlRecord record = record_of(noun, number, ++version, fields);
        if (noun == "key") {
          record.body["prefix"] = "prefix" + std::to_string(number);
          record.body["hash"] = std::string(64, 'a');
          record.body["created_at"] = rfc3339(1'700'000'000 * second + random() % 3 * second);
          if (!maybe(4)) record.body["verifier"] = "of " + std::to_string(version);
        }
        image.put(record);
        records[key] = record;
      }
      now_us += random() % 4 * second;
      const InForcePtr now = image.in_force(now_us, before, round);
      Image fresh(no_opener);
      for (const auto& [key, record] : records) fresh.put(record);
      CHECK(told(*now) == told(*fresh.in_force(now_us, nullptr, round)));
      // Who is not told of is the same object.
      if (before) {
        for (const auto& [name, user] : before->users) {
          const auto& changed = now->changed_users;
          if (std::find(changed.begin(), changed.end(), name) == changed.end())
            CHECK(now->find_user(name) == &user);
        }
        for (const auto& [name, user] : now->users) {
          const auto& changed = now->changed_users;
          if (std::find(changed.begin(), changed.end(), name) == changed.end())
            CHECK(before->find_user(name) == &user);
        }
        for (const auto& [name, target] : now->targets) {
          const auto& changed = now->changed_targets;
          if (std::find(changed.begin(), changed.end(), name) == changed.end())
            CHECK(before->find_target(name) == &target);
        }
      }
      before = now;
    }
    image.clear(false);
    CHECK(told(*image.in_force(now_us, before, 999)).empty());
  }
}

TEST_CASE("the keys that can log in come first, and no more than the bound") {
  Image image(no_opener);
  image.put(record_of("user", 1, 1, {{"name", "ana"}}));
  for (unsigned i = 0; i < 2 * auth::login_keys_max; ++i) {
    Json fields = {{"name", "key" + std::to_string(i)}, {"user", id_of("user", 1)}, {"enabled", i % 2 == 0}};
    store::ControlRecord key = record_of("key", i, 1, fields);
    key.body["prefix"] = "prefix" + std::to_string(i);
    key.body["hash"] = std::string(64, 'a');
    key.body["created_at"] = rfc3339(1'700'000'000'000'000 + i * 1'000'000);
    key.body["verifier"] = "verifier";
    image.put(key);
  }
  const InForcePtr first = image.in_force(1'800'000'000'000'000, nullptr, 1);
  const UserFacts* user = first->find_user("ana");
  REQUIRE(user != nullptr);
  REQUIRE(user->login_keys.size() == auth::login_keys_max);
  CHECK(std::all_of(user->login_keys.begin(), user->login_keys.end(),
                    [](const LoginKey& key) { return key.is_usable(); }));
  CHECK(user->login_keys[0].prefix == "prefix" + std::to_string(2 * auth::login_keys_max - 2));
  // A key that goes changes its user.
  image.remove(*model::find_noun("key"), id_of("key", 2 * auth::login_keys_max - 2));
  const InForcePtr second = image.in_force(1'800'000'000'000'000, first, 2);
  CHECK(second->changed_users == std::vector<std::string>{"ana"});
  CHECK(second->find_user("ana")->login_keys[0].prefix ==
        "prefix" + std::to_string(2 * auth::login_keys_max - 4));
}
