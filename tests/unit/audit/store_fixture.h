// A private cluster for the tests of this program, and helpers that speak like a producer.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "ringfence/audit/trail.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/uuid.h"
#include "ringfence/store/connection.h"
#include "ringfence/store/embedded.h"

namespace ringfence::audit::testing {

struct TempDir {
  std::string path;
  TempDir() {
    char name[] = "/tmp/ringfence-trail-XXXXXX";
    path = ::mkdtemp(name);
    ::chmod(path.c_str(), 0755);
  }
  ~TempDir() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }
};

struct Cluster {
  TempDir dir;
  store::EmbeddedStore store{{dir.path, "", "", 60'000, 20'000}};
  Cluster() {
    auto started = store.start();
    REQUIRE_MESSAGE(started, started.error().message);
  }
};
inline Cluster& cluster() {
  static Cluster one;
  return one;
}

inline TrailOptions trail_options(const TempDir& dir, const std::string& node) {
  TrailOptions out;
  out.state_directory = dir.path;
  out.node = node;
  out.producers = 2;
  out.writer_dsn = cluster().store.writer_dsn();
  out.owner_dsn = cluster().store.owner_dsn();
  out.segment_bytes = 4 << 20;
  out.batch_ms = 20;
  out.join_window_ms = 300;
  out.anchor_ms = 100;
  // Tests that look at single rows of the store have none in blocks; the program runs once more with them.
  const char* block_rows = ::getenv("RINGFENCE_TEST_BLOCK_ROWS");
  out.block_rows = block_rows == nullptr ? 0 : static_cast<uint32_t>(::atoi(block_rows));
  return out;
}

inline std::unique_ptr<Trail> open_trail(TrailOptions options) {
  auto trail = Trail::open(std::move(options));
  REQUIRE_MESSAGE(trail, trail.error().message);
  return std::move(*trail);
}

// nullptr-safe: 0 when there is no room.
inline uint64_t put_start(RecordSpace& space, std::string_view statement, const Uuid& session = Uuid{{1}}) {
  char* room = space.reserve(statement.size() + 1024);
  if (room == nullptr) return 0;
  FieldWriter w(room);
  static thread_local uint64_t counter = 0;
  w.uuid(Tag::id, uuid_v7(wall_us(), mono_ns() ^ (++counter << 40)));
  w.integer(Tag::ts, static_cast<int64_t>(wall_us()));
  w.text(Tag::category, "audit");
  w.text(Tag::action, "postgres_query");
  w.text(Tag::severity, "INFO");
  w.text(Tag::user_name, "alice");
  w.text(Tag::auth_method, "scram-sha-256");
  w.text(Tag::client_addr, "10.1.2.3:54321");
  w.text(Tag::application_name, "psql");
  w.text(Tag::transport, "tcp");
  w.uuid(Tag::session_id, session);
  w.text(Tag::target, "orders");
  w.text(Tag::tags, "[\"prod\"]");
  w.text(Tag::database, "orders");
  w.text(Tag::statement, statement);
  w.integer(Tag::statement_bytes, static_cast<int64_t>(statement.size()));
  w.text(Tag::message_type, "Q");
  return space.publish(RecordKind::start, w.size(), 0);
}

inline uint64_t put_outcome(RecordSpace& space, uint64_t start_seq, std::string_view outcome = "success",
                            int64_t rows = 1) {
  char* room = space.reserve(512);
  if (room == nullptr) return 0;
  FieldWriter w(room);
  w.text(Tag::outcome, outcome);
  w.integer(Tag::duration_us, 1234);
  w.integer(Tag::rows, rows);
  w.integer(Tag::bytes_to_client, 99);
  w.text(Tag::command_tag, "SELECT 1");
  return space.publish(RecordKind::outcome, w.size(), start_seq);
}

inline std::string query(const std::string& sql) {
  // Tables of the tests' own are none of the trail's: the owner's name is that of its schema.
  auto connection =
      store::Connection::open(cluster().store.owner_dsn() + " options='-c search_path=public'", "test");
  REQUIRE_MESSAGE(connection, connection.error().message);
  auto rows = (*connection)->exec(sql);
  REQUIRE_MESSAGE(rows, rows.error().message);
  std::string out;
  for (int i = 0; i < rows->size(); ++i) {
    if (i > 0) out += ";";
    for (int k = 0; k < rows->columns(); ++k) out += (k > 0 ? "|" : "") + rows->text(i, k);
  }
  return out;
}

template <typename F>
bool eventually(F holds, int timeout_ms = 15'000) {
  for (int waited = 0; waited < timeout_ms; waited += 10) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return holds();
}

}  // namespace ringfence::audit::testing
