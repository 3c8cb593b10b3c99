// Statements that wait for a word: what goes out meanwhile, how the wait ends, and that it ends once.
#include "hold_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

using Lines = std::vector<std::string>;

TEST_CASE("a held Query waits, and runs when it is released") {
  for (uint64_t seed = 1; seed < 100; ++seed) {
    Holding world(holding(), seed, seed % 9);
    world.say(query("select 1") + query("delete from t"));
    REQUIRE(world.ran == Lines{"select 1"});
    REQUIRE(World::types(world.client.got) == "CZ");  // What was before it is answered.
    REQUIRE(world.held() == 1);
    REQUIRE(world.watcher.all.size() == 1);
    CHECK(world.watcher.all[0].statement == "delete from t");
    CHECK(world.watcher.all[0].rule == "policy careful: hold test:1");
    CHECK(world.watcher.all[0].user == "ada");
    CHECK(world.watcher.all[0].timeout_ms == 10'000);
    CHECK_FALSE(world.watcher.all[0].is_in_transaction);
    CHECK(world.core->list()[0].state == "held");
    CHECK(statements_of(world.space).size() == 1);  // Nothing is recorded as sent that was not.
    world.release();
    REQUIRE(world.ran == Lines{"select 1", "delete from t"});
    CHECK(world.held() == 0);
    CHECK(world.watcher.ends == std::vector<std::pair<uint64_t, HoldEnd>>{{1, HoldEnd::released}});
    world.say(query("select 2"));
    REQUIRE(World::types(world.client.got) == "CZCZCZ");
    CHECK(world.not_run().empty());
  }
}

TEST_CASE("of a held sync group nothing goes out, wherever in it the held statement stands") {
  for (uint64_t seed = 1; seed < 100; ++seed) {
    Holding world(holding(), seed, seed % 9);
    std::string bytes = extended("select 1");
    pg::append_parse(bytes, "", "select 2");
    pg::append_bind(bytes, "", "");
    pg::append_execute(bytes, "");
    bytes += extended("delete from t") + extended("select 3");
    world.say(bytes);
    REQUIRE(world.ran == Lines{"select 1"});
    REQUIRE(world.reached == "PBES");
    REQUIRE(world.held() == 1);
    CHECK_FALSE(world.watcher.all[0].is_in_transaction);
    world.release();
    REQUIRE(world.ran == Lines{"select 1", "select 2", "delete from t", "select 3"});
    REQUIRE(World::types(world.client.got) == "12CZ12C12CZ12CZ");
  }
}

TEST_CASE("what is prepared does not wait; each Bind of it does, and is shown with its parameters") {
  Holding world;
  std::string bytes;
  pg::append_parse(bytes, "d", "delete from t where id = $1");
  pg::append_sync(bytes);
  world.say(bytes);
  CHECK(world.reached == "PS");
  for (uint64_t number = 1; number <= 3; ++number) {
    const std::optional<std::string_view> values[] = {"17"};
    bytes.clear();
    pg::append_bind(bytes, "", "d", values);
    pg::append_execute(bytes, "");
    pg::append_sync(bytes);
    world.say(bytes);
    REQUIRE(world.held() == 1);
    CHECK(world.number() == number);
    CHECK(world.watcher.all.back().statement == "delete from t where id = $1");
    CHECK(world.watcher.all.back().parameters.find("17") != std::string::npos);
    world.release();
    CHECK(world.ran.size() == number);
  }
}

TEST_CASE("SQL's PREPARE does not wait, EXECUTE does, by any way to say it") {
  for (const char* execute : {"execute d", "explain analyze execute d", "create temp table x as execute d"}) {
    CAPTURE(execute);
    Holding world(holding(policy::Level::ddl));
    world.say(query("prepare d as delete from t"));
    REQUIRE(world.ran.size() == 1);
    world.say(query(execute));
    CHECK(world.held() == 1);
    world.refuse();
    world.say(extended(execute));
    CHECK(world.held() == 1);
    world.refuse();
    CHECK(world.ran.size() == 1);
  }
  Holding world;
  world.say(query("prepare d as delete from t"));
  world.say(extended("select 1").substr(0, 0));
  std::string bytes;
  pg::append_bind(bytes, "", "d");  // The names are shared.
  pg::append_execute(bytes, "");
  pg::append_sync(bytes);
  world.say(bytes);
  CHECK(world.held() == 1);
}

TEST_CASE("a name that stands for something held only when it is executed is seen then") {
  Holding world;
  world.say(query("prepare d as select 1"));
  std::string bytes;
  pg::append_parse(bytes, "e", "execute d");
  pg::append_sync(bytes);
  world.say(bytes + query("deallocate d") + query("prepare d as delete from t"));
  bytes.clear();
  pg::append_bind(bytes, "", "e");
  pg::append_execute(bytes, "");
  pg::append_sync(bytes);
  world.say(bytes);
  CHECK(world.held() == 1);
}

TEST_CASE("one statement of many holds them all, and one word is asked for") {
  Holding world;
  world.say(query("select 1; delete from t; delete from u"));
  CHECK(world.reached.empty());
  CHECK(world.watcher.all.size() == 1);
  CHECK(world.watcher.all[0].statement == "select 1; delete from t; delete from u");
  world.refuse("not on a Friday");
  CHECK(world.errors() == Lines{"42501 the statement was not approved: not on a Friday"});
  CHECK(world.not_run() ==
        Lines{"select 1 | not_executed | another statement of the same message did not run",
              "delete from t | denied | the statement was not approved: not on a Friday",
              "delete from u | not_executed | another statement of the same message did not run"});
  CHECK(world.ran.empty());
  world.say(query("select 2"));
  CHECK(world.ran == Lines{"select 2"});
}

TEST_CASE("a refusal, a deadline and a cancel leave the session usable, with the server's own state") {
  struct Way {
    void (*end)(Holding&);
    const char* error;
    const char* outcome;
    HoldEnd how;
  };
  const Way ways[] = {
      {[](Holding& world) { world.refuse(); }, "42501 the statement was not approved: no", "denied",
       HoldEnd::refused},
      {[](Holding& world) {
         world.advance_to(10'000);
         world.serve();
       },
       "57014 canceling statement: nobody approved it within 10000 ms", "not_executed", HoldEnd::expired},
      {[](Holding& world) { world.cancel(); }, "57014 canceling statement due to user request",
       "not_executed", HoldEnd::cancelled},
  };
  for (const Way& way : ways) {
    for (bool is_extended : {false, true}) {
      CAPTURE(way.error);
      CAPTURE(is_extended);
      Holding world;
      world.say(is_extended ? extended("delete from t") : query("delete from t"));
      REQUIRE(world.held() == 1);
      way.end(world);
      CHECK(world.held() == 0);
      CHECK(world.errors() == Lines{way.error});
      CHECK(world.not_run() ==
            Lines{std::string("delete from t | ") + way.outcome + " | " + (way.error + 6)});
      CHECK(world.watcher.ends.size() == 1);
      CHECK(world.watcher.ends[0].second == way.how);
      CHECK(world.core->counters.holds[static_cast<size_t>(way.how)].get() == 1);
      CHECK(world.core->counters.cancels_forwarded.get() == 0);
      world.say(query("select 1") + extended("select 2"));
      CHECK(world.ran == Lines{"select 1", "select 2"});
      CHECK(World::types(world.client.got).ends_with("ZCZ12CZ"));
      CHECK(statements_of(world.space).size() == 2);
    }
  }
}

TEST_CASE("a client that leaves while its statement waits is noticed, whatever it sent before") {
  for (bool is_orderly : {true, false}) {
    for (size_t sent_ahead : {0, 5, 2'000}) {
      CAPTURE(sent_ahead);
      Holding world;
      world.say(query("delete from t"));
      REQUIRE(world.held() == 1);
      if (sent_ahead == 5) {
        std::string terminate;
        pg::append_terminate(terminate);
        world.send(world.client, terminate);
      } else if (sent_ahead > 0) {
        world.send(world.client, query("select '" + std::string(sent_ahead, 'x') + "'"));
      }
      CHECK(world.held() == 1);
      if (is_orderly) world.client.stream->shutdown_write();
      else world.client.stream->shutdown();
      world.settle();
      CHECK(world.held() == 0);
      CHECK(world.reached.empty());
      CHECK(world.not_run() ==
            Lines{"delete from t | not_executed | the client left while the statement waited"});
      CHECK(world.watcher.ends == std::vector<std::pair<uint64_t, HoldEnd>>{{1, HoldEnd::disconnected}});
      world.server.stream->shutdown();
      world.settle();
      CHECK(world.core->is_drained());
    }
  }
}

TEST_CASE("what the client sends while it waits is kept up to a bound, and goes on in order") {
  for (uint64_t seed : {1, 2, 7, 130, 699}) {
    Holding world(holding(), seed, seed % 700);
    world.say(query("delete from t"));
    Lines expected = {"delete from t"};
    for (int i = 0; i < 60; ++i) {
      const std::string text = "select " + std::to_string(i) + " -- " + std::string(3'000, 'x');
      expected.push_back(text);
      world.send(world.client, query(text));
    }
    CHECK(world.reached.empty());
    world.release();
    for (int i = 0; i < 200 && world.ran.size() < expected.size(); ++i) {
      world.settle();
      world.serve();
    }
    REQUIRE(world.ran == expected);
  }
}

TEST_CASE("a transaction that is open at the server bounds the wait, and whoever decides is told") {
  Holding world(holding(policy::Level::write, 3'600'000));
  world.shard.turn_at(1'000'000);
  world.say(query("begin"));
  world.say(query("delete from t"));
  REQUIRE(world.held() == 1);
  CHECK(world.watcher.all[0].is_in_transaction);
  CHECK(world.watcher.all[0].transaction_since_us > 0);
  CHECK(world.watcher.all[0].timeout_ms == held_in_transaction_ms_max);
  world.advance_to(held_in_transaction_ms_max + 1);
  world.serve();
  CHECK(world.held() == 0);
  CHECK(world.ran == Lines{"begin"});
}

TEST_CASE("a transaction that a statement before the held one opens while it waits bounds the wait too") {
  Holding world(holding(policy::Level::write, 3'600'000));
  world.send(world.client, query("begin") + query("delete from t"));
  REQUIRE(world.held() == 1);
  CHECK_FALSE(world.core->held()[0].is_in_transaction);
  world.serve();
  CHECK(world.core->held()[0].is_in_transaction);
  world.advance_to(held_in_transaction_ms_max + 1);
  CHECK(world.held() == 0);
}

TEST_CASE("a group whose beginning had to go out is told as an open transaction") {
  Holding world;
  std::string bytes;
  pg::append_parse(bytes, "", "select 1");
  pg::append_flush(bytes);
  world.say(bytes);
  CHECK(world.reached == "PH");
  bytes.clear();
  pg::append_parse(bytes, "d", "delete from t");
  pg::append_bind(bytes, "", "d");
  world.say(bytes);
  CHECK(world.reached == "PH");
  REQUIRE(world.held() == 1);
  CHECK(world.watcher.all[0].is_in_transaction);
}

TEST_CASE("a long group goes out in the end, and COPY does not wait for its Sync") {
  Holding world;
  std::string bytes;
  for (int i = 0; i < 3'000; ++i) pg::append_parse(bytes, "s" + std::to_string(i), "select 1");
  world.say(bytes);
  CHECK(world.reached.size() > 1'000);
  // One that is more than may be in flight, all at once, is not waited for either.
  Holding larger;
  bytes.clear();
  for (int i = 0; i < 12'000; ++i) pg::append_parse(bytes, "", "select 1");
  pg::append_sync(bytes);
  larger.say(bytes);
  CHECK(larger.reached.size() == 12'001);
  Holding copying;
  bytes.clear();
  pg::append_parse(bytes, "", "copy t from stdin");
  pg::append_bind(bytes, "", "");
  pg::append_execute(bytes, "");
  copying.say(bytes);
  CHECK(copying.reached == "PBE");
  // Also if what executes it comes in two pieces, and another portal is there.
  for (size_t cut = 1; cut < 10; ++cut) {
    Holding pieces;
    bytes.clear();
    pg::append_parse(bytes, "", "select 1");
    pg::append_bind(bytes, "", "");
    pg::append_parse(bytes, "c", "copy t from stdin");
    pg::append_bind(bytes, "p", "c");
    pg::append_execute(bytes, "p");
    pieces.say(bytes.substr(0, bytes.size() - cut));
    pieces.say(bytes.substr(bytes.size() - cut));
    CHECK(pieces.reached == "PBPBE");
  }
}

TEST_CASE(
    "draining, an operator, a reload that takes the access away and the server's end all end a parked "
    "session") {
  struct Way {
    void (*end)(Holding&);
    const char* error;
  };
  const Way ways[] = {
      {[](Holding& world) { world.core->drain(); },
       "57P01 terminating connection: the appliance is shutting down"},
      {[](Holding& world) { world.core->end_all({EndCause::administrator, "by an operator", ""}); },
       "57P01 by an operator"},
      {[](Holding& world) {
         world.reload(
             [](Snapshot& snapshot) { snapshot.policies = policies_for("nobody", policy::Level::admin); });
       },
       "57P01 terminating connection: your access to database \"shop\" has ended"},
      {[](Holding& world) { world.server.stream->shutdown(); },
       "08006 the server of database \"shop\" closed the connection"},
  };
  for (const Way& way : ways) {
    for (const char* before : {"", "begin"}) {
      CAPTURE(way.error);
      CAPTURE(before);
      Holding world;
      if (*before != '\0') world.say(query(before));
      const size_t ran = world.ran.size();
      world.say(extended("delete from t"));
      REQUIRE(world.held() == 1);
      way.end(world);
      world.settle();
      CHECK(world.held() == 0);
      CHECK(world.ran.size() == ran);
      REQUIRE(world.errors() == Lines{way.error});
      REQUIRE(world.not_run().size() == 1);
      CHECK(world.not_run()[0].starts_with(
          "delete from t | not_executed | the session ended while the statement waited"));
      CHECK(world.watcher.ends == std::vector<std::pair<uint64_t, HoldEnd>>{{1, HoldEnd::session_ended}});
      world.client.stream->shutdown();
      world.server.stream->shutdown();
      world.settle();
      CHECK(world.core->is_drained());
    }
  }
}

TEST_CASE("what was sent before a held statement is finished before a drain ends the session") {
  Holding world;
  world.send(world.client, query("select 1") + query("delete from t"));
  REQUIRE(world.held() == 1);
  world.core->drain();
  world.settle();
  CHECK(world.held() == 1);
  world.serve();
  CHECK(world.ran == Lines{"select 1"});
  CHECK(World::types(world.client.got) == "CZE");
  CHECK(world.held() == 0);
}

TEST_CASE("a release does not override a policy that came meanwhile") {
  Holding world;
  world.say(query("delete from t"));
  world.reload(grown_stricter);
  CHECK(world.held() == 1);
  world.release();
  REQUIRE(world.errors().size() == 1);
  CHECK(world.errors()[0] == "42501 policy test denies this statement");
  CHECK(world.ran.empty());
}

TEST_CASE("what was prepared or bound before a rule holds it is held by the rule") {
  Holding world([](Snapshot& snapshot) { snapshot.policies = policies_for("*", policy::Level::write); });
  std::string bytes;
  pg::append_parse(bytes, "d", "delete from t");
  pg::append_bind(bytes, "p", "d");
  pg::append_flush(bytes);
  world.say(bytes);
  world.reload(holding());
  bytes.clear();
  pg::append_execute(bytes, "p");
  pg::append_sync(bytes);
  world.say(bytes);
  CHECK(world.held() == 1);
  world.refuse();
  CHECK(world.ran.empty());
  bytes.clear();
  pg::append_bind(bytes, "", "d");
  pg::append_execute(bytes, "");
  pg::append_sync(bytes);
  world.say(bytes);
  CHECK(world.held() == 1);
  world.release();
  CHECK(world.ran == Lines{"delete from t"});
}

TEST_CASE(
    "a Bind that is too long to be held is refused, one of a statement that is not held passes in pieces") {
  Holding world(holding(), 1, 50'000);
  const std::string value(gated_bytes_max + 10, 'x');
  const std::optional<std::string_view> values[] = {value};
  std::string bytes;
  pg::append_parse(bytes, "", "insert into t values ($1)");
  pg::append_bind(bytes, "", "", values);
  pg::append_execute(bytes, "");
  pg::append_sync(bytes);
  world.say(bytes);
  CHECK(world.ran == Lines{"insert into t values ($1)"});
  bytes.clear();
  pg::append_parse(bytes, "", "delete from t where a = $1");
  pg::append_bind(bytes, "", "", values);
  pg::append_execute(bytes, "");
  pg::append_sync(bytes);
  world.say(bytes);
  CHECK(world.held() == 0);
  CHECK(world.ran.size() == 1);
  CHECK(world.errors().size() == 1);
  CHECK(world.errors()[0].starts_with("54000"));
}

// [a Parse that fails, Close d, Parse d "select 1", Sync][Bind d, Execute, Sync]: the server keeps the d that
// it had.
std::string group_that_fails_then_bind(std::string_view name) {
  std::string bytes;
  pg::append_parse(bytes, "x", "select broken");
  pg::append_close(bytes, 'S', name);
  pg::append_parse(bytes, name, "select 1");
  pg::append_sync(bytes);
  pg::append_bind(bytes, "", name);
  pg::append_execute(bytes, "");
  pg::append_sync(bytes);
  return bytes;
}

TEST_CASE("a name means what the server knows by it, not what a group that failed would have made of it") {
  std::string prepare;
  pg::append_parse(prepare, "d", "delete from t");
  pg::append_sync(prepare);
  for (uint64_t seed = 1; seed < 30; ++seed) {
    Holding held(holding(), seed, seed % 9);
    held.say(prepare);
    held.say(group_that_fails_then_bind("d"));
    CHECK(held.ran.empty());
    CHECK(held.held() == 1);
    // The same where the policies have become stricter since it was prepared.
    Holding world([](Snapshot& snapshot) { snapshot.policies = policies_for("*", policy::Level::write); },
                  seed, seed % 9);
    world.say(prepare);
    world.reload(grown_stricter);
    world.say(group_that_fails_then_bind("d"));
    CHECK(world.ran.empty());
    REQUIRE(world.errors().size() == 2);
    CHECK(world.errors()[1] == "42501 policy test denies this statement");
    world.say(query("select 2"));
    CHECK(world.ran == Lines{"select 2"});
  }
}

TEST_CASE("what a Query makes of a name is not executed behind it unheld") {
  for (const char* text :
       {"prepare d as delete from t; execute d", "deallocate d; prepare d as delete from t; execute d"}) {
    CAPTURE(text);
    Holding world;
    world.say(query("prepare d as select 1"));
    world.say(query(text));
    CHECK(world.ran.size() == 1);
    REQUIRE(world.errors().size() == 1);
    CHECK(world.errors()[0].starts_with("42501"));
  }
  // In a message behind it the name is known.
  std::string bytes = query("prepare d as delete from t");
  pg::append_bind(bytes, "", "d");
  pg::append_execute(bytes, "");
  pg::append_sync(bytes);
  Holding world;
  world.say(bytes);
  CHECK(world.ran.size() == 1);
  CHECK(world.held() == 1);
}

TEST_CASE("however a wait ends, what stands behind it is decided by the policies in force then") {
  for (int way = 0; way < 3; ++way) {
    CAPTURE(way);
    Holding world;
    world.say(query("delete from t") + query("insert into u values (1)"));
    REQUIRE(world.held() == 1);
    world.reload(grown_stricter);
    if (way == 0) world.refuse();
    else if (way == 1) world.cancel();
    else world.shard.turn_at(20'000'000'000);
    world.settle();
    world.serve();
    CHECK(world.ran.empty());
    REQUIRE(world.errors().size() == 2);
    CHECK(world.errors()[1] == "42501 policy test denies this statement");
  }
}

TEST_CASE("without access nothing goes out behind a wait, and what was held has its record") {
  Holding world;
  world.send(world.client, query("select 1") + query("delete from t") + query("insert into u values (1)"));
  REQUIRE(world.held() == 1);
  world.core->use([&] {
    auto made = std::make_shared<Snapshot>(*world.core->snapshot);
    ++made->generation;
    made->policies = policies_for("another", policy::Level::read);
    return made;
  }());
  world.settle();
  world.core->answer_hold_here(world.number(), {.is_released = true});
  world.settle();
  world.serve();
  CHECK(world.ran == Lines{"select 1"});
  REQUIRE_FALSE(world.errors().empty());
  CHECK(world.errors().back().starts_with("57P01"));
  REQUIRE(world.not_run().size() == 1);
  CHECK(world.not_run()[0].starts_with("delete from t | not_executed"));
}

TEST_CASE(
    "of words that come at the same moment exactly one counts, and only a release lets the statement run") {
  for (uint64_t seed = 1; seed < 600; ++seed) {
    CAPTURE(seed);
    Holding world(holding(), seed, seed % 5);
    const bool is_extended = seed % 2 == 0;
    const bool has_transaction = seed % 3 == 0;
    if (has_transaction) world.say(query("begin"));
    world.say(is_extended ? extended("delete from t") : query("delete from t"));
    REQUIRE(world.held() == 1);
    std::mt19937_64 random(seed);
    std::vector<int> words = {0, 1, 2, 3, 4, 5, 6, 7};
    std::shuffle(words.begin(), words.end(), random);
    words.resize(1 + random() % words.size());
    int taken = 0;
    for (int word : words) {
      const uint64_t number = world.watcher.all[0].id.number;
      switch (word) {
        case 0: taken += world.core->answer_hold_here(number, {.is_released = true}) ? 1 : 0; break;
        case 1:
          taken += world.core->answer_hold_here(number, {.is_released = false, .reason = "no"}) ? 1 : 0;
          break;
        case 2:
          if (world.session() != nullptr && world.session()->is_logged_in())
            ring::spawn(world.session()->cancel_by_client());
          break;
        case 3: world.client.stream->shutdown(); break;
        case 4: world.core->drain(); break;
        case 5: world.core->end_all({EndCause::administrator, "ended", ""}); break;
        case 6: world.shard.turn_at(10'001'000'000); break;
        default: world.server.stream->shutdown(); break;
      }
      for (uint64_t i = random() % 4; i > 0; --i) world.network.step();
      if (random() % 3 == 0) world.settle();
    }
    world.settle();
    world.serve();
    REQUIRE(world.watcher.all.size() == 1);
    REQUIRE(world.watcher.ends.size() == 1);
    const HoldEnd end = world.watcher.ends[0].second;
    REQUIRE(world.held() == 0);
    REQUIRE(taken == (end == HoldEnd::released || end == HoldEnd::refused ? 1 : 0));
    if (world.has_run("delete from t")) REQUIRE(end == HoldEnd::released);
    const bool can_run = words.size() == 1 && words[0] == 0;
    if (can_run) REQUIRE(world.has_run("delete from t"));
    // One record, whatever came: of what was sent its start, of what was not its refusal.
    size_t starts = 0;
    for (const auto& [seq, statement] : statements_of(world.space))
      starts += statement.statement == "delete from t" ? 1 : 0;
    REQUIRE(starts + world.not_run().size() == 1);
    if (end != HoldEnd::released) REQUIRE(world.not_run().size() == 1);
  }
}

TEST_CASE("a word for a hold that is over, or never was, finds nothing") {
  Holding world;
  CHECK_FALSE(world.core->answer_hold_here(1, {.is_released = true}));
  world.say(query("delete from t"));
  CHECK(world.core->held().size() == 1);
  CHECK(world.core->answer_hold_here(1, {.is_released = true}));
  CHECK_FALSE(world.core->answer_hold_here(1, {.is_released = true}));
  CHECK(world.core->held().empty());
}

TEST_CASE(
    "without room in the trail a released statement does not go out, and the record of one that is dropped "
    "is kept") {
  Holding world;
  world.say(query("delete from t"));
  world.space.is_full = true;
  world.release();
  CHECK(world.ran.empty());
  world.space.is_full = false;
  world.core->trail_has_room();
  world.settle();
  world.serve();
  CHECK(world.ran == Lines{"delete from t"});
  world.say(query("delete from u"));
  world.space.is_full = true;
  world.client.stream->shutdown();
  world.settle();
  CHECK(world.held() == 0);
  world.space.is_full = false;
  world.core->trail_has_room();
  CHECK(world.not_run() ==
        Lines{"delete from u | not_executed | the client left while the statement waited"});
}

TEST_CASE("a statement that another thread analyses can be cancelled, and its client may leave, meanwhile") {
  std::string text = "select 1";
  for (int i = 0; i < 5'000; ++i) text += "+1";
  for (int way = 0; way < 4; ++way) {
    CAPTURE(way);
    Holding world([](Snapshot& snapshot) { snapshot.policies = policies_for("*", policy::Level::read); }, 1,
                  0, 1);
    // The thread is busy with something else.
    std::atomic<bool> may_go{false};
    REQUIRE(world.workers.post([&] {
      while (!may_go) std::this_thread::yield();
    }));
    world.say(query("select 0") + query(text));
    REQUIRE(world.core->counters.statements_analysed_aside.get() == 1);
    CHECK(world.ran == Lines{"select 0"});
    CHECK(World::types(world.client.got) == "CZ");
    if (way == 0) {
      may_go = true;
      world.turn_until([&] {
        world.serve();
        return world.ran.size() == 2;
      });
    } else if (way == 1) {
      world.cancel();
      CHECK(world.errors() == Lines{"57014 canceling statement due to user request"});
      world.say(query("select 3"));
      CHECK(world.ran == Lines{"select 0", "select 3"});
    } else if (way == 2) {
      world.client.stream->shutdown();
      world.settle();
      REQUIRE(world.not_run().size() == 1);
      CHECK(world.not_run()[0].ends_with("| not_executed | the client left while the statement waited"));
      world.server.stream->shutdown();
      world.settle();
      CHECK(world.core->is_drained());
    } else {
      world.advance_to(analysis_ms_max + 1);
      world.serve();
      CHECK(world.errors() == Lines{"57014 canceling statement: it could not be analysed in time"});
    }
    may_go = true;
    // What comes back for a session that does not wait any more finds nothing.
    std::atomic<bool> is_last{false};
    world.turn_until([&] { return world.workers.post([&] { is_last = true; }); });
    world.turn_until([&] { return is_last.load(); });
    CHECK(world.watcher.all.empty());
  }
}

TEST_CASE("of a group that is kept back when the client leaves nothing is said to have been sent") {
  Holding world;
  std::string bytes;
  pg::append_parse(bytes, "", "select 1");
  pg::append_bind(bytes, "", "");
  pg::append_execute(bytes, "");
  world.say(bytes);
  CHECK(world.reached.empty());
  world.client.stream->shutdown();
  world.settle();
  world.server.stream->shutdown();
  world.settle();
  REQUIRE(statements_of(world.space).size() == 1);
  CHECK(statements_of(world.space).begin()->second.outcome == "not_executed");
}
