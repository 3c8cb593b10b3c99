#include "ringfence/pg/response_queue.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

using namespace ringfence;
using namespace ringfence::pg;

namespace {

struct Done {
  StatementNumber number;
  Ending ending;
  std::string tag;
  uint64_t rows;
  std::string sqlstate;
  std::string ran_instead;  // The text; "-" when none was given.
};

// A queue with its observer, spoken to in the protocol's own words.
struct QueueModel : StatementObserver {
  ObjectPools pools{ringfence::HashKey{1, 2}};
  std::vector<Done> endings;
  std::vector<std::string> outside;
  ResponseQueue queue{pools, *this};
  StatementNumber next = 1;

  void done(const Completion& c) override {
    std::string instead = "-";
    if (c.ran_instead != nullptr)
      instead = c.ran_instead->statement ? c.ran_instead->statement->statement.text : "?";
    endings.push_back({c.number, c.ending, std::string(c.tag), c.rows,
                       c.error ? std::string(c.error->sqlstate) : "", instead});
  }
  void error_outside(const ErrorFields& error, const StatementText* text) override {
    outside.push_back(std::string(error.sqlstate) + (text != nullptr ? " " + text->text : ""));
  }

  StatementNumber query(uint32_t count = 1) {
    StatementNumber first = next;
    next += count;
    queue.push_query(first, count, 10, 1);
    return first;
  }
  Ref<Prepared> parse(std::string_view name, std::string_view text) {
    Ref<Prepared> prepared = pools.prepared.make();
    prepared->name = name;
    prepared->statement.text = text;
    queue.push_parse(prepared);
    return prepared;
  }
  Ref<Portal> bind(std::string_view name, std::string_view statement) {
    Ref<Portal> portal = pools.portals.make();
    portal->name = name;
    portal->statement_name = statement;
    portal->statement = queue.foreseen_statement(statement);
    queue.push_bind(portal);
    return portal;
  }
  StatementNumber execute(std::string_view name) {
    Ref<Portal> portal = queue.foreseen_portal(name);
    if (!portal) {
      portal = pools.portals.make();
      portal->name = name;
    }
    queue.push_execute(next, portal, 9, 1);
    return next++;
  }
  StatementNumber run(std::string_view name, std::string_view text) {
    parse(name, text);
    bind("", name);
    return execute("");
  }
  StatementNumber call() {
    queue.push_function_call(next, 9, 1);
    return next++;
  }
  void sync() { queue.push_sync(); }
  void answer(std::string_view letters, std::string_view sqlstate = "42601") {
    for (char letter : letters) {
      switch (letter) {
        case '1': queue.parse_complete(5); break;
        case '2': queue.bind_complete(5); break;
        case '3': queue.close_complete(5); break;
        case 'T':
        case 'n': queue.description(20); break;
        case 't': queue.parameter_description(std::string_view("\0\0\0\x17", 4), 11); break;
        case 'D': queue.data_row(30); break;
        case 'C': queue.command_complete("SELECT 1", 14, 2); break;
        case 'c': queue.command_complete("COPY 2", 12, 2); break;
        case 'I': queue.empty_query(5, 2); break;
        case 's': queue.portal_suspended(5, 2); break;
        case 'V': queue.function_call_response(9, 2); break;
        case 'G': queue.copy_in_response(8); break;
        case 'o': queue.other(8); break;
        case 'E': queue.error({.sqlstate = sqlstate, .message = "no"}, 40, 2); break;
        case 'F': queue.error({.severity = "FATAL", .sqlstate = "57P01", .message = "no"}, 40, 2); break;
        case 'Z': queue.ready(TransactionStatus::idle); break;
        case 'z': queue.ready(TransactionStatus::in_transaction); break;
        case 'e': queue.ready(TransactionStatus::failed); break;
        default: FAIL("no such answer");
      }
    }
  }
  // "1success 2failure", in the order in which they ended.
  std::string said() const {
    static const char* names[] = {"ok", "suspended", "failure", "skipped", "unknown"};
    std::string out;
    for (const Done& done : endings) {
      if (!out.empty()) out += ' ';
      out += std::to_string(done.number) + names[static_cast<int>(done.ending)];
    }
    return out;
  }
};

}  // namespace

