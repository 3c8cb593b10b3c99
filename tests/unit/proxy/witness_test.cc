// What becomes of answers that cannot be those to what was recorded.
#include "proxy/pg/witness.h"

#include <doctest/doctest.h>

#include "messages.h"
#include "proxy/pg/conversation.h"
#include "ringfence/pg/messages.h"
#include "vector_space.h"

using namespace ringfence;
using namespace ringfence::proxy;
using audit::Tag;

namespace {

struct WitnessTalk {
  explicit WitnessTalk(AttributionWitness witness = AttributionWitness::report) {
    conversation.use_witness(witness);
  }
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
  std::vector<const VectorSpace::Record*> mismatches() const { return space.events("attribution_mismatch"); }
  const VectorSpace::Record& outcome(size_t index) const {
    for (const VectorSpace::Record& record : space.records) {
      if (record.kind == audit::RecordKind::outcome && index-- == 0) return record;
    }
    RINGFENCE_ASSERT(false);
    return space.records[0];
  }
};

std::string group_of(std::string_view text, uint32_t rows_max = 0) {
  std::string out;
  pg::append_parse(out, "", text);
  pg::append_bind(out, "", "");
  pg::append_execute(out, "", rows_max);
  pg::append_sync(out);
  return out;
}

}  // namespace

TEST_CASE(
    "a tag that the statement cannot have is a critical event, and its row says that the text is not known") {
  WitnessTalk session;
  CHECK(session.client(query("select 1; select 2; select 3")) == Advance::all);
  CHECK(session.server(complete("SELECT 1") + complete("DELETE 5") + complete("SELECT 1") + ready()) ==
        Advance::all);
  const auto rows = session.statements();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].statement == "select 1");
  CHECK(rows[1].statement.starts_with("-- text not known: the server answered DELETE 5 where SELECT"));
  CHECK(rows[1].outcome == "success");
  CHECK(rows[1].rows == 5);
  CHECK(rows[2].statement == "select 3");
  CHECK(session.outcome(1)[Tag::metadata] == "{\"statement_unknown\":true}");
  CHECK(session.outcome(1)[Tag::command_tag] == "DELETE 5");
  REQUIRE(session.mismatches().size() == 1);
  const VectorSpace::Record& event = *session.mismatches()[0];
  CHECK(event[Tag::severity] == "CRITICAL");
  CHECK(event[Tag::command_tag] == "DELETE 5");
  CHECK(event.integer(Tag::rows) == 5);
  // Both sides, and the row that it is about.
  CHECK(event[Tag::metadata].find("\"answered\":\"DELETE 5\",\"expected\":\"SELECT,") != std::string::npos);
  CHECK(event[Tag::metadata].find("\"leading_words\":\"SELECT\"") != std::string::npos);
  Uuid id;
  const std::string row_id = session.outcome(1)[Tag::id];
  REQUIRE(row_id.size() == id.bytes.size());
  std::copy(row_id.begin(), row_id.end(), id.bytes.begin());
  CHECK(event[Tag::metadata].find("\"related_id\":\"" + to_string(id) + "\"") != std::string::npos);
  CHECK(session.outcome(0)[Tag::id].empty());
  CHECK(session.counters.attribution_mismatches.get() == 1);
}

TEST_CASE("by the extended protocol the event has the text that was recorded") {
  WitnessTalk session;
  CHECK(session.client(group_of("insert into t values (1)")) == Advance::all);
  CHECK(session.server(message('1') + message('2') + complete("DROP TABLE") + ready()) == Advance::all);
  REQUIRE(session.mismatches().size() == 1);
  CHECK((*session.mismatches()[0])[Tag::statement] == "insert into t values (1)");
  CHECK(session.statements()[0].statement.starts_with("-- text not known: the server answered DROP TABLE"));
}

TEST_CASE("with `end` the session is over at once, and says why") {
  WitnessTalk session(AttributionWitness::end);
  CHECK(session.client(query("select 1")) == Advance::all);
  CHECK(session.server(complete("CREATE ROLE")) == Advance::broken);
  CHECK(session.conversation.is_contradicted());
  CHECK(session.conversation.error().message.find("CREATE ROLE") != std::string::npos);
  CHECK(session.mismatches().size() == 1);
  // Answers that fit end nothing.
  WitnessTalk other(AttributionWitness::end);
  CHECK(other.client(query("commit")) == Advance::all);
  CHECK(other.server(complete("ROLLBACK") + ready()) == Advance::all);
  CHECK(other.mismatches().empty());
}

