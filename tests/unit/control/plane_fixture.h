// A control plane over a real store, asked and answered without a started shard.
#pragma once

#include <doctest/doctest.h>

#include <mutex>
#include <nlohmann/json.hpp>

#include "audit/store_fixture.h"
#include "proxy/vector_space.h"
#include "ringfence/control/control_plane.h"
#include "ringfence/control/registry.h"

namespace ringfence::control::testing {

using audit::testing::cluster;
using audit::testing::eventually;
using audit::testing::TempDir;
using model::Json;

inline std::string query(const std::string& sql) { return audit::testing::query(sql); }

// A store in which nothing is managed yet.
inline void forget_all() {
  auto connection = store::Connection::open(cluster().store.owner_dsn(), "test");
  REQUIRE(connection);
  REQUIRE((*connection)->exec("DROP SCHEMA IF EXISTS ringfence_control CASCADE"));
  auto exists = (*connection)->exec("SELECT to_regclass('ringfence.audit_block') IS NOT NULL");
  REQUIRE(exists);
  if (exists->get(0, 0) != "t") return;
  // The migrations since the first of the control plane's are done again, with the one among them that is the
  // trail's.
  REQUIRE((*connection)
              ->exec("DELETE FROM ringfence.schema_migration WHERE number >= 12; DROP TABLE "
                     "ringfence.audit_block CASCADE; "
                     "DROP VIEW ringfence.audit_query_row CASCADE; DROP VIEW IF EXISTS "
                     "ringfence.audit_event, ringfence.audit_query; "
                     "ALTER TABLE ringfence.audit_row DROP COLUMN salts; ALTER TABLE ringfence.audit_row "
                     "RENAME TO audit_event"));
}

struct Node {
  explicit Node(const std::string& key_ring = "", uint64_t verify_ms = 100, const std::string& state = "",
                const std::string& node_name = "")
      : home({}), state_directory(state.empty() ? dir.path : state) {
    ControlPlaneOptions options;
    options.owner_dsn = cluster().store.owner_dsn();
    options.dsn = cluster().store.control_dsn();
    options.state_directory = state_directory;
    options.keys.file = key_ring;
    options.node = node_name;
    options.verify_ms = verify_ms;
    options.space = &trail;
    options.distrusted = [this](const std::string& record, const std::string& why) {
      const std::lock_guard guard(lock);
      distrusted.push_back(record + ": " + why);
    };
    options.tell = [this](const audit::EventBuilder& event) {
      const std::lock_guard guard(lock);
      events.emplace_back(event.bytes());
    };
    auto opened = ControlPlane::open(std::move(options), home);
    REQUIRE_MESSAGE(opened, opened.error().message);
    plane = std::move(*opened);
  }
  Answer ask(std::function<Answer(Registry&)> question) {
    std::optional<Answer> out;
    plane->ask(std::move(question), [&](Answer answer) { out = std::move(answer); });
    for (int i = 0; i < 20'000 && !out; ++i) {
      home.turn_at(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    REQUIRE(out);
    return *out;
  }
  static const model::Noun& noun(const std::string& name) { return *model::find_noun(name); }
  Answer create(const std::string& of, const Json& given, const std::string& key = "") {
    return ask([&](Registry& r) { return r.create(noun(of), given, actor, key); });
  }
  Answer change(const std::string& of, const std::string& which, const Json& given,
                std::optional<int64_t> version = std::nullopt) {
    return ask([&](Registry& r) { return r.change(noun(of), which, given, version, actor); });
  }
  Answer remove(const std::string& of, const std::string& which,
                std::optional<int64_t> version = std::nullopt) {
    return ask([&](Registry& r) { return r.remove(noun(of), which, version, actor); });
  }
  Answer read(const std::string& of, const std::string& which) {
    return ask([&](Registry& r) { return r.read(noun(of), which); });
  }
  Answer list(const std::string& of, const ListRequest& request = {}) {
    return ask([&](Registry& r) { return r.list(noun(of), request); });
  }
  bool has_user(const std::string& name) const { return plane->in_force()->find_user(name) != nullptr; }
  std::string told() {
    const std::lock_guard guard(lock);
    std::string out;
    for (const std::string& one : distrusted) out += one + "\n";
    return out;
  }

  TempDir dir;
  ring::Shard home;
  std::string state_directory;
  proxy::VectorSpace trail;
  std::mutex lock;
  std::vector<std::string> distrusted;
  std::vector<std::string> events;  // Of other threads than the control thread; their fields.
  Actor actor{"root", "admin token", "127.0.0.1:1", {}, auth::Scopes::all()};
  std::unique_ptr<ControlPlane> plane;
};

// Of the change that the trail was told of last: its action, entity and outcome.
inline std::string last_change(const proxy::VectorSpace& trail) {
  const auto& records = trail.records;
  for (size_t i = records.size(); i-- > 0;) {
    if (records[i].kind != audit::RecordKind::start) continue;
    std::string outcome = "none";
    for (size_t k = i; k < records.size(); ++k) {
      if (records[k].kind == audit::RecordKind::outcome && records[k].start_seq == records[i].seq)
        outcome = records[k][audit::Tag::outcome];
    }
    return records[i][audit::Tag::action] + " " + records[i][audit::Tag::entity_type] + " " + outcome;
  }
  return "";
}

}  // namespace ringfence::control::testing
