// The same messages of a client give the same records, wherever the server's answers come between them.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "messages.h"
#include "proxy/pg/conversation.h"
#include "server_model.h"
#include "vector_space.h"

using namespace ringfence;
using namespace ringfence::proxy;
using audit::Tag;

namespace {

std::string sync_message() {
  std::string out;
  pg::append_sync(out);
  return out;
}
std::string parse(std::string_view name, std::string_view text) {
  std::string out;
  pg::append_parse(out, name, text);
  return out;
}
std::string bind(std::string_view portal, std::string_view name) {
  std::string out;
  pg::append_bind(out, portal, name);
  return out;
}
std::string execute(std::string_view portal, uint32_t rows_max = 0) {
  std::string out;
  pg::append_execute(out, portal, rows_max);
  return out;
}
std::string describe(char kind, std::string_view name) {
  std::string out;
  pg::append_describe(out, kind, name);
  return out;
}
std::string close_message(char kind, std::string_view name) {
  std::string out;
  pg::append_close(out, kind, name);
  return out;
}
std::string call(uint32_t oid) {
  std::string out;
  pg::append_function_call(out, oid);
  return out;
}
std::string copy_data(size_t bytes) {
  std::string out = "d";
  Writer(out).u32(static_cast<uint32_t>(4 + bytes)).bytes(std::string(bytes, 'x'));
  return out;
}
std::string copy_done() {
  std::string out = "c";
  Writer(out).u32(4);
  return out;
}

using Messages = std::vector<std::string>;

struct Run {
  Run() { conversation.use_witness(AttributionWitness::end); }
  VectorSpace space;
  ShardCounters counters;
  TrailDoor door{space, counters, IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  Limits limits;
  Recorder recorder{door};
  Conversation conversation{recorder, pools, counters, limits};
  ServerModel server;
  std::vector<std::string> answers;  // On their way, a message each.

  void send(const std::string& bytes) {
    size_t at = 0;
    REQUIRE(conversation.client().advance(bytes, at, {1'000, 1}) == Advance::all);
    const uint32_t length = 1 + detail::load_be<uint32_t>(bytes.data() + 1);
    const std::string answer = server.take(bytes[0], ByteView(bytes).substr(5, length - 5));
    for (size_t begin = 0; begin < answer.size();) {
      const size_t size = 1 + detail::load_be<uint32_t>(answer.data() + begin + 1);
      answers.push_back(answer.substr(begin, size));
      begin += size;
    }
  }
  void answer(size_t count) {
    for (; count > 0 && !answers.empty(); --count) {
      size_t at = 0;
      REQUIRE(conversation.server().advance(answers.front(), at, {2'000, 2}) == Advance::all);
      answers.erase(answers.begin());
    }
  }
  // All that a reader of the trail sees, but for times.
  std::string records(bool with_bytes) {
    conversation.abandon({3'000, 3});
    std::map<uint64_t, std::map<Tag, std::string>> rows;
    std::vector<std::string> events;
    auto number = [](std::string_view value) {
      return std::to_string(value.empty() ? -1 : detail::load_be<int64_t>(value.data()));
    };
    for (const VectorSpace::Record& record : space.records) {
      if (record.kind == audit::RecordKind::event) {
        events.push_back(record[Tag::action] + " [" + record[Tag::statement] + "] " + record[Tag::sqlstate]);
        continue;
      }
      auto& row = rows[record.kind == audit::RecordKind::start ? record.seq : record.start_seq];
      for (const auto& [tag, value] : record.fields) row[tag] = value;
    }
    std::string out;
    for (auto& [seq, row] : rows) {
      out += "[" + row[Tag::statement] + "] " + row[Tag::outcome] + " " + row[Tag::sqlstate] + " rows " +
             number(row[Tag::rows]);
      if (with_bytes)
        out += " to server " + number(row[Tag::bytes_to_server]) + " to client " +
               number(row[Tag::bytes_to_client]);
      out += "\n";
    }
    std::sort(events.begin(), events.end());
    for (const std::string& event : events) out += event + "\n";
    return out;
  }
};

// In one write, and then each cut: so many of the client's messages, so many of the answers to them, and the
// rest.
std::string in_one_write(const Messages& messages, bool with_bytes) {
  Run run;
  for (const std::string& message : messages) run.send(message);
  run.answer(~size_t{0});
  return run.records(with_bytes);
}

void check_all_cuts(const Messages& messages, bool with_bytes = true) {
  const std::string expected = in_one_write(messages, with_bytes);
  CAPTURE(expected);
  for (size_t cut = 1; cut < messages.size(); ++cut) {
    for (size_t answered = 1;; ++answered) {
      Run run;
      for (size_t i = 0; i < cut; ++i) run.send(messages[i]);
      const bool are_all = answered >= run.answers.size();
      run.answer(answered);
      for (size_t i = cut; i < messages.size(); ++i) run.send(messages[i]);
      run.answer(~size_t{0});
      CAPTURE(cut);
      CAPTURE(answered);
      CHECK(run.records(with_bytes) == expected);
      if (are_all) break;
    }
  }
  std::mt19937_64 random(7);
  for (int round = 0; round < 60; ++round) {
    Run run;
    for (const std::string& message : messages) {
      run.send(message);
      run.answer(round == 0 ? ~size_t{0} : random() % 4);
    }
    run.answer(~size_t{0});
    CAPTURE(round);
    CHECK(run.records(with_bytes) == expected);
  }
}

}  // namespace

TEST_CASE("a group whose Parse fails has one record, whenever the error comes") {
  const Messages group{parse("", "syntax a"), bind("", ""), execute(""), sync_message()};
  CHECK(in_one_write(group, false) == "[syntax a] failure 42601 rows 0\n");
  check_all_cuts(group);
  check_all_cuts(
      {parse("a", "syntax a"), bind("p", "a"), execute("p"), execute("p"), sync_message(), query("rows 1")});
  check_all_cuts({parse("a", "syntax a"), parse("b", "rows 1"), bind("", "b"), execute(""), bind("", "a"),
                  execute(""), sync_message()});
  check_all_cuts(
      {parse("a", "syntax a"), close_message('S', "a"), bind("", "a"), execute(""), sync_message()});
  check_all_cuts({parse("a", "syntax a"), describe('S', "a"), bind("", "a"), describe('P', ""), execute(""),
                  sync_message()});
  // Nothing executes it.
  check_all_cuts({parse("", "syntax a"), sync_message(), query("rows 1")});
  check_all_cuts({parse("", "syntax a"), query("rows 1"), call(1001), sync_message(), query("rows 2")});
  check_all_cuts({parse("", "syntax a")});
  check_all_cuts({parse("", "syntax a"), bind("", "")});
}

TEST_CASE("a name that is taken, and one whose Parse failed, stand for what the server has") {
  check_all_cuts({parse("a", "rows 1"), sync_message(), parse("a", "rows 2"), bind("", "a"), execute(""),
                  sync_message(), bind("", "a"), execute(""), sync_message()});
  check_all_cuts({parse("a", "rows 1"), sync_message(), close_message('S', "a"), parse("", "syntax"),
                  bind("", "a"), execute(""), sync_message()});
  check_all_cuts({parse("a", "rows 1"), sync_message(), parse("", "syntax"), close_message('S', "a"),
                  bind("", "a"), execute(""), sync_message(), bind("", "a"), execute(""), sync_message()});
  // The unnamed one goes with a Parse that fails, and with a Query.
  check_all_cuts({parse("", "rows 1"), sync_message(), parse("", "syntax"), sync_message(), bind("", ""),
                  execute(""), sync_message()});
  check_all_cuts(
      {parse("", "rows 1"), sync_message(), query("rows 2"), bind("", ""), execute(""), sync_message()});
  check_all_cuts({query("prepare a as rows 3"), bind("", "a"), execute(""), sync_message(),
                  query("deallocate a"), bind("", "a"), execute(""), sync_message()});
  check_all_cuts({query("prepare a as rows 3"), query("deallocate a"), parse("", "syntax"), bind("", "a"),
                  execute(""), sync_message()});
  check_all_cuts({query("prepare a as rows 3"), query("deallocate all;prepare a as rows 4"), bind("", "a"),
                  execute(""), sync_message()});
}

TEST_CASE(
    "a Bind of what is not there, and an Execute of a portal that is not there, whenever the error comes") {
  const Messages group{bind("", "nope"), execute(""), sync_message()};
  CHECK(in_one_write(group, false) ==
        "[-- text not known: portal \"\" of prepared statement \"nope\"] failure 42601 rows 0\n");
  check_all_cuts(group);
  check_all_cuts({execute("nope"), sync_message()});
  check_all_cuts({bind("p", "nope"), execute("p"), execute("q"), execute(""), sync_message()});
  check_all_cuts(
      {parse("a", "rows 1"), bind("p", "a"), execute("p"), sync_message(), execute("p"), sync_message()});
  check_all_cuts({parse("a", "rows 1"), bind("", "a"), execute(""), sync_message(), execute(""),
                  parse("b", "rows 2"), bind("", "b"), execute(""), sync_message()});
  check_all_cuts({parse("a", "unbindable"), bind("", "a"), execute(""), bind("", "a"), execute(""),
                  sync_message(), execute(""), sync_message()});
  check_all_cuts({query("begin"), parse("", "rows 5"), bind("p", ""), execute("p", 2), sync_message(),
                  bind("p", ""), execute("p"), sync_message(), query("commit"), execute("p"),
                  sync_message()});
}

TEST_CASE("a Describe that fails is an error of its own, and what follows it was not executed") {
  check_all_cuts({describe('S', "nope"), parse("", "rows 1"), bind("", ""), execute(""), sync_message()});
  check_all_cuts({describe('P', "nope"), execute("nope"), sync_message(), query("rows 1")});
  check_all_cuts({parse("a", "rows 1"), describe('P', "p"), bind("p", "a"), execute("p"),
                  close_message('P', "p"), sync_message()});
}

TEST_CASE("an Execute that fails takes the rest of its group with it") {
  check_all_cuts({parse("", "fail 1"), bind("", ""), execute(""), parse("a", "rows 2"), bind("p", "a"),
                  execute("p"), sync_message(), bind("", "a"), execute(""), sync_message()});
  check_all_cuts({parse("a", "rows 1"), bind("p", "a"), execute("p", 1), execute("p"), parse("", "fail"),
                  bind("", ""), execute(""), execute("p"), sync_message(), query("rows 1;fail;rows 2"),
                  query("rows 3")});
  check_all_cuts({query("begin"), query("fail"), parse("", "rows 1"), bind("", ""), execute(""),
                  sync_message(), query("commit"), query("rows 1")});
  check_all_cuts({query("begin"), query("fail"), query("commit"), parse("", "rows 1"), bind("", ""),
                  execute(""), sync_message()});
}

TEST_CASE("what stands behind the server's last word, whenever that comes") {
  check_all_cuts({parse("", "die"), bind("", ""), execute(""), parse("a", "rows 1"), bind("", "a"),
                  execute(""), sync_message()});
  check_all_cuts({query("rows 1;die;rows 2"), parse("", "rows 1"), bind("", ""), execute(""), sync_message(),
                  query("rows 3")});
}

TEST_CASE("copy data is counted to the COPY that read it, and to nothing else") {
  auto bytes_of = [](const Messages& messages, size_t index) {
    Run run;
    for (const std::string& message : messages) run.send(message);
    run.answer(~size_t{0});
    run.conversation.abandon({3'000, 3});
    std::vector<int64_t> out;
    for (const VectorSpace::Record& record : run.space.records) {
      if (record.kind == audit::RecordKind::outcome) out.push_back(record.integer(Tag::bytes_to_server));
    }
    return out.at(index);
  };
  const auto alone = [](std::string_view text) { return static_cast<int64_t>(query(text).size()); };
  // Ahead of the server's word that it reads, and behind it.
  const Messages copy{query("copyin 0"), copy_data(1000), copy_data(500), copy_done(), query("rows 1")};
  CHECK(bytes_of(copy, 0) == alone("copyin 0") + 1005 + 505);
  CHECK(bytes_of(copy, 1) == alone("rows 1"));
  check_all_cuts(copy);
  check_all_cuts({parse("", "copyin 0"), bind("", ""), execute(""), copy_data(1000), copy_done(),
                  sync_message(), query("rows 1")});
  check_all_cuts({parse("", "copyin 0"), bind("", ""), execute(""), sync_message(), copy_data(1000),
                  copy_done(), sync_message(), query("rows 1")});
  // Two in one message, each with its own.
  const Messages two{query("copyin 0;copyin 0;rows 1"),
                     copy_data(100),
                     copy_done(),
                     copy_data(50),
                     copy_data(20),
                     copy_done()};
  CHECK(bytes_of(two, 0) == alone("copyin 0;copyin 0;rows 1") + 105);
  CHECK(bytes_of(two, 1) == 55 + 25);
  CHECK(bytes_of(two, 2) == 0);
  check_all_cuts(two);
  // No COPY reads it.
  for (const Messages& group :
       {Messages{query("rows 5"), copy_data(1000), copy_done(), query("rows 1")},
        Messages{query("fail"), copy_data(1000), copy_done(), query("rows 1")},
        Messages{copy_data(1000), query("rows 1"), query("rows 1")},
        Messages{query("rows 1"), copy_data(1000), copy_data(1000), query("rows 1"), copy_data(10)}}) {
    CHECK(bytes_of(group, 1) == alone("rows 1"));
    check_all_cuts(group);
  }
  check_all_cuts({parse("", "syntax"), bind("", ""), execute(""), copy_data(1000), copy_done(),
                  sync_message(), query("rows 1")});
  // It fails at its first data. How much it had been sent by then is a matter of time; what follows is not.
  const Messages failed{query("copyin 1"), copy_data(1000), copy_data(2000), copy_done(), query("rows 1")};
  CHECK(bytes_of(failed, 1) == alone("rows 1"));
  check_all_cuts(failed, false);
  const Messages failed_extended{parse("", "copyin 1"), bind("", ""), execute(""),    copy_data(1000),
                                 copy_data(2000),       copy_done(),  sync_message(), query("rows 1")};
  CHECK(bytes_of(failed_extended, 1) == alone("rows 1"));
  check_all_cuts(failed_extended, false);
}
