// Records a second from the journal to the committed row, against libpq's COPY of the same rows.
//
//   audit_rows [rows] [batch] [rounds]
//
// Prints one JSON object a line: contender, rows_per_s, client_cpu_us, store_cpu_us, bytes_per_row on disk.
// Each round is one run of each contender into tables emptied before it:
//   ringfence    the journals hold all records when the writer starts; until the last row is committed
//   rows         the same with audit.block_rows 0: each row by itself
//   copy         the very bytes of ringfence's blocks, in batches of as many rows, into audit_block
//   copy_links   the same with the rows of audit_link_run, in the same transactions
//   copy_rows    the very bytes of the rows of `rows`, into audit_row
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "ringfence/audit/chain.h"
#include "ringfence/audit/trail.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/base/uuid.h"
#include "ringfence/store/connection.h"
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

double process_cpu() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// utime + stime of the server, its live children and those that it has waited for.
double store_cpu(int postmaster) {
  double ticks = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::string name = entry.path().filename().string();
    if (name.empty() || name[0] < '0' || name[0] > '9') continue;
    std::ifstream in(entry.path() / "stat");
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    size_t end = text.rfind(')');
    if (end == std::string::npos) continue;
    std::istringstream fields(text.substr(end + 2));
    std::string word;
    double used = 0;
    int parent = 0;
    for (int i = 3; i <= 17 && fields >> word; ++i) {
      if (i == 4) parent = std::atoi(word.c_str());
      if (i >= 14) used += std::atof(word.c_str());
    }
    if (parent == postmaster || name == std::to_string(postmaster)) ticks += used;
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

// What a prepared `pgbench -S` leaves: a start and an outcome.
void produce(Journal& journal, int rows) {
  const std::string statement = "SELECT abalance FROM pgbench_accounts WHERE aid = $1;";
  const Uuid session = uuid_v7(wall_us(), 1);
  for (int i = 0; i < rows; ++i) {
    char* room = journal.reserve(1024);
    if (room == nullptr) {
      journal.keep();
      --i;
      continue;
    }
    FieldWriter start(room);
    start.uuid(Tag::id, uuid_v7(wall_us(), mono_ns() * 0x9e3779b97f4a7c15u));
    start.integer(Tag::ts, static_cast<int64_t>(wall_us()));
    start.text(Tag::category, "audit");
    start.text(Tag::action, "postgres_query");
    start.text(Tag::severity, "INFO");
    start.text(Tag::user_name, "bench");
    start.text(Tag::auth_method, "scram-sha-256");
    start.text(Tag::client_addr, "127.0.0.1:54321");
    start.text(Tag::application_name, "pgbench");
    start.text(Tag::transport, "tcp");
    start.uuid(Tag::session_id, session);
    start.uuid(Tag::connection_id, session);
    start.text(Tag::target, "bench");
    start.text(Tag::database, "bench");
    start.text(Tag::server_addr, "127.0.0.1:5432");
    start.text(Tag::server_user, "bench");
    start.text(Tag::statement, statement);
    start.integer(Tag::statement_bytes, static_cast<int64_t>(statement.size()));
    start.text(Tag::parameters, "[\"" + std::to_string(i) + "\"]");
    start.text(Tag::message_type, "E");
    uint64_t seq = journal.publish(RecordKind::start, start.size(), 0);
    while ((room = journal.reserve(512)) == nullptr) journal.keep();
    FieldWriter outcome(room);
    outcome.text(Tag::severity, "INFO");
    outcome.text(Tag::outcome, "success");
    outcome.integer(Tag::duration_us, 100 + i % 50);
    outcome.integer(Tag::rows, 1);
    outcome.integer(Tag::bytes_to_client, 60);
    outcome.integer(Tag::bytes_to_server, 30);
    outcome.text(Tag::command_tag, "SELECT 1");
    journal.publish(RecordKind::outcome, outcome.size(), seq);
    if (i % 256 == 0) journal.keep();
  }
}

struct Bench {
  std::string directory;
  store::EmbeddedStore store;
  int rows;
  int batch;
  // Of what the writer wrote: what a COPY of each table takes, cut into batches.
  struct Bytes {
    std::string table;
    std::string columns;
    std::vector<std::string> batches;
  };
  Bytes blocks{"audit_block", {}, {}};
  Bytes events{"audit_row", {}, {}};
  std::vector<std::string> links;

  Bench(std::string where, int row_count, int batch_rows)
      : directory(std::move(where)),
        store({directory, "", "", 60'000, 20'000}),
        rows(row_count),
        batch(batch_rows) {}

  std::unique_ptr<store::Connection> owner() {
    return must(store::Connection::open(store.owner_dsn(), "bench"), "store");
  }

  void empty_tables() {
    auto connection = owner();
    must(connection->exec("TRUNCATE ringfence.audit_row, ringfence.audit_block, ringfence.audit_link_run, "
                          "ringfence.audit_open, "
                          "ringfence.audit_anchor"),
         "truncate");
    must(connection->exec("DELETE FROM ringfence.audit_checkpoint"), "checkpoints");
    must(connection->exec("CHECKPOINT"), "checkpoint");
  }

  // Of the trail's rows and links, indexes and free space included.
  double bytes_on_disk() {
    auto size =
        must(owner()->exec("SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = "
                           "'ringfence'::regnamespace AND relkind = 'r' AND relname ~ "
                           "'^audit_(event_c|block_c|link_run)'"),
             "size");
    return std::stod(size.text(0, 0));
  }

  void print(const char* contender, double seconds, double client, double server) {
    std::printf(
        "{\"contender\": \"%s\", \"rows_per_s\": %.0f, \"client_cpu_us\": %.3f, \"store_cpu_us\": %.3f, "
        "\"bytes_per_row\": %.1f}\n",
        contender, rows / seconds, client / rows * 1e6, server / rows * 1e6, bytes_on_disk() / rows);
    std::fflush(stdout);
  }

  void run_writer(bool prints, bool with_blocks) {
    std::string state = directory + "/writer";
    std::filesystem::remove_all(state);
    TrailOptions options;
    options.state_directory = state;
    options.node = "bench-a";
    options.writer_dsn = store.writer_dsn();
    options.owner_dsn = store.owner_dsn();
    options.batch_rows = static_cast<uint32_t>(batch) * 2;  // Records: each row is made of two.
    if (!with_blocks) options.block_rows = 0;
    options.journal_bytes_max = uint64_t{16} << 30;
    std::atomic<uint64_t> running_ns{0};
    options.on_state = [&](WriterState now, const std::string&) {
      if (now == WriterState::running && running_ns == 0) running_ns = mono_ns();
    };
    auto trail = must(Trail::open(options), "trail");
    produce(trail->journal(0), rows);
    double client = process_cpu();
    double server = store_cpu(store.pid());
    trail->start();
    uint64_t done_ns = 0;
    while (trail->status().writer.rows < static_cast<uint64_t>(rows)) ::usleep(500);
    done_ns = mono_ns();
    if (prints) {
      print(with_blocks ? "ringfence" : "rows", static_cast<double>(done_ns - running_ns) * 1e-9,
            process_cpu() - client, store_cpu(store.pid()) - server);
    }
    trail->stop(10'000);
  }

  std::vector<std::string> take(store::Connection& connection, const std::string& query, size_t piece) {
    // Rows in binary form are, but for the count of their fields, what COPY takes.
    std::vector<std::string> out;
    size_t in_batch = piece;
    must(connection.stream(query, {},
                           [&](store::Rows& row) {
                             if (in_batch == piece) {
                               if (!out.empty()) out.back().append("\xff\xff", 2);
                               out.emplace_back("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0", 19);
                               in_batch = 0;
                             }
                             ++in_batch;
                             ringfence::Writer writer(out.back());
                             writer.u16(static_cast<uint16_t>(row.columns()));
                             for (int i = 0; i < row.columns(); ++i) {
                               if (row.is_null(0, i)) writer.u32(0xffffffff);
                               else
                                 writer.u32(static_cast<uint32_t>(row.get(0, i).size())).bytes(row.get(0, i));
                             }
                             return true;
                           }),
         "export");
    out.back().append("\xff\xff", 2);
    return out;
  }

  void export_table(Bytes& out, const std::string& order, size_t piece) {
    auto connection = owner();
    const std::string table = "ringfence." + out.table;
    auto names = must(connection->exec("SELECT attname FROM pg_attribute WHERE attrelid = '" + table +
                                       "'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"),
                      "columns");
    std::string counts;
    for (int i = 0; i < names.size(); ++i) counts += (i > 0 ? ", count(" : "count(") + names.text(i, 0) + ")";
    auto used = must(connection->exec("SELECT " + counts + " FROM " + table), "columns");
    std::string values;
    for (int i = 0; i < names.size(); ++i) {
      if (used.get(0, i) == "0") continue;
      std::string name = names.text(i, 0);
      out.columns += (out.columns.empty() ? "" : ", ") + name;
      values += (values.empty() ? "" : ", ") + (name == "node" ? "'bench-b'::text" : name);
    }
    out.batches = take(*connection, "SELECT " + values + " FROM " + table + " ORDER BY " + order, piece);
  }

  void export_blocks() {
    auto connection = owner();
    auto held = must(connection->exec("SELECT count(*) FROM ringfence.audit_block"), "blocks");
    const auto count = static_cast<size_t>(held.integer(0, 0));
    const size_t batches = std::max<size_t>(1, static_cast<size_t>(rows / batch));
    export_table(blocks, "first_chain_no", std::max<size_t>(1, count / batches));
    links = take(*connection,
                 "SELECT 'bench-b'::text, first_chain_no, links FROM ringfence.audit_link_run ORDER BY 2",
                 (batch + link_run_max - 1) / link_run_max);
  }

  static void copy(store::Connection& connection, const std::string& sql, ByteView bytes) {
    must(connection.begin_copy(sql), "copy");
    constexpr size_t piece = 64 * 1024;
    for (size_t at = 0; at < bytes.size(); at += piece)
      must(connection.put_copy(bytes.substr(at, piece)), "copy");
    must(connection.end_copy(), "copy");
  }

  void run_copy(const char* contender, const Bytes& what, bool with_links) {
    auto connection = must(store::Connection::open(store.writer_dsn(), "bench"), "store");
    must(connection->exec("SET synchronous_commit = on"), "store");
    double client = process_cpu();
    double server = store_cpu(store.pid());
    uint64_t began = mono_ns();
    for (size_t i = 0; i < what.batches.size(); ++i) {
      must(connection->exec("BEGIN"), "begin");
      copy(*connection, "COPY ringfence." + what.table + " (" + what.columns + ") FROM STDIN (FORMAT binary)",
           what.batches[i]);
      if (with_links && i < links.size()) {
        copy(*connection,
             "COPY ringfence.audit_link_run (node, first_chain_no, links) FROM STDIN (FORMAT binary)",
             links[i]);
      }
      must(connection->exec("COMMIT"), "commit");
    }
    uint64_t done = mono_ns();
    print(contender, static_cast<double>(done - began) * 1e-9, process_cpu() - client,
          store_cpu(store.pid()) - server);
  }
};

}  // namespace

int main(int argc, char** argv) {
  int rows = argc > 1 ? std::atoi(argv[1]) : 200'000;
  int batch = argc > 2 ? std::atoi(argv[2]) : 10'000;
  int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
  char name[] = "/tmp/ringfence-bench-XXXXXX";
  std::string directory = ::mkdtemp(name);
  ::chmod(directory.c_str(), 0755);
  {
    Bench bench(directory, rows, batch);
    must(bench.store.start(), "embedded store");
    bench.run_writer(false, true);  // Also warms what there is to warm.
    bench.export_blocks();
    bench.empty_tables();
    bench.run_writer(false, false);
    bench.export_table(bench.events, "chain_no", static_cast<size_t>(batch));
    for (int round = 0; round < rounds; ++round) {
      bench.empty_tables();
      bench.run_writer(true, true);
      bench.empty_tables();
      bench.run_writer(true, false);
      bench.empty_tables();
      bench.run_copy("copy", bench.blocks, false);
      bench.empty_tables();
      bench.run_copy("copy_links", bench.blocks, true);
      bench.empty_tables();
      bench.run_copy("copy_rows", bench.events, false);
    }
  }
  std::filesystem::remove_all(directory);
  return 0;
}