TEST_CASE("each statement of one Query ends with its own tag, and what follows an error is not executed") {
  QueueModel m;
  m.query(4);
  m.answer("TDCTDDC");
  m.answer("E", "22012");
  m.answer("Z");
  CHECK(m.said() == "1ok 2ok 3failure 4skipped");
  CHECK(m.endings[2].sqlstate == "22012");
  CHECK(m.queue.is_idle());
  CHECK(m.queue.misfits() == 0);
}

TEST_CASE("a Query in parts is one message: an error in the first part skips the others") {
  QueueModel m;
  m.queue.push_query(1, 2, 10, 1, true);
  m.queue.push_query(3, 1, 10, 1, true);
  m.queue.push_query(4, 2, 10, 1, false);
  m.answer("CEZ");
  CHECK(m.said() == "1ok 2failure 3skipped 4skipped 5skipped");
  CHECK(m.queue.is_idle());
  m.queue.push_query(6, 1, 10, 1, true);
  m.queue.push_query(7, 1, 10, 1, false);
  m.answer("CCZ");
  CHECK(m.said() == "1ok 2failure 3skipped 4skipped 5skipped 6ok 7ok");
  CHECK(m.queue.is_idle());
  CHECK(m.queue.misfits() == 0);
}

TEST_CASE("N Executes before one Sync end one by one, and after an error the rest is skipped to Sync") {
  QueueModel m;
  m.run("", "a");
  m.run("", "b");
  m.run("", "c");
  m.sync();
  m.run("", "d");
  m.sync();
  m.answer("12DC12E");
  m.answer("Z12CZ");
  CHECK(m.said() == "1ok 2failure 3skipped 4ok");
  CHECK(m.queue.is_idle());
  CHECK(m.queue.misfits() == 0);
}

TEST_CASE(
    "names of the protocol that differ behind their 63rd byte are one name, as they are to the server") {
  const std::string common(63, 'n');
  QueueModel model;
  model.queue.use_client_encoding(Encoding::named("UTF8"));
  model.queue.use_server_encoding(Encoding::named("UTF8"));
  model.parse(common + "1", "select 'harmless'");
  model.queue.push_close(false, common + "2");
  model.parse(common + "3", "select secret");
  CHECK(model.queue.foreseen_statement(common + "1")->statement.text == "select secret");
  model.sync();
  model.queue.parse_complete(5);
  model.queue.close_complete(5);
  model.queue.parse_complete(5);
  model.queue.ready(TransactionStatus::idle);
  CHECK(model.queue.foreseen_statement(common)->statement.text == "select secret");
  // Also inside of a character: é and ê begin with the same byte, another one does not.
  const std::string cut(62, 'n');
  model.parse(cut + "\xc3\xa9", "one");
  CHECK(model.queue.foreseen_statement(cut + "\xc3\xaa")->statement.text == "one");
  CHECK(!model.queue.foreseen_statement(cut + "\xe6\x97\xa5"));
  // Portals too.
  auto portal = model.bind(common + "p", common + "x");
  CHECK(portal->statement->statement.text == "select secret");
  CHECK(model.queue.foreseen_portal(common + "q") == portal);
}

TEST_CASE("a failing Parse or Bind gives its own Execute the failure, with its own text") {
  for (bool in_bind : {false, true}) {
    QueueModel m;
    // An older unnamed portal stands: it must not be taken for what the failing group ran.
    m.run("", "old");
    m.sync();
    m.answer("12Cz");
    m.run("", "bad");
    m.run("", "behind");
    m.sync();
    m.answer(in_bind ? "1E" : "E");
    m.answer("e");
    CHECK(m.said() == "1ok 2failure 3skipped");
    CHECK(m.endings[1].ran_instead == "-");
    CHECK(m.outside.empty());
  }
}

TEST_CASE("a failing Parse that nothing executes is an error of its own, with its text") {
  QueueModel m;
  m.parse("s", "selec");
  m.sync();
  m.answer("EZ");
  REQUIRE(m.outside.size() == 1);
  CHECK(m.outside[0] == "42601 selec");
  CHECK(m.endings.empty());
}

TEST_CASE("a connection that ends before an answer leaves each statement its own text") {
  QueueModel m;
  m.run("", "old");
  m.sync();
  m.answer("12Cz");
  m.run("", "new");
  m.sync();
  m.queue.abandon();
  CHECK(m.said() == "1ok 2unknown");
  CHECK(m.endings[1].ran_instead == "-");
}

