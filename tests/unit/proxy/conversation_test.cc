// Drives a Conversation with both streams of a simulated session, cut and interleaved by a seed, and compares
// the trail with what the simulated server ran.
#include "proxy/pg/conversation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <set>

#include "server_model.h"
#include "vector_space.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

struct Sent {
  std::string bytes;
  bool is_statement;  // Its last byte may only pass after a start record.
};

// The messages of a client that knows the protocol but not what will fail.
class Client {
 public:
  explicit Client(uint64_t seed, bool may_bind_alone = false)
      : random_(seed), may_end_(seed % 4 == 0), may_bind_alone_(may_bind_alone) {}

  std::vector<Sent> messages(int groups) {
    for (int i = 0; i < groups; ++i) {
      // What it sends behind its own goodbye nobody runs.
      if (may_end_ && pick(30) == 0) terminate();
      group();
    }
    sync();
    return std::move(sent_);
  }
  // Every statement that was sent, by its unique text.
  std::vector<std::string> texts;

 private:
  size_t pick(size_t n) { return random_() % n; }
  std::string mark() { return " x" + std::to_string(++marks_); }
  void terminate() {
    std::string out;
    pg::append_terminate(out);
    add(out);
  }
  std::string naming() {
    std::string name(1, static_cast<char>('a' + pick(3)));
    switch (pick(5)) {
      case 0: return "deallocate all";
      case 1: return "deallocate " + name;
      default: return "prepare " + name + " as rows 3" + mark();
    }
  }
  std::string statement() {
    if (may_end_ && pick(40) == 0) return "die" + mark();
    switch (pick(12)) {
      case 0: return "fail" + mark();
      case 1: return "begin";
      case 2: return "commit";
      case 3: return "copyout " + std::to_string(pick(5)) + mark();
      case 4: return "copyin " + std::to_string(pick(4)) + mark();
      default: return "rows " + std::to_string(pick(6)) + mark();
    }
  }
  std::string name() { return pick(2) == 0 ? "" : std::string(1, static_cast<char>('a' + pick(3))); }
  void add(std::string bytes, bool is_statement = false) {
    sent_.push_back({std::move(bytes), is_statement});
  }
  void sync() {
    std::string out;
    pg::append_sync(out);
    add(out);
  }
  void copy_data() {
    std::string out = "d";
    Writer(out).u32(4 + 3).bytes("abc");
    add(out);
  }
  void copy_end() {
    std::string out;
    if (pick(3) == 0) {
      pg::append_copy_fail(out, "no");
    } else {
      out = "c";
      Writer(out).u32(4);
    }
    add(out);
  }
  void group() {
    std::string out;
    size_t kind = pick(10);
    if (kind == 0) {
      pg::append_function_call(out, pick(3) == 0 ? 0 : static_cast<uint32_t>(1000 + ++marks_));
      add(out, true);
      return;
    }
    if (kind <= 3) {
      bool copies = false;
      std::string text;
      for (size_t i = pick(4); i-- > 0 && !copies;) {
        std::string next = statement();
        if (next == "begin" || next == "commit") next = "rows 1" + mark();
        copies = next.starts_with("copyin");
        text += next + ";";
      }
      if (pick(6) == 0 && !copies) text = pick(2) == 0 ? "begin" : "commit";
      if (pick(6) == 0 && !copies) text = naming();
      pg::append_query(out, text);
      add(out, true);
      if (copies) copy(false);
      return;
    }
    for (size_t i = 1 + pick(4); i-- > 0;) {
      bool copies = extended();
      if (copies) {
        copy(true);
        return;
      }
    }
    sync();
  }
  // Data and end of a COPY, that perhaps never runs; Syncs inside of it may be swallowed.
  void copy(bool is_extended) {
    if (pick(3) == 0) sync();
    for (size_t i = pick(5); i-- > 0;) copy_data();
    if (pick(8) == 0) sync();
    copy_end();
    if (is_extended) sync();
  }
  bool extended() {
    std::string statement_name = name();
    std::string portal_name = pick(3) == 0 ? name() : "";
    std::string text = statement();
    if (text == "begin" || text == "commit") text = "rows 2" + mark();
    if (pick(6) == 0) text = naming();
    if (pick(10) == 0) text = "syntax" + mark();
    if (pick(10) == 0) text = "unbindable" + mark();
    bool copies = text.starts_with("copyin");
    std::string out;
    if (pick(5) == 0 && !copies) pg::append_close(out, pick(2) ? 'S' : 'P', name());
    if (!out.empty()) add(std::exchange(out, {}));
    if (pick(4) != 0 || copies) {
      if (copies && !statement_name.empty()) {
        pg::append_close(out, 'S', statement_name);
        add(std::exchange(out, {}));
      }
      if (!copies && holds_copy_.contains(statement_name)) statement_name = "";
      if (copies) holds_copy_.insert(statement_name);
      if (copies) statement_name = "copy" + std::to_string(++marks_);
      pg::append_parse(out, statement_name, text);
      add(std::exchange(out, {}));
    }
    if (pick(4) == 0) {
      pg::append_describe(out, 'S', statement_name);
      add(std::exchange(out, {}));
    }
    if (copies) portal_name = "";
    pg::append_bind(out, portal_name, statement_name);
    add(std::exchange(out, {}));
    size_t executes = 1 + (pick(4) == 0 && !copies);
    if (may_bind_alone_ && !copies && pick(4) == 0) executes = 0;
    for (size_t i = executes; i-- > 0;) {
      pg::append_execute(out, portal_name, pick(3) == 0 ? 2 : 0);
      add(std::exchange(out, {}), true);
    }
    if (pick(6) == 0) {
      pg::append_flush(out);
      add(std::exchange(out, {}));
    }
    return copies;
  }

