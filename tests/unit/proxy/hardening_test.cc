// What a client that means harm, or a server that answers oddly, may not do to the trail.
#include <doctest/doctest.h>

#include <functional>

#include "messages.h"
#include "proxy/pg/conversation.h"
#include "ringfence/pg/messages.h"
#include "vector_space.h"

using namespace ringfence;
using namespace ringfence::proxy;
using audit::Tag;

namespace {

struct HardeningTalk {
  VectorSpace space;
  ShardCounters counters;
  TrailDoor door{space, counters, IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  Limits limits;
  Recorder recorder{door};
  Conversation conversation{recorder, pools, counters, limits};

  Advance client(const std::string& bytes) {
    size_t at = 0;
    return conversation.client().advance(bytes, at, {1'000, 1});
  }
  Advance server(const std::string& bytes) {
    size_t at = 0;
    return conversation.server().advance(bytes, at, {2'000, 2});
  }
  std::vector<Trailed> statements() const {
    std::vector<Trailed> out;
    for (auto& [seq, statement] : statements_of(space)) out.push_back(statement);
    return out;
  }
};

std::string syntax_error(std::string_view text) {
  std::string out;
  pg::append_error_response(out, {.sqlstate = "42601", .message = text});
  return out;
}

}  // namespace

TEST_CASE(
    "a Flush with a body fails as any message of its group does, and what stands behind it is not executed") {
  for (bool is_within_group : {false, true}) {
    HardeningTalk talk;
    CHECK(talk.client(message('H', "")) == Advance::all);
    std::string group;
    if (is_within_group) pg::append_parse(group, "", "select 1");
    group += message('H', "x");
    pg::append_parse(group, "", "select 2");
    pg::append_bind(group, "", "", {});
    pg::append_execute(group, "", 0);
    pg::append_sync(group);
    CHECK(talk.client(group + query("select 3")) == Advance::all);
    std::string answers =
        (is_within_group ? message('1', "") : "") + syntax_error("invalid message format") + ready();
    CHECK(talk.server(answers + complete("SELECT 1") + ready()) == Advance::all);
    REQUIRE(talk.statements().size() == 2);
    CHECK(talk.statements()[0].statement == "select 2");
    CHECK(talk.statements()[0].outcome == "not_executed");
    CHECK(talk.statements()[1].statement == "select 3");
    CHECK(talk.statements()[1].outcome == "success");
    CHECK(talk.space.events("postgres_error").size() == 1);
    CHECK(talk.conversation.is_at_rest());
  }
}

TEST_CASE("behind a Flush with a body the server reads nothing until the Sync, also when that comes later") {
  HardeningTalk talk;
  CHECK(talk.client(message('H', "x")) == Advance::all);
  CHECK(talk.server(syntax_error("invalid message format")) == Advance::all);
  CHECK_FALSE(talk.conversation.is_at_rest());
  std::string sync;
  pg::append_sync(sync);
  CHECK(talk.client(query("select 1") + sync) == Advance::all);
  CHECK(talk.server(ready()) == Advance::all);
  REQUIRE(talk.statements().size() == 1);
  CHECK(talk.statements()[0].outcome == "not_executed");
  CHECK(talk.conversation.is_at_rest());
}

TEST_CASE("inside a COPY a Flush with a body is as good as none, and before one it ends the session") {
  HardeningTalk talk;
  const std::string copy_in = message('G', ByteView("\0\0\0", 3));
  CHECK(talk.client(query("copy t from stdin")) == Advance::all);
  CHECK(talk.server(copy_in) == Advance::all);
  CHECK(talk.client(message('H', "x") + message('c', "")) == Advance::all);
  CHECK(talk.server(complete("COPY 0") + ready()) == Advance::all);
  CHECK(talk.conversation.is_at_rest());
  CHECK(talk.client(query("copy t from stdin") + message('H', "x")) == Advance::all);
  CHECK(talk.server(copy_in) == Advance::broken);
}

TEST_CASE("an answer for a statement that has no record ends the session and is an event") {
  HardeningTalk talk;
  CHECK(talk.client(query("select 1")) == Advance::all);
  CHECK(talk.server(complete("SELECT 1")) == Advance::all);
  CHECK(talk.server(complete("DROP ROLE")) == Advance::broken);
  REQUIRE(talk.space.events("attribution_mismatch").size() == 1);
  CHECK((*talk.space.events("attribution_mismatch")[0])[Tag::severity] == "CRITICAL");
}

TEST_CASE("ReadyForQuery before the answers that are awaited ends the session") {
  HardeningTalk talk;
  std::string group;
  pg::append_parse(group, "", "select 1");
  pg::append_sync(group);
  CHECK(talk.client(group) == Advance::all);
  CHECK(talk.server(ready()) == Advance::broken);
}

TEST_CASE("with standard_conforming_strings off a Query is one record, with what all of it did") {
  HardeningTalk talk;
  CHECK(talk.server(status("standard_conforming_strings", "off")) == Advance::all);
  CHECK(talk.client(query("select 'a\\'' ; drop role r1; --'")) == Advance::all);
  CHECK(talk.server(complete("SELECT 3") + complete("DROP ROLE") + ready()) == Advance::all);
  REQUIRE(talk.statements().size() == 1);
  CHECK(talk.statements()[0].outcome == "success");
  CHECK(talk.statements()[0].outcomes == 1);
  CHECK(talk.statements()[0].rows == 3);
  // Literals alone are hidden, as they are cut with the setting on: no text hides what it does.
  CHECK(talk.client(query("alter role app password 'Secret5' /* passw */")) == Advance::all);
  CHECK(talk.statements()[1].statement == "alter role app password '***' /* passw */");
  CHECK(talk.server(syntax_error("syntax") + ready() + status("standard_conforming_strings", "on")) ==
        Advance::all);
  CHECK(talk.client(query("select 1; select 2")) == Advance::all);
  CHECK(talk.statements().size() == 4);
}

TEST_CASE("an encoding whose characters may hold a backslash is not cut either") {
  HardeningTalk talk;
  talk.conversation.note_parameter("client_encoding", "SJIS");
  CHECK(talk.client(query("select '\x81\x5c'; select 2")) == Advance::all);
  CHECK(talk.statements().size() == 1);
  CHECK(talk.server(complete("SELECT 1") + complete("SELECT 1") + ready()) == Advance::all);
  // ASCII alone is the same in all of them.
  CHECK(talk.client(query("select 1; select 2")) == Advance::all);
  CHECK(talk.statements().size() == 3);
  CHECK(talk.server(complete("SELECT 1") + complete("SELECT 1") + ready()) == Advance::all);
  talk.conversation.note_parameter("client_encoding", "UTF8");
  CHECK(talk.client(query("select '\xc3\xa9'; select 2")) == Advance::all);
  CHECK(talk.statements().size() == 5);
}

TEST_CASE("a server's message that may quote a password is not shown") {
  const char* texts[] = {"alter role postgres password 'TopSecret", "alter role app password 'x' 'TopSecret'",
                         "alter role app password 'abc''TopSecret'",
                         "do $$begin raise exception 'password TopSecret'; end$$"};
  for (const char* text : texts) {
    HardeningTalk talk;
    CHECK(talk.client(query(text)) == Advance::all);
    CHECK(talk.server(syntax_error("near \"'TopSecret\"") + ready()) == Advance::all);
    for (const VectorSpace::Record& record : talk.space.records) {
      for (const auto& [tag, value] : record.fields) CHECK(value.find("TopSecret") == std::string::npos);
    }
  }
  HardeningTalk prepared;
  std::string group;
  pg::append_parse(group, "", "alter role app password 'TopSecret' x");
  pg::append_bind(group, "", "");
  pg::append_execute(group, "");
  pg::append_sync(group);
  CHECK(prepared.client(group) == Advance::all);
  CHECK(prepared.server(syntax_error("near 'TopSecret'") + ready()) == Advance::all);
  for (const VectorSpace::Record& record : prepared.space.records) {
    for (const auto& [tag, value] : record.fields) CHECK(value.find("TopSecret") == std::string::npos);
  }
}

TEST_CASE("what runs by a name that was not seen being made says so, and by which name") {
  HardeningTalk talk;
  std::string group;
  pg::append_bind(group, "cursor", "made in a function");
  pg::append_execute(group, "cursor");
  pg::append_execute(group, "refcursor");
  pg::append_sync(group);
  CHECK(talk.client(group) == Advance::all);
  CHECK(talk.server(message('2', "") + complete("SELECT 1") + complete("SELECT 1") + ready()) ==
        Advance::all);
  auto statements = talk.statements();
  REQUIRE(statements.size() == 2);
  CHECK(statements[0].statement ==
        "-- text not known: portal \"cursor\" of prepared statement \"made in a function\"");
  CHECK(statements[1].statement == "-- text not known: portal \"refcursor\"");
  CHECK(talk.space.records[0][Tag::metadata] == "{\"statement_unknown\":true}");
  CHECK(talk.space.records[0].integer(Tag::statement_bytes) == 0);
}

TEST_CASE("a statement that the server ran instead of the foreseen one is not left without a text") {
  HardeningTalk talk;
  std::string group;
  pg::append_parse(group, "s", "select 1");
  pg::append_sync(group);
  CHECK(talk.client(group) == Advance::all);
  CHECK(talk.server(message('1', "") + ready()) == Advance::all);
  group.clear();
  pg::append_query(group, "deallocate s");  // The server's answer comes later than the Bind.
  pg::append_bind(group, "", "s");
  pg::append_execute(group, "");
  pg::append_sync(group);
  CHECK(talk.client(group) == Advance::all);
  CHECK(talk.server(complete("DEALLOCATE") + ready() + message('2', "") + complete("SELECT 1") + ready()) ==
        Advance::all);
  CHECK(talk.statements()[1].statement == "-- text not known: portal \"\" of prepared statement \"s\"");
}

TEST_CASE("PREPARE by the extended protocol gives its name a text") {
  HardeningTalk talk;
  std::string group;
  pg::append_parse(group, "", "prepare byname as select 42");
  pg::append_bind(group, "", "");
  pg::append_execute(group, "");
  pg::append_sync(group);
  pg::append_bind(group, "", "byname");  // In flight together.
  pg::append_execute(group, "");
  pg::append_sync(group);
  CHECK(talk.client(group) == Advance::all);
  CHECK(talk.server(message('1', "") + message('2', "") + complete("PREPARE") + ready() + message('2', "") +
                    complete("SELECT 1") + ready()) == Advance::all);
  CHECK(talk.statements()[1].statement == "select 42");
  group.clear();
  pg::append_bind(group, "", "byname");
  pg::append_execute(group, "");
  CHECK(talk.client(group) == Advance::all);
  CHECK(talk.statements()[2].statement == "select 42");
}

TEST_CASE("the application's name in the trail follows the server's word, but for the name that we gave it") {
  HardeningTalk talk;
  Uuid id;
  talk.recorder.identify(
      {.session_id = id, .connection_id = id, .user = "ada", .application_name = "first", .database = "d"});
  talk.recorder.call("ringfence/ada: first", "first");
  auto name_of_next = [&] {
    CHECK(talk.client(query("select 1")) == Advance::all);
    CHECK(talk.space.records.back()[Tag::database] == "d");
    return talk.space.records.back()[Tag::application_name];
  };
  CHECK(name_of_next() == "first");
  CHECK(talk.server(complete("SELECT 1") + status("application_name", "a longer second") + ready()) ==
        Advance::all);
  CHECK(name_of_next() == "a longer second");
  CHECK(talk.server(complete("SELECT 1") + status("application_name", "") + ready()) == Advance::all);
  CHECK(name_of_next().empty());
  CHECK(talk.server(complete("SELECT 1") + status("application_name", "ringfence/ada: first") + ready()) ==
        Advance::all);
  CHECK(name_of_next() == "first");
}

TEST_CASE("an Execute that is skipped has the text of its own Parse") {
  HardeningTalk talk;
  std::string group;
  pg::append_parse(group, "", "selec 1");
  CHECK(talk.client(group) == Advance::all);
  CHECK(talk.server(syntax_error("syntax")) == Advance::all);
  group.clear();
  pg::append_parse(group, "", "select 2");
  pg::append_bind(group, "", "");
  pg::append_execute(group, "");
  pg::append_sync(group);
  pg::append_execute(group, "");
  CHECK(talk.client(group) == Advance::all);
  auto statements = talk.statements();
  REQUIRE(statements.size() == 2);
  CHECK(statements[0].statement == "select 2");
  CHECK(statements[0].outcome == "not_executed");
  CHECK(statements[1].statement == "-- text not known: portal \"\"");
}

TEST_CASE("a statement behind Terminate was not executed") {
  HardeningTalk talk;
  std::string both = query("select 1");
  pg::append_terminate(both);
  CHECK(talk.client(both + query("drop table victim")) == Advance::all);
  CHECK(talk.server(complete("SELECT 1") + ready()) == Advance::all);
  talk.conversation.abandon({3'000, 3});
  auto statements = talk.statements();
  REQUIRE(statements.size() == 2);
  CHECK(statements[0].outcome == "success");
  CHECK(statements[1].outcome == "not_executed");
}

TEST_CASE("a comment longer than what is recorded does not hide the statement behind it") {
  HardeningTalk talk;
  talk.limits.statement_bytes_max = 64;
  CHECK(talk.client(query("/*" + std::string(200, 'x') + "*/ drop table victim")) == Advance::all);
  REQUIRE(talk.statements().size() == 1);
  CHECK(talk.statements()[0].statement == "drop table victim");
}

TEST_CASE("name changes in flight are bounded, and cost no more for being many") {
  HardeningTalk talk;
  std::string text;
  for (int i = 0; i < 1'000; ++i) text += "deallocate all;";
  Advance advance = Advance::all;
  int sent = 0;
  for (; sent < 100 && advance == Advance::all; ++sent) advance = talk.client(query(text));
  CHECK(advance == Advance::wait_queue);
  CHECK(sent < 10);
}

TEST_CASE("texts of prepared statements are bounded for each session") {
  HardeningTalk talk;
  std::string answers;
  for (int i = 0; i < 400; ++i) {
    std::string parse;
    pg::append_parse(parse, "s" + std::to_string(i), "select '" + std::string(60'000, 'x') + "'");
    REQUIRE(talk.client(parse) == Advance::all);
    REQUIRE(talk.server(message('1', "")) == Advance::all);
  }
  CHECK(talk.conversation.queue().kept_bytes() < (10u << 20));
}

namespace {

// What a session whose names keep as much as they may still does, and what not.
Advance after_too_many(const std::string& last, const std::function<std::string(int)>& one,
                       const std::string& answer) {
  HardeningTalk talk;
  talk.limits.prepared_bytes_max = 100'000;
  for (int sent = 0; sent < 10'000 && talk.conversation.queue().kept_bytes() < 100'000; ++sent) {
    REQUIRE(talk.client(one(sent)) == Advance::all);
    REQUIRE(talk.server(answer) == Advance::all);
  }
  CHECK(talk.conversation.queue().kept_bytes() < 101'000);
  const size_t statements = talk.statements().size();
  const Advance advance = talk.client(last);
  CHECK(talk.conversation.has_too_many_names() == (advance == Advance::broken));
  CHECK(talk.counters.limits_reached.get() == (advance == Advance::broken ? 1 : 0));
  if (advance == Advance::broken) {
    CHECK(talk.conversation.error().fault == Fault::limit);
    CHECK(talk.statements().size() == statements);  // Nothing is recorded that is not sent.
  }
  return advance;
}
std::string parse_message(std::string_view name, std::string_view text) {
  std::string out;
  pg::append_parse(out, name, text);
  return out;
}
std::string bind_message(std::string_view portal, std::string_view statement) {
  std::string out;
  pg::append_bind(out, portal, statement);
  return out;
}

}  // namespace

TEST_CASE(
    "a session whose prepared statements keep as much as they may makes no more names, and does all else") {
  auto parsed = [](int i) { return parse_message("s" + std::to_string(i), "select " + std::to_string(i)); };
  const std::string told = message('1', "");
  for (const std::string& refused :
       {parse_message("another", "select 1"), bind_message("portal", "s1"), query("prepare p as select 1"),
        query("select 1; declare c cursor for select 1"),
        parse_message("", "/* x */ PREPARE p as select 1")}) {
    CHECK(after_too_many(refused, parsed, told) == Advance::broken);
  }
  std::string closed;
  pg::append_close(closed, 'S', "s1");
  for (const std::string& taken : {parse_message("", "select 1"), bind_message("", "s1"), query("select 1"),
                                   query("deallocate all"), closed, parse_message("", "deallocate s1")}) {
    CHECK(after_too_many(taken, parsed, told) == Advance::all);
  }
}

TEST_CASE("portals and names that SQL makes have the same bound") {
  CHECK(after_too_many(
            bind_message("another", ""), [](int i) { return bind_message("p" + std::to_string(i), ""); },
            message('2', "")) == Advance::broken);
  CHECK(after_too_many(
            query("prepare p as select 1"),
            [](int i) { return query("prepare p" + std::to_string(i) + " as select 1"); },
            complete("PREPARE") + ready()) == Advance::broken);
  CHECK(after_too_many(
            parse_message("s", "select 1"),
            [](int i) { return query("declare c" + std::to_string(i) + " cursor for select 1"); },
            complete("DECLARE CURSOR") + message('Z', "T")) == Advance::broken);
}

TEST_CASE("a session that has closed enough makes names again") {
  HardeningTalk talk;
  talk.limits.prepared_bytes_max = 100'000;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; talk.conversation.queue().kept_bytes() < 100'000; ++i) {
      REQUIRE(talk.client(parse_message("s" + std::to_string(i), "select 1")) == Advance::all);
      REQUIRE(talk.server(message('1', "")) == Advance::all);
    }
    REQUIRE(talk.client(query("deallocate all")) == Advance::all);
    REQUIRE(talk.server(complete("DEALLOCATE ALL") + ready()) == Advance::all);
    CHECK(talk.conversation.queue().kept_bytes() == 0);
  }
}

TEST_CASE("while something waits for room in the trail nothing is begun that would wait there too") {
  HardeningTalk talk;
  talk.space.granted_max = 8'192;
  std::string parse;
  pg::append_parse(parse, "", "select broken /* " + std::string(60'000, 'x') + " */");
  pg::append_sync(parse);
  CHECK(talk.client(parse + parse) == Advance::all);
  CHECK(talk.server(syntax_error("broken")) == Advance::all);
  CHECK(talk.door.deferred.events.size() == 1);
  const std::string rest = ready() + syntax_error("broken") + ready();
  size_t at = 0;
  CHECK(talk.conversation.server().advance(rest, at, {2'000, 2}) == Advance::wait_trail);
  CHECK(talk.door.deferred.events.size() == 1);
  talk.space.granted_max = audit::record_bytes_max;
  CHECK(talk.conversation.server().advance(rest, at, {2'000, 2}) == Advance::all);
  CHECK(talk.door.deferred.is_empty());
  CHECK(talk.conversation.queue().is_idle());
}

TEST_CASE("a script longer than what is recorded is cut all the same, and a huge one ends as one record") {
  HardeningTalk talk;
  std::string script = "select '" + std::string(100'000, 'x') + "'; drop table victim";
  CHECK(talk.client(query(script).substr(0, 5'000)) == Advance::all);
  CHECK(talk.client(query(script).substr(5'000)) == Advance::all);
  REQUIRE(talk.statements().size() == 2);
  CHECK(talk.statements()[1].statement == "drop table victim");
  CHECK(talk.server(complete("SELECT 1") + complete("DROP TABLE") + ready()) == Advance::all);
  std::string huge = query("select 1; select '" + std::string(2'000'000, 'x') + "'; drop table victim");
  CHECK(talk.client(huge.substr(0, 5'000)) == Advance::all);
  CHECK(talk.client(huge.substr(5'000)) == Advance::all);
  CHECK(talk.server(complete("SELECT 1") + complete("SELECT 1") + complete("DROP TABLE") + ready()) ==
        Advance::all);
  REQUIRE(talk.statements().size() == 4);
  CHECK(talk.statements()[3].outcome == "success");
}