TEST_CASE("a suspended portal is executed again and ends with the rows of each time") {
  QueueModel m;
  m.parse("", "select");
  m.bind("p", "");
  m.execute("p");
  m.queue.push_sync();
  m.answer("12DDsz");
  m.execute("p");
  m.sync();
  m.answer("DCz");
  CHECK(m.said() == "1suspended 2ok");
  CHECK(m.endings[0].rows == 2);
  CHECK(m.endings[1].ran_instead == "-");
}

TEST_CASE("Sync inside COPY IN is swallowed, whether it was sent after CopyInResponse or ahead of it") {
  for (bool ahead : {false, true}) {
    QueueModel m;
    m.run("", "copy t from stdin");
    if (ahead) m.sync();
    m.answer("12G");
    if (!ahead) m.sync();
    m.queue.copy_data(100);
    m.queue.push_copy_end();
    m.sync();
    m.run("", "select");
    m.sync();
    m.answer("cZ12CZ");
    CHECK(m.said() == "1ok 2ok");
    CHECK(m.queue.is_idle());
    CHECK(m.queue.misfits() == 0);
  }
}

TEST_CASE("CopyDone and CopyFail ahead of CopyInResponse end the COPY that they were sent for") {
  for (bool fails : {false, true}) {
    for (bool simple : {false, true}) {
      QueueModel m;
      if (simple) m.query();
      else m.run("", "copy");
      m.queue.copy_data(10);
      m.queue.push_copy_end();
      if (!simple) m.sync();
      m.query();
      if (!simple) m.answer("12");
      m.answer("G");
      m.answer(fails ? "E" : "c");
      m.answer("ZCZ");
      CHECK(m.said() == (fails ? "1failure 2ok" : "1ok 2ok"));
      CHECK(m.queue.is_idle());
      CHECK(m.queue.misfits() == 0);
    }
  }
}

TEST_CASE("a COPY that fails while its data still comes leaves nothing behind") {
  for (bool simple : {false, true}) {
    QueueModel m;
    if (simple) m.query();
    else m.run("", "copy");
    if (!simple) m.answer("12");
    m.answer("GE");
    if (simple) m.answer("Z");
    m.queue.copy_data(10);
    m.queue.push_copy_end();
    if (!simple) {
      m.sync();
      m.answer("Z");
    }
    CHECK(m.queue.is_idle());
    m.query();
    m.answer("CZ");
    CHECK(m.said() == "1failure 2ok");
    CHECK(m.queue.is_idle());
    CHECK(m.queue.misfits() == 0);
  }
}

TEST_CASE("the end of a COPY that is on its way when the COPY fails leaves the session idle") {
  QueueModel m;
  m.query();
  m.answer("GE");
  m.queue.push_copy_end();
  m.answer("Z");
  CHECK(m.queue.is_idle());
  CHECK(m.queue.is_empty());
  // Sent ahead of CopyInResponse altogether.
  m.query();
  m.queue.push_copy_end();
  m.answer("GcZ");
  CHECK(m.queue.is_idle());
}

TEST_CASE("a Sync sent inside a COPY that had failed before is answered, and what follows it runs") {
  for (bool ahead : {false, true}) {
    QueueModel m;
    m.run("", "copy");
    if (ahead) {
      m.queue.copy_data(10);
      m.sync();
      m.query();
      m.answer("12G");
    } else {
      m.answer("12G");
      m.queue.copy_data(10);
      m.sync();
      m.query();
    }
    // The data was bad: the server ended the COPY before it read the Sync.
    m.answer("EZCZ");
    CHECK(m.said() == "1failure 2ok");
    CHECK(m.queue.is_idle());
  }
}

TEST_CASE("whether a Sync inside a failing COPY was swallowed shows in the answers that follow") {
  for (bool is_swallowed : {false, true}) {
    for (bool early : {false, true}) {
      QueueModel m;
      m.run("", "copy");
      if (early) m.sync();
      m.answer("12G");
      if (!early) m.sync();
      m.queue.push_copy_end();
      m.sync();
      m.answer(is_swallowed ? "EZ" : "EZZ");
      CHECK(m.queue.is_idle());
      m.run("", "select");
      m.sync();
      m.query();
      m.answer("12CZ");
      m.answer("E");
      m.answer("Z");
      CHECK(m.said() == "1failure 2ok 3failure");
      CHECK(m.queue.is_idle());
    }
  }
}