TEST_CASE("a statement that is answered with nothing, and nothing that is answered, are contradictions") {
  WitnessTalk session;
  CHECK(session.client(query("select 1; select 2")) == Advance::all);
  CHECK(session.server(complete("SELECT 1") + ready()) == Advance::all);
  REQUIRE(session.mismatches().size() == 1);
  CHECK(session.statements()[1].outcome == "unknown");
  CHECK(session.statements()[1].statement.starts_with("-- text not known: the server answered nothing"));
  // What we take for a comment ran.
  CHECK(session.client(query("/* select 1 */")) == Advance::all);
  CHECK(session.server(complete("SELECT 1") + ready()) == Advance::all);
  CHECK(session.mismatches().size() == 2);
  // What we take for a statement did not.
  CHECK(session.client(query("select 1")) == Advance::all);
  CHECK(session.server(message('I') + ready()) == Advance::all);
  CHECK(session.mismatches().size() == 3);
  CHECK(session.client(group_of("set a = 1", 1)) == Advance::all);
  CHECK(session.server(message('1') + message('2') + message('s') + ready()) == Advance::all);
  CHECK(session.mismatches().size() == 4);
}

TEST_CASE("ends of statements that nobody sent are told once, and end the session where it is to be ended") {
  WitnessTalk session;
  CHECK(session.server(complete("DELETE 1") + complete("DELETE 1")) == Advance::all);
  CHECK(session.server(complete("DELETE 1")) == Advance::all);
  CHECK(session.mismatches().size() == 1);
  WitnessTalk ended(AttributionWitness::end);
  CHECK(ended.server(complete("DELETE 1")) == Advance::broken);
  CHECK(ended.mismatches().size() == 1);
  // More ends than statements in one Query leave no way to go on.
  WitnessTalk shifted;
  CHECK(shifted.client(query("select 1")) == Advance::all);
  CHECK(shifted.server(complete("SELECT 1") + complete("DELETE 1")) == Advance::broken);
  CHECK(shifted.mismatches().size() == 1);
}

TEST_CASE("errors, what they skip, and a lost connection contradict nothing") {
  WitnessTalk session;
  std::string error;
  pg::append_error_response(error, {.sqlstate = "22012", .message = "no"});
  CHECK(session.client(query("select 1; drop table t; begin")) == Advance::all);
  CHECK(session.server(complete("SELECT 1") + error + ready()) == Advance::all);
  CHECK(session.client(query("insert into t values (1)")) == Advance::all);
  session.conversation.abandon({3'000, 3});
  CHECK(session.mismatches().empty());
}

TEST_CASE("what a prepared statement is answered with goes by what ran, not by what was foreseen") {
  WitnessTalk session;
  // The second Parse fails, for its name is taken: the first one's text runs.
  std::string error;
  pg::append_error_response(error, {.sqlstate = "42P05", .message = "no"});
  std::string parses;
  pg::append_parse(parses, "a", "delete from t");
  pg::append_sync(parses);
  pg::append_parse(parses, "a", "select 1");
  pg::append_sync(parses);
  pg::append_bind(parses, "", "a");
  pg::append_execute(parses, "", 0);
  pg::append_sync(parses);
  CHECK(session.client(parses) == Advance::all);
  CHECK(session.server(message('1') + ready() + error + ready() + message('2') + complete("DELETE 4") +
                       ready()) == Advance::all);
  CHECK(session.mismatches().empty());
  CHECK(session.statements()[0].statement == "delete from t");
  // PREPARE's statement, by the protocol.
  CHECK(session.client(query("prepare b as update t set a = 1")) == Advance::all);
  CHECK(session.server(complete("PREPARE") + ready()) == Advance::all);
  std::string bound;
  pg::append_bind(bound, "", "b");
  pg::append_execute(bound, "", 0);
  pg::append_sync(bound);
  CHECK(session.client(bound) == Advance::all);
  CHECK(session.server(message('2') + complete("SELECT 1") + ready()) == Advance::all);
  CHECK(session.mismatches().size() == 1);
}

TEST_CASE("each of many statements has its own expectation, in pipelines and bursts too") {
  WitnessTalk session;
  std::string text;
  std::string answers;
  for (int i = 0; i < 300; ++i) {
    text += i % 3 == 0 ? "select 1;" : i % 3 == 1 ? "delete from t;" : "set a = 1;";
    answers += complete(i % 3 == 0 ? "SELECT 1" : i % 3 == 1 ? "DELETE 0" : "SET");
  }
  for (int round = 0; round < 3; ++round) {
    CHECK(session.client(query(text) + query("begin") + query(text)) == Advance::all);
    CHECK(session.server(answers + ready() + complete("BEGIN") + ready() + answers + ready()) ==
          Advance::all);
  }
  CHECK(session.mismatches().empty());
  CHECK(session.client(query(text)) == Advance::all);
  const std::string first = complete("SELECT 1");
  CHECK(session.server(answers.substr(first.size()) + complete("SELECT 1") + ready()) == Advance::all);
  CHECK(session.mismatches().size() == 300);
}
