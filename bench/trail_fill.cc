// Writes rows into the trail of an appliance that is not running, as its journals and writer would.
//
//   trail_fill STATE_DIRECTORY NODE ROWS
//
// The store is the state directory's embedded one. Users: `first` has the first 100 rows, `half` every second
// one, `many` one in a hundred, each in a session of its own; fifty others have the rest. A session of `half`
// has 10,000 rows.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "ringfence/audit/trail.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/base/uuid.h"
#include "ringfence/control/data_key_wrap.h"
#include "ringfence/store/embedded.h"

using namespace ringfence;
using namespace ringfence::audit;

namespace {

template <typename T>
T must(Result<T> result, const char* what) {
  if (!result) {
    std::fprintf(stderr, "%s: %s\n", what, result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Row {
  std::string user;
  uint64_t session;
};

Row row_of(uint64_t i) {
  if (i < 100) return {"first", 0};
  if (i % 2 == 0) return {"half", 1'000'000 + i / 20'000};
  if (i % 100 == 1) return {"many", 2'000'000 + i};
  return {"user" + std::to_string(i % 50), i % 50};
}

void produce(Journal& journal, uint64_t i) {
  const Row row = row_of(i);
  const Uuid session = uuid_v7(1, row.session * 0x9e3779b97f4a7c15U);
  const std::string statement = i % 3 == 0 ? "SELECT name FROM products WHERE id = " + std::to_string(i)
                                           : "SELECT abalance FROM pgbench_accounts WHERE aid = $1;";
  char* room = nullptr;
  while ((room = journal.reserve(1024)) == nullptr) ::usleep(200);
  FieldWriter start(room);
  start.uuid(Tag::id, uuid_v7(wall_us(), mono_ns() * 0x9e3779b97f4a7c15U));
  start.integer(Tag::ts, static_cast<int64_t>(wall_us()));
  start.text(Tag::category, "audit");
  start.text(Tag::action, "postgres_query");
  start.text(Tag::severity, "INFO");
  start.text(Tag::user_name, row.user);
  start.text(Tag::auth_method, "scram-sha-256");
  start.text(Tag::client_addr, "127.0.0.1:" + std::to_string(1024 + row.session % 60'000));
  start.text(Tag::application_name, "bench");
  start.text(Tag::transport, "tcp");
  start.uuid(Tag::session_id, session);
  start.text(Tag::target, "bench");
  start.text(Tag::database, "bench");
  start.text(Tag::statement, statement);
  start.integer(Tag::statement_bytes, static_cast<int64_t>(statement.size()));
  if (i % 3 != 0) start.text(Tag::parameters, "[\"" + std::to_string(i) + "\"]");
  start.text(Tag::message_type, i % 3 == 0 ? "Q" : "E");
  const uint64_t seq = journal.publish(RecordKind::start, start.size(), 0);
  while ((room = journal.reserve(512)) == nullptr) ::usleep(200);
  FieldWriter outcome(room);
  outcome.text(Tag::outcome, "success");
  outcome.integer(Tag::duration_us, static_cast<int64_t>(100 + i % 50));
  outcome.integer(Tag::rows, 1);
  outcome.integer(Tag::bytes_to_client, 60);
  outcome.integer(Tag::bytes_to_server, 30);
  outcome.text(Tag::command_tag, "SELECT 1");
  journal.publish(RecordKind::outcome, outcome.size(), seq);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: trail_fill STATE_DIRECTORY NODE ROWS\n");
    return 2;
  }
  const std::string directory = argv[1];
  const uint64_t rows = std::strtoull(argv[3], nullptr, 10);
  log_configure(LogLevel::warning, LogFormat::text);
  store::EmbeddedOptions embedded;
  embedded.state_directory = directory;
  store::EmbeddedStore store(embedded);
  must(store.start(), "embedded store");
  TrailOptions options;
  options.state_directory = directory;
  options.node = argv[2];
  options.writer_dsn = store.writer_dsn();
  options.owner_dsn = store.owner_dsn();
  options.owns_store = true;
  options.data_key_wrap = [&] { return control::data_key_wrap({}, directory); };
  {
    auto trail = must(Trail::open(options), "trail");
    trail->start();
    for (uint64_t i = 0; i < rows; ++i) produce(trail->journal(0), i);
    if (!trail->stop(600'000)) {
      std::fprintf(stderr, "the rows are not in the store: %s\n", trail->status().writer.reason.c_str());
      return 1;
    }
  }
  store.stop();
  return 0;
}