TEST_CASE("in the simple protocol a Sync behind a failed COPY is answered or was swallowed") {
  for (bool is_swallowed : {false, true}) {
    QueueModel m;
    m.query();
    m.answer("G");
    m.sync();
    m.queue.push_copy_end();
    m.query();
    m.answer("EZ");
    if (!is_swallowed) m.answer("Z");
    m.answer("CZ");
    CHECK(m.said() == "1failure 2ok");
    CHECK(m.queue.is_idle());
  }
}

TEST_CASE("where the answers cannot tell whether a statement ran, the model says that it is lost") {
  QueueModel m;
  m.run("", "copy");
  m.answer("12G");
  m.sync();
  m.queue.push_copy_end();
  m.run("", "drop");  // Runs if the COPY failed before the first Sync; is skipped otherwise.
  m.sync();
  CHECK_FALSE(m.queue.is_lost());
  m.answer("EZ");
  CHECK(m.queue.is_lost());
  m.queue.abandon();
  CHECK(m.said() == "1failure 2unknown");
}

TEST_CASE("a name whose Parse failed, was closed and parsed again still runs the old text") {
  QueueModel m;
  m.parse("s5", "old");
  m.sync();
  m.answer("1Z");
  // One group that fails at its first message, and a second that was sent before any answer.
  m.parse("s5", "broken");
  m.queue.push_close(false, "s5");
  m.parse("s5", "new");
  m.sync();
  m.bind("", "s5");
  m.execute("");
  m.sync();
  CHECK(m.queue.foreseen_statement("s5")->statement.text == "new");
  m.answer("EZ");
  CHECK(m.queue.foreseen_statement("s5")->statement.text == "old");
  m.answer("2CZ");
  CHECK(m.said() == "1ok");
  CHECK(m.endings[0].ran_instead == "old");
}

TEST_CASE("a statement is foreseen for sure unless what was sent before the Bind's own group may fail") {
  QueueModel m;
  CHECK(m.queue.is_foreseen_for_sure("a"));
  m.parse("a", "old");
  CHECK(m.queue.is_foreseen_for_sure("a"));
  m.sync();
  CHECK_FALSE(m.queue.is_foreseen_for_sure("a"));
  CHECK(m.queue.is_foreseen_for_sure("b"));
  m.answer("1Z");
  CHECK(m.queue.is_foreseen_for_sure("a"));
  CHECK(m.queue.present_statement("a")->statement.text == "old");
  m.parse("a", "new");
  m.parse("", "unnamed");
  m.sync();
  CHECK_FALSE(m.queue.is_foreseen_for_sure("a"));
  CHECK_FALSE(m.queue.is_foreseen_for_sure(""));
  m.answer("EZ");
  CHECK(m.queue.is_foreseen_for_sure("a"));
  NameChange change;
  change.kind = NameChange::Kind::deallocate_all;
  m.query();
  m.queue.change_names(0, change);
  CHECK_FALSE(m.queue.is_foreseen_for_sure("a"));
  m.parse("a", "newer");
  CHECK(m.queue.is_foreseen_for_sure("a"));
}

