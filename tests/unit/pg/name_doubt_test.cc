#include <doctest/doctest.h>

#include "ringfence/pg/response_queue.h"

using namespace ringfence;
using namespace ringfence::pg;

namespace {

// Keeps what the last statements were said to be.
struct DoubtModel : StatementObserver {
  ObjectPools pools{HashKey{1, 2}};
  ResponseQueue queue{pools, *this};
  std::vector<bool> presumed;
  StatementNumber next = 1;

  void done(const Completion& completion) override { presumed.push_back(completion.is_presumed); }
  void error_outside(const ErrorFields&, const StatementText*) override {}

  Ref<Prepared> parse(std::string_view name) {
    Ref<Prepared> prepared = pools.prepared.make();
    prepared->name = name;
    prepared->statement.text = "SELECT 1";
    queue.push_parse(prepared);
    return prepared;
  }
  void run(std::string_view statement, Unseen unseen = Unseen::none) {
    Ref<Portal> portal = pools.portals.make();
    portal->statement_name = statement;
    portal->statement = queue.foreseen_statement(statement);
    queue.push_bind(portal);
    queue.push_execute(next++, queue.foreseen_portal(""), 9, 1, unseen);
    queue.push_sync();
  }
  void query(Unseen unseen) {
    queue.push_query(next++, 1, 9, 1);
    queue.mark_unseen(unseen);
  }
  void answer_run() {
    queue.bind_complete(5);
    queue.command_complete("SELECT 1", 9, 2);
    queue.ready(TransactionStatus::idle);
  }
};

}  // namespace

TEST_CASE("what was made before something out of sight is doubtful, what is made behind it is not") {
  NameDoubt doubt;
  CHECK(doubt.since(1) == Unseen::none);
  doubt.note(Unseen::trigger, 5);
  CHECK(doubt.since(5) == Unseen::trigger);
  CHECK(doubt.since(6) == Unseen::none);
  doubt.note(Unseen::code, 3);
  CHECK(doubt.since(2) == Unseen::code);
  CHECK(doubt.since(4) == Unseen::none);
  doubt.note(Unseen::relation, 9);
  CHECK(doubt.since(7) == Unseen::relation);
  CHECK(doubt.any(Unseen::code));
}

TEST_CASE("a use is presumed by what the server has run, whether its answers came before it or not") {
  for (bool is_one_flight : {false, true}) {
    DoubtModel m;
    m.parse("a");
    m.queue.push_sync();
    if (!is_one_flight) {
      m.queue.parse_complete(5);
      m.queue.ready(TransactionStatus::idle);
    }
    m.query(Unseen::code);
    m.run("a");
    if (is_one_flight) {
      m.queue.parse_complete(5);
      m.queue.ready(TransactionStatus::idle);
    }
    m.queue.command_complete("DO", 9, 2);
    m.queue.ready(TransactionStatus::idle);
    m.answer_run();
    CHECK(m.presumed == std::vector<bool>{false, true});
    m.queue.push_close(false, "a");
    m.parse("a");
    m.run("a");
    m.queue.close_complete(5);
    m.queue.parse_complete(5);
    m.answer_run();
    CHECK_FALSE(m.presumed.back());
  }
}

TEST_CASE("what the server has skipped made nothing doubtful") {
  DoubtModel m;
  m.parse("a");
  m.queue.push_sync();
  m.parse("b");
  m.run("b", Unseen::code);
  m.run("a");
  CHECK(m.queue.doubt_of(*m.queue.foreseen_statement("a")) == Unseen::code);  // As far as was known.
  m.queue.parse_complete(5);
  m.queue.ready(TransactionStatus::idle);
  m.queue.error({.sqlstate = "42601"}, 9, 2);
  m.queue.ready(TransactionStatus::idle);
  m.answer_run();
  CHECK_FALSE(m.presumed.back());
}

TEST_CASE("the end of a transaction runs what was deferred, and nothing else") {
  DoubtModel m;
  m.query(Unseen::trigger);
  m.queue.command_complete("INSERT 0 1", 9, 2);
  m.queue.ready(TransactionStatus::in_transaction);
  const auto a = m.parse("a");
  m.queue.push_sync();
  CHECK(m.queue.doubt_of(*a) == Unseen::none);  // The transaction stays open.
  m.query(Unseen::ends);
  CHECK(m.queue.doubt_of(*a) == Unseen::trigger);
  m.queue.parse_complete(5);
  m.queue.ready(TransactionStatus::in_transaction);
  m.queue.command_complete("COMMIT", 9, 2);
  m.queue.ready(TransactionStatus::idle);
  const auto b = m.parse("b");
  m.query(Unseen::ends);
  CHECK(m.queue.doubt_of(*b) == Unseen::none);
}

TEST_CASE("a renewal makes a name certain; one that fails leaves it to the next") {
  for (bool fails : {false, true}) {
    DoubtModel m;
    const auto a = m.parse("a");
    m.queue.push_sync();
    m.query(Unseen::code);
    CHECK(m.queue.doubt_of(*a) == Unseen::code);
    m.queue.push_renewal(a, true);
    CHECK(m.queue.doubt_of(*a) == Unseen::none);
    m.queue.parse_complete(5);
    m.queue.ready(TransactionStatus::idle);
    CHECK_FALSE(m.queue.answers_renewal(false));
    m.queue.command_complete("DO", 9, 2);
    m.queue.ready(TransactionStatus::in_transaction);
    CHECK(m.queue.answers_renewal(false));
    m.queue.close_complete(0);
    if (fails) {
      CHECK(m.queue.hides_error());
      m.queue.error({.sqlstate = "25P02"}, 0, 2);
    } else {
      m.queue.parse_complete(0);
    }
    CHECK(m.queue.answers_renewal(true));
    m.queue.ready(TransactionStatus::in_transaction);
    CHECK(m.queue.is_empty());
    REQUIRE(m.queue.foreseen_statement("a") == a);
    CHECK(m.queue.doubt_of(*a) == (fails ? Unseen::code : Unseen::none));
    CHECK(m.queue.misfits() == 0);
  }
}

TEST_CASE(
    "names are the server's in whatever encoding they come; what may have changed it leaves them unknown") {
  DoubtModel m;
  m.queue.use_server_encoding(Encoding::named("UTF8"));
  m.queue.use_client_encoding(Encoding::named("UTF8"));
  const auto a = m.parse("\xc3\xa9");
  m.queue.push_sync();
  m.queue.parse_complete(5);
  m.queue.ready(TransactionStatus::idle);
  m.queue.use_client_encoding(Encoding::named("LATIN1"));
  CHECK(m.queue.foreseen_statement("\xe9") == a);
  CHECK_FALSE(m.queue.foreseen_statement("\xc3\xa9"));
  m.query(Unseen::none);
  CHECK_FALSE(m.queue.foreseen_statement("\xe9"));
  CHECK_FALSE(m.queue.foreseen_statement("\xc3\xa9"));
  m.queue.command_complete("SET", 9, 2);
  CHECK_FALSE(m.queue.foreseen_statement("\xe9"));
  m.queue.ready(TransactionStatus::idle);
  CHECK(m.queue.foreseen_statement("\xe9") == a);
  // Dropped by a name that is not known, it may be gone.
  m.query(Unseen::none);
  m.queue.push_close(false, "\xe9");
  CHECK(m.queue.doubt_of(*a) == Unseen::code);
}
