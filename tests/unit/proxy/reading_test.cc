// What goes out of a text that the server may read otherwise than we do, and when.
#include <doctest/doctest.h>

#include "access_fixture.h"
#include "messages.h"
#include "proxy/pg/conversation.h"
#include "ringfence/pg/messages.h"
#include "vector_space.h"

using namespace ringfence;
using namespace ringfence::proxy;
using audit::Tag;

namespace {

// With standard_conforming_strings two statements, without it one.
const std::string doubtful = "select '\\'; select 2 --'";
std::vector<std::string> cut_behind(std::string first) {
  return {std::move(first), "select '\\'", "select 2"};
}

const std::string group_answer = message('1', "") + message('2', "") + complete("SELECT 1");
std::string row_of(std::string_view value) {
  std::string body;
  Writer(body).u16(1).u32(static_cast<uint32_t>(value.size())).bytes(value);
  return message('D', body);
}
std::string show_answer(std::string_view value) {
  return message('1', "") + message('2', "") + row_of(value) + complete("SHOW") + message('3', "") +
         message('3', "");
}
std::string types(ByteView bytes) {
  std::string out;
  for (size_t at = 0; at + 5 <= bytes.size(); at += 1 + detail::load_be<uint32_t>(bytes.data() + at + 1))
    out += bytes[at];
  return out;
}

struct ReadingTalk {
  explicit ReadingTalk(bool is_restricted) {
    if (!is_restricted) return;
    auto policies = policies_for("*", policy::Level::write);
    access = policies->access({"x"}, {});
    conversation.use_judge(std::make_shared<StatementJudge>(access, policy::SessionFacts{}, judges), "nonce");
    kept = policies;
  }
  VectorSpace space;
  ShardCounters counters;
  TrailDoor door{space, counters, IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  Limits limits;
  Recorder recorder{door};
  JudgeSpace judges{HashKey{1, 2}};
  std::shared_ptr<const policy::PolicySet> kept;
  policy::Access access;
  Conversation conversation{recorder, pools, counters, limits};

  // What reaches the server of it at once.
  std::string client(std::string bytes) {
    chunk = std::move(bytes);
    at = 0;
    return go_on();
  }
  std::string go_on() {
    advance = conversation.client().advance(chunk, at, {1'000, 1});
    if (advance == Advance::wait_answer) return std::string(conversation.client().to_server_so_far(chunk));
    if (advance != Advance::all) return {};
    return std::string(conversation.client().to_server(chunk));
  }
  // What reaches the client, the answer coming in pieces.
  std::string server(const std::string& bytes, size_t piece = 1'000'000) {
    std::string out;
    for (size_t begin = 0; begin < bytes.size(); begin += piece) {
      const std::string part = bytes.substr(begin, piece);
      size_t place = 0;
      CHECK(conversation.server().advance(part, place, {2'000, 2}) == Advance::all);
      out += conversation.server().to_client(part);
    }
    return out;
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> out;
    for (auto& [seq, statement] : statements_of(space)) out.push_back(statement.statement);
    return out;
  }
  std::string chunk;
  size_t at = 0;
  Advance advance = Advance::all;
};

}  // namespace

TEST_CASE("beyond ASCII a restricted session is judged where the server reads UTF-8, and refused elsewhere") {
  struct Case {
    const char* client;
    const char* server;
    bool passes;
  };
  // Three letters of WIN866, and one of UTF-8: the name of another table.
  const std::string text = "select * from \"\xe0\xae\xaa\"";
  for (const auto& [client, server, passes] :
       {Case{"UTF8", "UTF8", true}, Case{"UTF8", "LATIN1", true}, Case{"WIN866", "UTF8", false},
        Case{"LATIN1", "LATIN1", false}, Case{"EUC_JP", "UTF8", false}, Case{"SQL_ASCII", "UTF8", true},
        Case{"SQL_ASCII", "WIN1251", false}, Case{"WIN866", "SQL_ASCII", true},
        Case{"no such one", "UTF8", false}}) {
    CAPTURE(client);
    CAPTURE(server);
    for (const auto& sent : {query(text), executed(text)}) {
      ReadingTalk talk(true);
      talk.conversation.note_parameter("server_encoding", server);
      talk.conversation.note_parameter("client_encoding", client);
      CHECK((talk.client(sent) == sent) == passes);
      ReadingTalk plain(true);
      plain.conversation.note_parameter("server_encoding", server);
      plain.conversation.note_parameter("client_encoding", client);
      CHECK(plain.client(query("select 1")) == query("select 1"));
      ReadingTalk unrestricted(false);
      unrestricted.conversation.note_parameter("client_encoding", client);
      CHECK(unrestricted.client(sent) == sent);
    }
  }
}

TEST_CASE("a plain text never waits for what stands before it") {
  for (bool is_restricted : {false, true}) {
    ReadingTalk talk(is_restricted);
    const std::string sent = executed("select 1") + query("select 'a\\b'; select E'\\''");
    CHECK(talk.client(sent) == sent);
    CHECK(talk.advance == Advance::all);
    CHECK(talk.texts().size() == 3);
  }
}

TEST_CASE(
    "a doubtful text waits until all before it is answered, and is cut by what the server has said by then") {
  for (bool is_restricted : {false, true}) {
    ReadingTalk talk(is_restricted);
    const std::string first = query("select 1");
    CHECK(talk.client(first + query(doubtful)) == first);
    CHECK(talk.advance == Advance::wait_answer);
    CHECK(!talk.conversation.client().is_clear());
    talk.server(complete("SELECT 1"));
    CHECK(!talk.conversation.client().is_clear());
    talk.server(ready());
    REQUIRE(talk.conversation.client().is_clear());
    CHECK(talk.go_on() == query(doubtful));
    CHECK(talk.texts() == cut_behind("select 1"));
  }
}

TEST_CASE("behind a change of the setting a doubtful text of an unrestricted session is one record") {
  ReadingTalk talk(false);
  const std::string first = query("select f()");
  CHECK(talk.client(first + query(doubtful)) == first);
  std::string status;
  pg::append_parameter_status(status, "standard_conforming_strings", "off");
  talk.server(complete("SELECT 1") + status + ready());
  CHECK(talk.go_on() == query(doubtful));
  CHECK(talk.texts() == std::vector<std::string>{"select f()", doubtful});
  talk.server(complete("SELECT 1") + complete("SELECT 1") + ready());
  CHECK(statements_of(talk.space).rbegin()->second.outcome == "success");
  // A plain one is cut all the same.
  talk.client(query("select 3; select 4"));
  CHECK(talk.texts().size() == 4);
}

TEST_CASE("a doubtful Query inside a group of an unrestricted session is one record, and does not wait") {
  ReadingTalk talk(false);
  const std::string sent = executed("update v set x = 1") + query("select 1; " + doubtful);
  CHECK(talk.client(sent) == sent);
  CHECK(talk.texts() == std::vector<std::string>{"update v set x = 1", "select 1; " + doubtful});
  // Nor where all before it is answered, but no ReadyForQuery came.
  ReadingTalk flushed(false);
  flushed.client(executed("update v set x = 1") + message('H', ""));
  flushed.server(group_answer);
  flushed.client(query("select 1; " + doubtful));
  CHECK(flushed.texts().size() == 2);
}

TEST_CASE(
    "inside a group the server is asked before a doubtful text of a restricted session, and the client sees "
    "nothing of it") {
  for (size_t piece : {size_t{1}, size_t{3}, size_t{7}, size_t{1'000}}) {
    ReadingTalk talk(true);
    const std::string first = executed("select 1");
    const std::string out = talk.client(first + query(doubtful));
    REQUIRE(talk.advance == Advance::wait_answer);
    REQUIRE(out.starts_with(first));
    CHECK(types(out) ==
          "PBE"
          "PBECC"
          "PBECC"
          "H");
    CHECK(talk.server(group_answer, piece) == group_answer);
    CHECK(!talk.conversation.client().is_clear());
    std::string notice;
    pg::append_notice_response(notice,
                               {.severity = "NOTICE", .sqlstate = "00000", .message = "for the client"});
    CHECK(talk.server(show_answer("on") + notice + show_answer("UTF8"), piece) == notice);
    REQUIRE(talk.conversation.client().is_clear());
    CHECK(talk.go_on() == query(doubtful));
    CHECK(talk.texts() == cut_behind("select 1"));
    CHECK(talk.server(complete("SELECT 1") + complete("SELECT 1") + ready(), piece) ==
          complete("SELECT 1") + complete("SELECT 1") + ready());
    CHECK(talk.conversation.is_at_rest());
  }
}

TEST_CASE("a restricted session whose server reads strings otherwise ends before the text goes out") {
  ReadingTalk talk(true);
  talk.client(executed("select 1") + query(doubtful));
  talk.server(group_answer + show_answer("off") + show_answer("UTF8"));
  CHECK(talk.go_on().empty());
  CHECK(talk.advance == Advance::broken);
  CHECK(talk.conversation.error().fault == Fault::denied);
  CHECK(talk.texts() == std::vector<std::string>{"select 1"});
}

TEST_CASE("where the group has failed nothing is asked any more, and the text is not executed") {
  ReadingTalk talk(true);
  talk.client(executed("select 1") + query(doubtful));
  std::string error;
  pg::append_error_response(error, {.sqlstate = "22012", .message = "division by zero"});
  CHECK(talk.server(message('1', "") + message('2', "") + error) ==
        message('1', "") + message('2', "") + error);
  REQUIRE(talk.conversation.client().is_clear());
  CHECK(talk.go_on() == query(doubtful));
  CHECK(statements_of(talk.space).rbegin()->second.outcome == "not_executed");
  CHECK(talk.server(ready()).size() == ready().size());
}

TEST_CASE(
    "an error that meets the appliance's own statement fails the group, as it would have the client's") {
  ReadingTalk talk(true);
  talk.client(executed("select 1") + query(doubtful));
  std::string error;
  pg::append_error_response(error,
                            {.sqlstate = "57014", .message = "canceling statement due to user request"});
  CHECK(talk.server(group_answer + message('1', "") + error) == group_answer + error);
  REQUIRE(talk.conversation.client().is_clear());
  talk.go_on();
  CHECK(talk.advance == Advance::all);
  CHECK(statements_of(talk.space).rbegin()->second.outcome == "not_executed");
}

TEST_CASE("an answer that does not fit the appliance's own statement ends the session") {
  ReadingTalk talk(true);
  talk.client(executed("select 1") + query(doubtful));
  talk.server(group_answer);
  size_t at = 0;
  CHECK(talk.conversation.server().advance(message('1', "") + complete("SHOW"), at, {2'000, 2}) ==
        Advance::broken);
}

TEST_CASE("a doubtful text that comes in pieces waits with its last one") {
  for (bool is_restricted : {false, true}) {
    ReadingTalk talk(is_restricted);
    const std::string first = query("select 1");
    const std::string second = query(doubtful);
    std::string out = talk.client(first + second.substr(0, 10));
    CHECK(talk.advance == Advance::all);
    out += talk.client(second.substr(10));
    CHECK(talk.advance == Advance::wait_answer);
    talk.server(complete("SELECT 1") + ready());
    out += talk.go_on();
    CHECK(out == first + second);
    CHECK(talk.texts() == cut_behind("select 1"));
  }
}

TEST_CASE("in a failed transaction a doubtful text inside a group is refused, for nothing can be asked") {
  ReadingTalk talk(true);
  talk.client(query("begin"));
  talk.server(complete("BEGIN") + message('Z', "T"));
  talk.client(query("select broken"));
  std::string error;
  pg::append_error_response(error, {.sqlstate = "42601", .message = "no"});
  talk.server(error + message('Z', "E"));
  const std::string first = executed("rollback");
  const std::string out = talk.client(first + query(doubtful));
  CHECK(talk.advance == Advance::all);
  REQUIRE(out.starts_with(first));
  CHECK(out.substr(first.size()).starts_with("Q"));
  CHECK(out.find("select 2") == std::string::npos);
}