  std::mt19937_64 random_;
  std::vector<Sent> sent_;
  std::set<std::string> holds_copy_;
  bool may_end_;  // Says goodbye, or runs what ends the server.
  bool may_bind_alone_;
  int marks_ = 0;
};

struct Trial {
  explicit Trial(uint64_t seed) : random(seed ^ 0x5eed) {
    space.random.seed(seed);
    conversation.use_witness(AttributionWitness::end);
  }

  VectorSpace space;
  ShardCounters counters;
  TrailDoor door{space, counters, IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  Limits limits;
  Recorder recorder{door};
  Conversation conversation{recorder, pools, counters, limits};
  std::mt19937_64 random;
  ServerModel server;
  bool is_over = false;
  bool is_traced = false;
  bool ends_server = false;  // By its operator, at some time.
  uint64_t waits = 0;
  uint64_t time = 1;

  Now now() {
    time += 1000;
    return {time, time / 1000};
  }

  // Passes the bytes in one direction, as far as the conversation lets them.
  void pass(std::string_view bytes, bool from_client) {
    size_t at = 0;
    std::string chunk(bytes);
    for (int tries = 0; !is_over; ++tries) {
      Advance advance = from_client ? conversation.client().advance(chunk, at, now())
                                    : conversation.server().advance(chunk, at, now());
      if (advance == Advance::all) return;
      if (advance == Advance::broken) is_over = true;
      REQUIRE(advance != Advance::wait_queue);
      REQUIRE(tries < 1000);
      ++waits;
      door.flush_deferred();
    }
  }
  size_t starts() const {
    return static_cast<size_t>(
        std::count_if(space.records.begin(), space.records.end(),
                      [](const auto& record) { return record.kind == audit::RecordKind::start; }));
  }

  static void trace(std::string_view asked, std::string_view answer) {
    std::string line(1, asked[0]);
    for (char c : asked.substr(5)) line += c >= ' ' ? c : '.';
    line += " -> ";
    for (size_t at = 0; at < answer.size(); at += 1 + detail::load_be<uint32_t>(answer.data() + at + 1))
      line += answer[at];
    MESSAGE(line);
  }
  void run(const std::vector<Sent>& messages) {
    std::string stream;
    for (const Sent& sent : messages) stream += sent.bytes;
    std::string answers;  // On their way to the proxy.
    size_t passed = 0;
    std::string held;  // At the server, less than a message.
    while (!is_over && (passed < stream.size() || !answers.empty())) {
      bool client_turn = passed < stream.size() && (answers.empty() || random() % 2 == 0);
      if (client_turn) {
        size_t size = std::min<size_t>(stream.size() - passed, 1 + random() % (random() % 4 == 0 ? 400 : 40));
        pass(std::string_view(stream).substr(passed, size), true);
        if (is_over) break;
        held += stream.substr(passed, size);
        passed += size;
        // The operator's word comes between any two messages.
        if (ends_server && random() % 40 == 0) {
          std::string farewell = server.end_by_operator();
          if (is_traced && !farewell.empty()) MESSAGE("the server is ended");
          answers += farewell;
        }
        while (held.size() >= 5) {
          size_t length = 1 + detail::load_be<uint32_t>(held.data() + 1);
          if (held.size() < length) break;
          std::string answer = server.take(held[0], ByteView(held).substr(5, length - 5));
          if (is_traced) trace(held.substr(0, length), answer);
          answers += answer;
          held.erase(0, length);
        }
      } else {
        size_t size = std::min<size_t>(answers.size(), 1 + random() % (random() % 4 == 0 ? 400 : 30));
        pass(std::string_view(answers).substr(0, size), false);
        answers.erase(0, size);
      }
    }
    space.refuse_one_in = 0;
    door.flush_deferred();
    conversation.abandon(now());
  }
};

// Empty when the trail is the truth; else what is wrong. What never ran by the server's account may stand in
// the trail as not executed, unknown or failed, but not as a success.
std::string compare(const Trial& trial) {
  std::vector<Truth> truths = trial.server.ran;
  std::vector<Trailed> rest;
  std::vector<std::string> bound = trial.server.planned;
  std::set<std::string> recorded;
  for (const auto& [number, trailed] : statements_of(trial.space)) {
    std::string what = "#" + std::to_string(number) + " \"" + trailed.statement + "\" " + trailed.outcome;
    if (trailed.outcomes != 1) return what + ": " + std::to_string(trailed.outcomes) + " outcomes";
    recorded.insert(trailed.statement);
    if (trailed.is_bind) {
      if (trailed.outcome != "success") continue;
      auto found = std::find(bound.begin(), bound.end(), trailed.statement);
      if (found == bound.end()) return what + ": was not bound";
      bound.erase(found);
      continue;
    }
    if (trailed.outcome == "not_executed" || trailed.outcome == "failure" || trailed.outcome == "unknown") {
      rest.push_back(trailed);
      continue;
    }
    auto found = std::find_if(truths.begin(), truths.end(), [&](const Truth& truth) {
      return truth.statement == trailed.statement && truth.outcome == trailed.outcome &&
             truth.rows == trailed.rows;
    });
    // A Query's text is kept as sent where it is the only one.
    if (found == truths.end() && trailed.statement.ends_with(';')) {
      std::string bare = trailed.statement.substr(0, trailed.statement.size() - 1);
      found = std::find_if(truths.begin(), truths.end(), [&](const Truth& truth) {
        return truth.statement == bare && truth.outcome == trailed.outcome && truth.rows == trailed.rows;
      });
    }
    if (found == truths.end()) return what + ", rows " + std::to_string(trailed.rows) + ": did not happen";
    truths.erase(found);
  }
  for (const std::string& text : trial.server.planned) {
    if (!recorded.contains(text) && !trial.is_over) return "\"" + text + "\": bound, and not in the trail";
  }
  for (const Truth& truth : truths) {
    auto found = std::find_if(rest.begin(), rest.end(), [&](const Trailed& trailed) {
      bool same = trailed.statement == truth.statement || trailed.statement == truth.statement + ";";
      return same && (trailed.outcome == truth.outcome || (trial.is_over && trailed.outcome == "unknown"));
    });
    if (found == rest.end()) return "\"" + truth.statement + "\" " + truth.outcome + ": not in the trail";
    rest.erase(found);
  }
  return {};
}

uint64_t seed_from_environment() {
  const char* text = std::getenv("RINGFENCE_TEST_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 0;
}

void run_seeds(uint64_t count, unsigned refuse_one_in, bool may_bind_alone = false) {
  uint64_t only = seed_from_environment();
  uint64_t lost = 0;
  uint64_t waits = 0;
  uint64_t dead = 0;
  for (uint64_t seed = only ? only : 1; seed <= (only ? only : count); ++seed) {
    Client client(seed, may_bind_alone);
    Trial trial(seed);
    trial.space.refuse_one_in = refuse_one_in;
    trial.is_traced = only != 0;
    trial.ends_server = seed % 7 == 0;
    trial.run(client.messages(12));
    std::string wrong = compare(trial);
    lost += trial.is_over;
    dead += trial.server.is_dead;
    waits += trial.waits;
    if (!wrong.empty()) FAIL_CHECK("RINGFENCE_TEST_SEED=" << seed << ": " << wrong);
    if (wrong.empty() && !trial.is_over && !trial.server.is_dead && !trial.conversation.queue().is_idle()) {
      FAIL_CHECK("RINGFENCE_TEST_SEED=" << seed << ": not idle at the end");
    }
  }
  if (refuse_one_in > 0 && only == 0) CHECK(waits > 0);
  if (only == 0) CHECK(dead > count / 10);
  MESSAGE(dead << " servers ended before their clients; " << lost
               << " sessions ended because their answers could not tell");
}

}  // namespace

TEST_CASE("the trail is what the server ran, however messages are mixed, cut and pipelined") {
  run_seeds(4000, 0);
}

TEST_CASE("what is bound and not executed is in the trail, as what it was and no more") {
  run_seeds(3000, 0, true);
  run_seeds(1000, 4, true);
}

TEST_CASE("a trail that refuses room at random loses and doubles nothing") { run_seeds(1500, 4); }

TEST_CASE("no byte that completes a statement passes before the statement's start is recorded") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Client client(seed);
    Trial trial(seed);
    trial.space.refuse_one_in = 3;
    for (const Sent& sent : client.messages(6)) {
      // All but the last byte, then the last alone: it is refused as long as there is no room.
      trial.space.refuse_one_in = 0;
      trial.pass(ByteView(sent.bytes).substr(0, sent.bytes.size() - 1), true);
      size_t before = trial.starts();
      trial.space.is_full = true;
      size_t at = 0;
      ByteView last = ByteView(sent.bytes).substr(sent.bytes.size() - 1);
      Advance advance = trial.conversation.client().advance(last, at, trial.now());
      if (sent.is_statement) {
        REQUIRE(advance == Advance::wait_trail);
        REQUIRE(trial.starts() == before);
        trial.space.is_full = false;
        REQUIRE(trial.conversation.client().advance(last, at, trial.now()) == Advance::all);
        REQUIRE(trial.starts() > before);
      } else {
        REQUIRE(advance == Advance::all);
      }
      trial.space.is_full = false;
    }
  }
}