TEST_CASE("what changes names waits for its own statement, whatever number the one before it has") {
  for (const StatementNumber refused : {unrecorded_statement | 7, StatementNumber{1'000}}) {
    QueueModel m;
    m.parse("a", "old");
    m.sync();
    m.answer("1Z");
    m.queue.push_query(refused, 1, 10, 1);
    // A record that was dropped has no number.
    m.queue.push_query(0, 1, 10, 1);
    NameChange change;
    change.kind = NameChange::Kind::prepare;
    change.prepared = m.pools.prepared.make();
    change.prepared->name = "a";
    change.prepared->statement.text = "new";
    m.queue.change_names(0, change);
    m.answer(refused == 1'000 ? "CZCZ" : "EZCZ");
    CHECK(m.queue.foreseen_statement("a")->statement.text == "new");
  }
}

TEST_CASE("a Query that is skipped changes no name for another one") {
  QueueModel m;
  m.query();
  m.queue.push_terminate();
  m.query();
  NameChange change;
  change.kind = NameChange::Kind::deallocate_all;
  m.queue.change_names(0, change);
  m.queue.mark_uncut();
  CHECK(m.queue.pending_changes() == 0);
  m.answer("C");
  CHECK(m.said() == "2skipped 1ok");
}

TEST_CASE("an error at Sync belongs to no statement and ends no other") {
  QueueModel m;
  m.run("", "insert");
  m.sync();
  m.run("", "select");
  m.sync();
  m.answer("12C");
  m.answer("E", "23503");
  m.answer("Z12CZ");
  CHECK(m.said() == "1ok 2ok");
  REQUIRE(m.outside.size() == 1);
  CHECK(m.outside[0] == "23503");
}

TEST_CASE("an asynchronous FATAL belongs to no statement when none runs, and nothing runs behind it") {
  QueueModel m;
  m.query();
  m.answer("CZF");
  m.query(2);
  m.run("", "select 1");
  m.sync();
  m.call();
  m.queue.abandon();
  CHECK(m.said() == "1ok 2skipped 3skipped 4skipped 5skipped");
  CHECK(m.outside.size() == 1);
  CHECK_FALSE(m.queue.is_lost());
  m.answer("C");
  CHECK(m.queue.is_lost());
}

TEST_CASE("a FATAL fails the statement that runs; Queries, Executes and calls behind it were not executed") {
  QueueModel m;
  m.query(2);
  m.query();
  m.run("", "select 1");
  m.sync();
  m.run("", "select 2");
  m.call();
  m.sync();
  m.answer("CF");
  CHECK(m.said() == "1ok 2failure 3skipped 4skipped 5skipped 6skipped");
  m.queue.abandon();
  CHECK(m.endings.size() == 6);
  QueueModel extended;
  extended.run("", "select 1");
  extended.sync();
  extended.query();
  extended.answer("12F");
  CHECK(extended.said() == "1failure 2skipped");
}

TEST_CASE("an idle timeout's FATAL fails nothing: what was on its way had not begun") {
  for (std::string_view sqlstate : {"25P03", "57P05"}) {
    QueueModel m;
    m.query();
    m.queue.error({.severity = "FATAL", .sqlstate = sqlstate, .message = "idle"}, 40, 2);
    CHECK(m.said() == "1skipped");
    CHECK(m.outside.size() == 1);
  }
}

TEST_CASE("what a panicking server was running is unknown") {
  QueueModel m;
  m.query();
  m.query();
  m.queue.error({.severity = "PANIC", .sqlstate = "58030", .message = "no"}, 40, 2);
  CHECK(m.said() == "1unknown 2skipped");
}

TEST_CASE(
    "what a client sends behind Terminate is not executed; what it sent before ends as the server says") {
  QueueModel m;
  m.query();
  m.queue.push_terminate();
  m.query();
  m.run("", "select 1");
  m.sync();
  m.answer("CZ");
  m.queue.abandon();
  CHECK(m.said() == "2skipped 3skipped 1ok");
  CHECK(m.queue.misfits() == 0);
}

TEST_CASE("PREPARE, DEALLOCATE and DECLARE by the extended protocol change the names when they have run") {
  QueueModel m;
  auto change = [&](NameChange::Kind kind, std::string_view name, std::string_view text) {
    Ref<Prepared> made = m.pools.prepared.make();
    made->name = name;
    made->statement.text = text;
    Ref<Prepared> by = m.parse("", "by sql");
    by->change = {kind, made};
    m.bind("", "");
    m.execute("");
    m.sync();
  };
  change(NameChange::Kind::prepare, "p", "select 1");
  CHECK_FALSE(m.queue.foreseen_statement("p"));
  m.answer("12CZ");
  REQUIRE(m.queue.foreseen_statement("p"));
  CHECK(m.queue.foreseen_statement("p")->statement.text == "select 1");
  change(NameChange::Kind::declare, "c", "select 2");
  m.answer("12Cz");
  REQUIRE(m.queue.foreseen_portal("c"));
  CHECK(m.queue.foreseen_portal("c")->statement->statement.text == "select 2");
  change(NameChange::Kind::deallocate, "p", "");
  m.answer("12E");
  m.answer("e");
  CHECK(m.queue.foreseen_statement("p"));
  change(NameChange::Kind::deallocate, "p", "");
  m.answer("12CZ");
  CHECK_FALSE(m.queue.foreseen_statement("p"));
}

TEST_CASE("an error behind the last answer of a Query is not lost") {
  QueueModel m;
  m.query();
  m.answer("CE");
  m.answer("Z");
  CHECK(m.said() == "1ok");
  CHECK(m.outside.size() == 1);
}

TEST_CASE("FunctionCalls succeed and fail in their place") {
  QueueModel m;
  m.call();
  m.call();
  m.query();
  m.answer("VZEZCZ");
  CHECK(m.said() == "1ok 2failure 3ok");
  CHECK(m.queue.is_idle());
}

TEST_CASE("everything sent after an error is skipped until the client syncs") {
  QueueModel m;
  m.run("", "bad");
  m.answer("E");
  m.query();
  m.call();
  m.run("", "x");
  m.sync();
  m.answer("Z");
  m.query();
  m.answer("CZ");
  CHECK(m.said() == "1failure 2skipped 3skipped 4skipped 5ok");
  CHECK(m.queue.is_idle());
}

TEST_CASE("an empty Query and an empty portal succeed without rows") {
  QueueModel m;
  m.query();
  m.answer("IZ");
  m.run("", "");
  m.sync();
  m.answer("12IZ");
  CHECK(m.said() == "1ok 2ok");
}

TEST_CASE("types that the server describes are remembered with the statement") {
  QueueModel m;
  auto prepared = m.parse("s", "select $1");
  m.queue.push_describe(false, "s");
  m.sync();
  m.answer("1tTZ");
  REQUIRE(prepared->types.size() == 1);
  CHECK(prepared->types[0] == 23);
}

TEST_CASE("portals end with their transaction") {
  QueueModel m;
  for (int i = 0; i < 100; ++i) {
    m.parse("", "select");
    m.bind("p" + std::to_string(i), "");
    m.execute("p" + std::to_string(i));
    m.sync();
    m.answer("12Cz");
    CHECK(m.queue.foreseen_portal("p" + std::to_string(i)));
  }
  m.query();
  m.answer("CZ");
  for (int i = 0; i < 100; ++i) CHECK_FALSE(m.queue.foreseen_portal("p" + std::to_string(i)));
}

TEST_CASE("names that SQL makes and drops change when the server says so") {
  QueueModel m;
  auto change = [&](NameChange::Kind kind, std::string_view name, std::string_view text) {
    NameChange out;
    out.kind = kind;
    out.prepared = m.pools.prepared.make();
    out.prepared->name = name;
    out.prepared->statement.text = text;
    return out;
  };
  m.query(2);
  m.queue.change_names(0, change(NameChange::Kind::prepare, "a", "delete"));
  m.queue.change_names(1, change(NameChange::Kind::declare, "c", "select"));
  CHECK_FALSE(m.queue.foreseen_statement("a"));
  m.answer("C");
  REQUIRE(m.queue.foreseen_statement("a"));
  m.answer("Cz");
  REQUIRE(m.queue.foreseen_portal("c"));
  CHECK(m.queue.foreseen_portal("c")->statement->statement.text == "select");
  m.query();
  m.queue.change_names(0, change(NameChange::Kind::deallocate, "a", ""));
  m.answer("Ee");
  CHECK(m.queue.foreseen_statement("a"));
  m.query();
  m.queue.change_names(0, change(NameChange::Kind::deallocate_all, "", ""));
  m.answer("CZ");
  CHECK_FALSE(m.queue.foreseen_statement("a"));
}

TEST_CASE("abandon ends each open statement as unknown, once") {
  QueueModel m;
  m.query(3);
  m.run("", "x");
  m.call();
  m.sync();
  m.answer("C");
  m.queue.abandon();
  m.queue.abandon();
  CHECK(m.said() == "1ok 2unknown 3unknown 4unknown 5unknown");
  CHECK(m.queue.is_empty());
}

TEST_CASE("no sequence of answers breaks the model, and each statement ends once") {
  static constexpr std::string_view answers = "123TntDCcIsVGoEFZze";
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    std::mt19937_64 random(seed);
    QueueModel m;
    for (int step = 0; step < 60; ++step) {
      std::string name(1, static_cast<char>('a' + random() % 2));
      if (random() % 3 == 0) name.clear();
      switch (random() % 16) {
        case 0: m.query(static_cast<uint32_t>(1 + random() % 3)); break;
        case 1: m.parse(name, "t"); break;
        case 2: m.bind(name, name); break;
        case 3: m.execute(name); break;
        case 4: m.call(); break;
        case 5: m.sync(); break;
        case 6: m.queue.push_copy_end(); break;
        case 7: m.queue.push_describe(random() % 2, name); break;
        case 8: m.queue.push_close(random() % 2, name); break;
        default: m.answer(answers.substr(random() % answers.size(), 1)); break;
      }
    }
    m.queue.abandon();
    std::vector<int> times(m.next);
    for (const Done& done : m.endings) ++times.at(done.number);
    for (StatementNumber n = 1; n < m.next; ++n) {
      if (times[n] != 1) FAIL("seed " << seed << ": statement " << n << " ended " << times[n] << " times");
    }
  }
}

TEST_CASE(
    "what names keep counts once for all of them, with the texts that their portals need, and is nothing "
    "without names") {
  QueueModel m;
  CHECK(m.queue.kept_bytes() == 0);
  m.parse("", std::string(10'000, 'x'));
  m.answer("1");
  CHECK(m.queue.kept_bytes() == 0);  // Without a name there is one.
  m.bind("p1", "");
  m.bind("p2", "");
  m.answer("22");
  const uint64_t with_portals = m.queue.kept_bytes();
  CHECK(with_portals > 10'000);
  CHECK(with_portals < 12'000);
  // The portals keep what nothing else does any more.
  m.parse("", "select 1");
  m.answer("1");
  CHECK(m.queue.kept_bytes() == with_portals);
  m.queue.push_close(true, "p1");
  m.answer("3");
  CHECK(m.queue.kept_bytes() < with_portals);
  CHECK(m.queue.kept_bytes() > 10'000);
  m.sync();
  m.answer("Z");
  CHECK(m.queue.kept_bytes() == 0);
  // Types count from the moment when the server tells them.
  m.parse("s", "select $1");
  m.answer("1");
  const uint64_t before = m.queue.kept_bytes();
  m.queue.push_describe(false, "s");
  m.queue.parameter_description(std::string(4'000, '\1'), 4'007);
  m.answer("n");
  CHECK(m.queue.kept_bytes() == before + 4'000);
  m.parse("s", "select 1");
  m.answer("1");
  CHECK(m.queue.kept_bytes() < before);
  m.queue.push_close(false, "s");
  m.answer("3");
  CHECK(m.queue.kept_bytes() == 0);
}

TEST_CASE("whatever becomes of names, what they keep is nothing when they are gone") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    QueueModel m;
    uint64_t texts = 0;  // Never more than was sent.
    for (int step = 0; step < 300; ++step) {
      const std::string name = random() % 4 == 0 ? "" : "n" + std::to_string(random() % 6);
      const std::string other = random() % 4 == 0 ? "" : "n" + std::to_string(random() % 6);
      const bool fails = random() % 8 == 0;
      switch (random() % 7) {
        case 0: {
          Ref<Prepared> prepared = m.pools.prepared.make();
          prepared->name = name;
          prepared->statement.text = std::string(random() % 2'000, 'x');
          texts += prepared->statement.text.size();
          if (random() % 3 == 0) {
            prepared->change.kind = random() % 2 == 0 ? NameChange::Kind::prepare : NameChange::Kind::declare;
            prepared->change.prepared = m.pools.prepared.make();
            prepared->change.prepared->name = other;
            prepared->change.prepared->statement.text = "select 1";
          }
          m.queue.push_parse(std::move(prepared));
          m.answer(fails ? "E" : "1");
          break;
        }
        case 1:
        case 2:
          m.bind(name, other);
          m.answer(fails ? "E" : "2");
          break;
        case 3:
          m.queue.push_close(random() % 2 == 0, name);
          m.answer(fails ? "E" : "3");
          break;
        case 4:
          m.queue.push_describe(false, name);
          if (!fails) m.queue.parameter_description(std::string(4 * (random() % 100), '\1'), 9);
          m.answer(fails ? "E" : "n");
          break;
        case 5:
          m.execute(name);
          m.answer(fails ? "E" : "C");
          break;
        default:
          m.sync();
          m.answer(random() % 3 == 0 ? "Z" : "z");
          break;
      }
      if (random() % 16 == 0) {
        m.sync();
        m.answer("z");
      }
      REQUIRE(m.queue.kept_bytes() <= 2 * texts + 1'000'000);
    }
    m.sync();
    m.answer("Z");
    m.query();
    m.queue.change_names(0, {NameChange::Kind::discard_all, {}});
    m.answer("CZ");
    REQUIRE(m.queue.kept_bytes() == 0);
  }
}
