#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "store_fixture.h"

using namespace ringfence;
using namespace ringfence::audit;
using namespace ringfence::audit::testing;

namespace {
std::string rows_of(const std::string& node, const std::string& columns, const std::string& where = "true") {
  return query("SELECT " + columns + " FROM ringfence.audit_event WHERE node = '" + node + "' AND " + where +
               " ORDER BY chain_no");
}
std::string count_of(const std::string& node) {
  return rows_of(node, "1").empty()
             ? "0"
             : query("SELECT count(*) FROM ringfence.audit_event WHERE node = '" + node + "'");
}
}  // namespace

TEST_CASE("a statement that ends within the join window is one row with both records' fields") {
  TempDir dir;
  auto trail = open_trail(trail_options(dir, "join"));
  trail->start();
  uint64_t seq = put_start(trail->journal(0), "select 1");
  put_outcome(trail->journal(0), seq, "success", 7);
  EventBuilder event(Category::system, "started", Severity::info, Outcome::success);
  CHECK(event.ts(wall_us()).text(Tag::reason, "test").publish(trail->journal(1)));
  REQUIRE(trail->stop(10'000));
  CHECK(
      rows_of("join",
              "chain_no, shard, seq, outcome_seq, action, outcome, rows, statement, tags::text, command_tag",
              "shard = 0") == "1|0|1|2|postgres_query|success|7|select 1|[\"prod\"]|SELECT 1");
  CHECK(rows_of("join", "chain_no, seq, action, reason, id IS NOT NULL", "shard = 1") ==
        "2|1|started|test|t");
  CHECK(query("SELECT count(*) FROM ringfence.audit_link WHERE node = 'join'") == "2");
  CHECK(query("SELECT chain_no FROM ringfence.audit_anchor WHERE node = 'join'") == "2");
  CHECK(query("SELECT count(*) FROM ringfence.audit_open WHERE node = 'join'") == "0");
  CHECK(query("SELECT shard, next_seq FROM ringfence.audit_checkpoint WHERE node = 'join' ORDER BY 1") ==
        "0|3;1|2;65535|1");
}

TEST_CASE("a statement that outlives the window is a running row and an outcome row, joined by the view") {
  TempDir dir;
  auto trail = open_trail(trail_options(dir, "late"));
  trail->start();
  uint64_t seq = put_start(trail->journal(0), "select pg_sleep(5)");
  CHECK(eventually([] { return rows_of("late", "outcome") == "running"; }));
  CHECK(query("SELECT is_written FROM ringfence.audit_open WHERE node = 'late'") == "t");
  put_outcome(trail->journal(0), seq, "cancelled", 3);
  REQUIRE(trail->stop(10'000));
  CHECK(rows_of("late", "action, outcome, seq, outcome_seq, rows, user_name, statement") ==
        "postgres_query|running|1|||alice|select pg_sleep(5);postgres_query_outcome|cancelled|2||3|alice|");
  CHECK(
      query("SELECT outcome, rows, statement, duration_us FROM ringfence.audit_query WHERE node = 'late'") ==
      "cancelled|3|select pg_sleep(5)|1234");
  CHECK(rows_of("late", "parent_id = (SELECT id FROM ringfence.audit_event WHERE node = 'late' AND seq = 1)",
                "seq = 2") == "t");
  CHECK(query("SELECT count(*) FROM ringfence.audit_open WHERE node = 'late'") == "0");
}

TEST_CASE("an outcome row that has another statement is what the view shows") {
  TempDir dir;
  auto trail = open_trail(trail_options(dir, "another"));
  trail->start();
  uint64_t seq = put_start(trail->journal(0), "select 'foreseen'");
  CHECK(eventually([] { return rows_of("another", "outcome") == "running"; }));
  std::string body;
  for (auto [tag, value] : {std::pair{Tag::outcome, "success"},
                            {Tag::statement, "select 'ran'"},
                            {Tag::metadata, "{\"a\":1}"},
                            {Tag::redacted, "[\"statement\"]"}}) {
    append_field(body, tag, value);
  }
  char* room = trail->journal(0).reserve(body.size());
  REQUIRE(room != nullptr);
  std::memcpy(room, body.data(), body.size());
  trail->journal(0).publish(RecordKind::outcome, body.size(), seq);
  REQUIRE(trail->stop(10'000));
  CHECK(query("SELECT outcome, statement, statement_bytes, metadata, redacted FROM ringfence.audit_query "
              "WHERE node = 'another'") == "success|select 'ran'||{\"a\": 1}|[\"statement\"]");
}

TEST_CASE("what was published before an end without flush is written once at the next start") {
  TempDir dir;
  uint64_t long_running = 0;
  {
    auto trail = open_trail(trail_options(dir, "crash"));
    trail->start();
    long_running = put_start(trail->journal(0), "long running");
    CHECK(eventually([] { return count_of("crash") == "1"; }));
    for (int i = 0; i < 50; ++i) put_outcome(trail->journal(0), put_start(trail->journal(0), "done"));
    put_start(trail->journal(1), "never answered");
    trail->abandon();
  }
  CHECK(long_running == 1);
  {
    auto trail = open_trail(trail_options(dir, "crash"));
    trail->start();
    uint64_t seq = put_start(trail->journal(0), "new life");
    CHECK(seq == 102);
    put_outcome(trail->journal(0), seq);
    REQUIRE(trail->stop(10'000));
  }
  CHECK(query("SELECT count(*), count(DISTINCT seq) FROM ringfence.audit_event WHERE node = 'crash' AND "
              "statement = 'done'") == "50|50");
  CHECK(rows_of("crash", "action, outcome, shard, seq", "statement = 'never answered'") ==
        "postgres_query|unknown|1|1");
  CHECK(rows_of("crash", "shard, outcome, parent_id IS NOT NULL", "action = 'postgres_query_outcome'") ==
        "65535|unknown|t");
  CHECK(rows_of("crash", "outcome", "statement = 'new life'") == "success");
  CHECK(rows_of("crash", "1", "action = 'trail_gap'") == "");
  CHECK(query("SELECT count(*) = max(chain_no) AND count(*) = count(DISTINCT chain_no) FROM "
              "ringfence.audit_event WHERE node = 'crash'") == "t");
}

TEST_CASE("a killed process loses no published record and none is written twice") {
  TempDir dir;
  (void)cluster();
  auto* published = static_cast<std::atomic<uint64_t>*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  uint64_t expected = 0;
  for (int round = 0; round < 3; ++round) {
    pid_t child = ::fork();
    if (child == 0) {
      auto trail = Trail::open(trail_options(dir, "killed"));
      if (!trail) ::_exit(3);
      (*trail)->start();
      for (uint64_t i = 0;; ++i) {
        uint64_t seq = put_start((*trail)->journal(0), "statement");
        if (seq != 0) published->store(seq);
        if (seq != 0 && i % 5 != 0) {
          uint64_t end = 0;
          while ((end = put_outcome((*trail)->journal(0), seq)) == 0) ::usleep(100);
          published->store(end);
        }
        if (i % 20 == 0) ::usleep(200);
      }
    }
    for (int waited = 0; waited < 60'000 && published->load() <= expected; ++waited) ::usleep(1'000);
    ::usleep(700'000 + 170'000 * static_cast<unsigned>(round));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    CHECK(published->load() > expected);
    expected = published->load();
  }
  auto trail = open_trail(trail_options(dir, "killed"));
  trail->start();
  REQUIRE(trail->stop(60'000));
  // Every number up to the last published one, each once; a record may be in that its producer had no time to
  // note.
  std::string seqs =
      "(SELECT seq AS s FROM ringfence.audit_event WHERE node = 'killed' AND shard = 0 UNION ALL "
      "SELECT outcome_seq FROM ringfence.audit_event WHERE node = 'killed' AND shard = 0 AND outcome_seq IS "
      "NOT NULL) x";
  CHECK(query("SELECT count(*) = max(s) AND count(DISTINCT s) = max(s) AND min(s) = 1 FROM " + seqs) == "t");
  CHECK(query("SELECT max(s) - " + std::to_string(expected) + " BETWEEN 0 AND 3 FROM " + seqs) == "t");
  CHECK(query("SELECT count(*) FROM ringfence.audit_event WHERE node = 'killed' AND action = 'trail_gap'") ==
        "0");
  CHECK(query("SELECT count(*) FROM ringfence.audit_query WHERE node = 'killed' AND outcome = 'running'") ==
        "0");
  CHECK(query("SELECT count(*) = max(chain_no) FROM ringfence.audit_link WHERE node = 'killed'") == "t");
}

TEST_CASE("a second writer of the same node stops with a conflict") {
  TempDir dir;
  TempDir other;
  auto first = open_trail(trail_options(dir, "twice"));
  auto second = open_trail(trail_options(other, "twice"));  // Nobody has claimed the name yet.
  first->start();
  CHECK(eventually([&] { return first->status().writer.state == WriterState::running; }));
  second->start();
  CHECK(eventually([&] { return second->status().writer.state == WriterState::conflict; }));
  CHECK(!second->status().is_ready);
  CHECK(second->status().reason.find("twice") != std::string::npos);
  CHECK(!second->stop(1000));
  put_outcome(first->journal(0), put_start(first->journal(0), "x"));
  CHECK(first->stop(10'000));
}

TEST_CASE(
    "another state directory of the same node is refused before it takes records, until it adopts the node") {
  TempDir dir;
  TempDir other;
  auto first = open_trail(trail_options(dir, "whose"));
  first->start();
  CHECK(eventually([&] { return first->status().writer.state == WriterState::running; }));
  auto second = Trail::open(trail_options(other, "whose"));
  REQUIRE(!second);
  CHECK(second.error().fault == Fault::denied);
  CHECK(second.error().message.find("node 'whose'") != std::string::npos);
  CHECK(second.error().message.find("ringfence audit adopt") != std::string::npos);
  auto id = read_state_id(other.path);
  REQUIRE(id);
  // Not while the first one writes.
  auto early = adopt_node(cluster().store.owner_dsn(), "whose", other.path);
  REQUIRE(!early);
  CHECK(early.error().message.find("stop it first") != std::string::npos);
  REQUIRE(first->stop(10'000));
  first.reset();
  CHECK(!adopt_node(cluster().store.owner_dsn(), "nobody", other.path));
  REQUIRE(
      eventually([&] { return adopt_node(cluster().store.owner_dsn(), "whose", other.path).has_value(); }));
  auto third = open_trail(trail_options(other, "whose"));
  third->start();
  put_outcome(third->journal(0), put_start(third->journal(0), "x"));
  REQUIRE(third->stop(10'000));
  CHECK(rows_of("whose", "action, severity") == "trail_store_accepted|CRITICAL;postgres_query|INFO");
  auto back = Trail::open(trail_options(dir, "whose"));
  REQUIRE(!back);
  CHECK(back.error().fault == Fault::denied);
  // A store of the state directory's own has no other one; but this one is not as it left it.
  TrailOptions owner = trail_options(dir, "whose");
  owner.owns_store = true;
  auto own = Trail::open(owner);
  REQUIRE(!own);
  CHECK(own.error().message.find("--accept-store") != std::string::npos);
}

TEST_CASE("the count of dropped records survives the process, and is told once") {
  TempDir dir;
  TrailOptions options = trail_options(dir, "dropkill");
  options.on_full = OnFull::drop;
  options.journal_bytes_max = 8 << 20;
  std::string big(500'000, 'x');
  uint64_t dropped = 0;
  for (int life = 0; life < 2; ++life) {
    auto trail = open_trail(options);  // Its writer never begins: as if it was killed before it could tell.
    CHECK(trail->status().journals[0].dropped == 0);
    for (int i = 0; i < 40; ++i) put_outcome(trail->journal(0), put_start(trail->journal(0), big));
    dropped += trail->status().journals[0].dropped;
    CHECK(trail->journal(0).dropped() == dropped);
  }
  CHECK(dropped > 60);
  for (int life = 0; life < 2; ++life) {
    if (life == 1) options.on_full = OnFull::fail_closed;  // Whatever the mode is now.
    auto trail = open_trail(options);
    trail->start();
    REQUIRE(trail->stop(30'000));
  }
  CHECK(query("SELECT count(*), sum(rows) FROM ringfence.audit_event WHERE node = 'dropkill' AND action = "
              "'trail_gap'") == "1|" + std::to_string(dropped));
  CHECK(query("SELECT told FROM ringfence.audit_checkpoint WHERE node = 'dropkill' AND shard = 0") ==
        std::to_string(dropped));
}

TEST_CASE("a checkpoint that somebody moved stops the writer before it writes") {
  TempDir dir;
  auto trail = open_trail(trail_options(dir, "moved"));
  trail->start();
  put_outcome(trail->journal(0), put_start(trail->journal(0), "x"));
  CHECK(eventually([] { return count_of("moved") == "1"; }));
  query("UPDATE ringfence.audit_checkpoint SET position = position + 8 WHERE node = 'moved' AND shard = 0");
  put_outcome(trail->journal(0), put_start(trail->journal(0), "y"));
  CHECK(eventually([&] { return trail->status().writer.state == WriterState::conflict; }));
  CHECK(count_of("moved") == "1");
}

TEST_CASE("while the store is dead records wait, and are written when it is back") {
  TempDir dir;
  auto trail = open_trail(trail_options(dir, "away"));
  trail->start();
  put_outcome(trail->journal(0), put_start(trail->journal(0), "before"));
  CHECK(eventually([] { return count_of("away") == "1"; }));
  ::kill(cluster().store.pid(), SIGKILL);
  for (int i = 0; i < 300; ++i) {
    put_outcome(trail->journal(0), put_start(trail->journal(0), "meanwhile"));
    ::usleep(1000);
  }
  CHECK(eventually([&] { return trail->status().writer.rows >= 301; }, 60'000));
  REQUIRE(trail->stop(10'000));
  CHECK(count_of("away") == "301");
  CHECK(cluster().store.restarts() >= 1);
}

TEST_CASE("content that the store refuses goes in as bytes, and blocks nothing") {
  TempDir dir;
  auto trail = open_trail(trail_options(dir, "poison"));
  std::string bad("select '\xff\xfe' \0 x", 16);
  for (int i = 0; i < 200; ++i) {
    bool is_bad = i == 17 || i == 150;
    put_outcome(trail->journal(0), put_start(trail->journal(0), is_bad ? bad : "fine"));
  }
  char* room = trail->journal(0).reserve(64);
  std::memcpy(room, "no fields at all", 16);
  trail->journal(0).publish(RecordKind::event, 16, 0);
  trail->start();
  REQUIRE(trail->stop(30'000));
  CHECK(count_of("poison") == "201");
  CHECK(trail->status().writer.poisoned == 2);
  CHECK(query("SELECT count(*) FROM ringfence.audit_event WHERE node = 'poison' AND statement IS NULL AND "
              "position('\\xfffe'::bytea IN "
              "statement_raw) > 0 AND user_name = 'alice' AND outcome = 'success'") == "2");
  CHECK(rows_of("poison", "encode(statement_raw, 'escape')", "action = 'record'") == "no fields at all");
}

namespace {

// Something of the store's owner's that refuses rows, for as long as it lives.
struct Refusal {
  std::string undo;
  Refusal(const std::string& make, std::string undo_it) : undo(std::move(undo_it)) { query(make); }
  // The writer tries its rows meanwhile: PostgreSQL may end one of the two by a deadlock.
  ~Refusal() {
    CHECK(eventually([this] {
      auto connection = store::Connection::open(cluster().store.owner_dsn(), "test");
      return connection && (*connection)->exec(undo);
    }));
  }
};

}  // namespace

TEST_CASE("many rows that the store refuses are found in few tries, and each other row keeps its columns") {
  Refusal taste(
      "ALTER TABLE ringfence.audit_row ADD CONSTRAINT taste CHECK (statement NOT LIKE '%disliked%')",
      "ALTER TABLE ringfence.audit_row DROP CONSTRAINT taste");
  TempDir dir;
  TrailOptions options = trail_options(dir, "disliked");
  options.block_rows = 0;
  options.batch_ms = 1'000;
  auto trail = open_trail(options);
  const int disliked = 12;
  for (int i = 0; i < 2'000; ++i) {
    const bool is_disliked = i % 170 == 5;
    put_outcome(trail->journal(i % 2), put_start(trail->journal(i % 2), is_disliked ? "disliked" : "fine"));
  }
  trail->start();
  REQUIRE(trail->stop(60'000));
  CHECK(count_of("disliked") == "2000");
  CHECK(query("SELECT count(*) FROM ringfence.audit_event WHERE node = 'disliked' AND statement = 'fine'") ==
        std::to_string(2'000 - disliked));
  const WriterStatus status = trail->status().writer;
  CHECK(status.poisoned == disliked);
  CHECK(status.batches <= 3);
  // Each COPY of rows that did not stay, once more for each level of halving.
  CHECK(status.isolation_tries <= disliked * (2 * 11 + 2) + 6);
}

TEST_CASE("hundreds of rows that a trigger refuses cost a bounded number of tries and keep nobody waiting") {
  Refusal taste(
      "CREATE FUNCTION ringfence.taste() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "IF NEW.entity_id LIKE 'poison%' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$; "
      "CREATE TRIGGER taste BEFORE INSERT ON ringfence.audit_row FOR EACH ROW EXECUTE FUNCTION "
      "ringfence.taste()",
      "DROP TRIGGER taste ON ringfence.audit_row; DROP FUNCTION ringfence.taste()");
  TempDir dir;
  TrailOptions options = trail_options(dir, "flood");
  options.block_rows = 0;
  options.batch_ms = 1'000;
  auto trail = open_trail(options);
  const int rows = 1'000;
  for (int i = 0; i < rows; ++i) {
    EventBuilder event(Category::system, "admin_auth_failed", Severity::warning, Outcome::denied);
    event.text(Tag::entity_id, "poison " + std::to_string(i));
    REQUIRE(event.publish(trail->journal(1)));
    put_outcome(trail->journal(0), put_start(trail->journal(0), "fine"));
  }
  trail->start();
  REQUIRE(trail->stop(60'000));
  CHECK(query("SELECT count(*) FROM ringfence.audit_event WHERE node = 'flood' AND statement = 'fine' AND "
              "user_name = 'alice'") == std::to_string(rows));
  // Their entity_id is short, so that it stays in its column when the record goes in as bytes: refused again.
  CHECK(query("SELECT count(*) FROM ringfence.audit_event WHERE node = 'flood' AND entity_id IS NULL AND "
              "position('poison '::bytea IN statement_raw) > 0") == std::to_string(rows));
  const WriterStatus status = trail->status().writer;
  CHECK(status.poisoned == rows);
  CHECK(status.isolation_tries <= 64 * 11 + 3 * 12 + 16);
  CHECK(status.batches <= 3);
}

TEST_CASE("what a store refuses for no row's sake waits, and no row loses its columns") {
  TempDir dir;
  auto trail = open_trail(trail_options(dir, "closed"));
  {
    Refusal closed(
        "CREATE FUNCTION ringfence.closed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
        "'closed today'; END $$; "
        "CREATE TRIGGER closed BEFORE INSERT ON ringfence.audit_row FOR EACH ROW EXECUTE FUNCTION "
        "ringfence.closed(); CREATE TRIGGER closed BEFORE INSERT ON ringfence.audit_block FOR EACH ROW "
        "EXECUTE "
        "FUNCTION ringfence.closed()",
        "DROP TRIGGER closed ON ringfence.audit_row; DROP TRIGGER closed ON ringfence.audit_block; DROP "
        "FUNCTION "
        "ringfence.closed()");
    for (int i = 0; i < 50; ++i) put_outcome(trail->journal(0), put_start(trail->journal(0), "fine"));
    trail->start();
    CHECK(eventually([&] { return trail->status().writer.state == WriterState::retrying; }));
    CHECK(trail->status().writer.poisoned == 0);
  }
  REQUIRE(trail->stop(30'000));
  CHECK(query("SELECT count(*) FROM ringfence.audit_event WHERE node = 'closed' AND statement = 'fine'") ==
        "50");
  CHECK(trail->status().writer.poisoned == 0);
}

TEST_CASE("dropped records are counted in a gap event") {
  TempDir dir;
  TrailOptions options = trail_options(dir, "drops");
  options.on_full = OnFull::drop;
  options.journal_bytes_max = 8 << 20;
  auto trail = open_trail(options);
  std::string big(500'000, 'x');
  uint64_t kept = 0;
  for (int i = 0; i < 40; ++i) {
    uint64_t seq = put_start(trail->journal(0), big);
    if (seq != 0) ++kept;
    put_outcome(trail->journal(0), seq);
  }
  uint64_t dropped = trail->status().journals[0].dropped;
  CHECK(dropped > 0);
  trail->start();
  REQUIRE(trail->stop(30'000));
  CHECK(
      query(
          "SELECT count(*) FROM ringfence.audit_event WHERE node = 'drops' AND action = 'postgres_query'") ==
      std::to_string(kept));
  CHECK(rows_of("drops", "severity, category, rows, metadata->>'count'", "action = 'trail_gap'") ==
        "CRITICAL|audit|" + std::to_string(dropped) + "|" + std::to_string(dropped));
}

TEST_CASE("the writer's role can neither change nor delete a row") {
  (void)cluster();
  auto connection = store::Connection::open(cluster().store.writer_dsn(), "test");
  REQUIRE(connection);
  for (const char* sql : {"UPDATE ringfence.audit_row SET user_name = 'x'", "DELETE FROM ringfence.audit_row",
                          "DELETE FROM ringfence.audit_link_run", "TRUNCATE ringfence.audit_row",
                          "UPDATE ringfence.audit_anchor SET hash = ''", "DROP TABLE ringfence.audit_row",
                          "UPDATE ringfence.audit_block SET row_count = 1",
                          "DELETE FROM ringfence.audit_block", "TRUNCATE ringfence.audit_block"}) {
    CAPTURE(sql);
    CHECK(!(*connection)->exec(sql));
    CHECK((*connection)->sqlstate() == "42501");
  }
}
