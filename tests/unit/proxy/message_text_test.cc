// All text of a message is in the trail, what stands between its statements too.
#include <doctest/doctest.h>

#include "access_fixture.h"
#include "proxy/pg/conversation.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/pg/messages.h"
#include "vector_space.h"

using namespace ringfence;
using namespace ringfence::proxy;
using audit::Tag;

namespace {

struct MessageTalk {
  VectorSpace space;
  ShardCounters counters;
  TrailDoor door{space, counters, IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  Limits limits;
  Recorder recorder{door};
  JudgeSpace judges{HashKey{1, 2}};
  policy::Access access;
  Conversation conversation{recorder, pools, counters, limits};

  Advance say(const std::string& bytes) {
    size_t at = 0;
    return conversation.client().advance(bytes, at, {1'000, 1});
  }
  Advance ask(std::string_view text) {
    std::string bytes;
    pg::append_query(bytes, text);
    return say(bytes);
  }
  const VectorSpace::Record& whole() const {
    const auto found = space.events("postgres_message");
    REQUIRE(found.size() == 1);
    return *found[0];
  }
  std::vector<const VectorSpace::Record*> starts() const {
    std::vector<const VectorSpace::Record*> out;
    for (const VectorSpace::Record& record : space.records) {
      if (record.kind == audit::RecordKind::start) out.push_back(&record);
    }
    return out;
  }
};

}  // namespace

TEST_CASE(
    "a Query of several statements has its whole text in a record before theirs, which name it and their "
    "places") {
  const std::string text = "/* why */ select 1; -- not; this\nselect 'ä';\n; select 3 /* end */ ;--";
  MessageTalk talk;
  CHECK(talk.ask(text) == Advance::all);
  CHECK(talk.whole()[Tag::statement] == text);
  CHECK(talk.whole()[Tag::outcome] == "success");
  CHECK(talk.space.records[0].kind == audit::RecordKind::event);
  const auto starts = talk.starts();
  REQUIRE(starts.size() == 3);
  for (const VectorSpace::Record* start : starts) {
    CHECK((*start)[Tag::message_id] == talk.whole()[Tag::id]);
    const auto begin = static_cast<size_t>(start->integer(Tag::statement_begin));
    CHECK(text.substr(begin, static_cast<size_t>(start->integer(Tag::statement_bytes))) ==
          (*start)[Tag::statement]);
  }
}

TEST_CASE("a text of one statement is in that statement's record, comments and all, and in no other") {
  const std::string text = " /* why */ select 1 -- end";
  MessageTalk talk;
  talk.ask(text);
  CHECK(talk.space.events("postgres_message").empty());
  REQUIRE(talk.starts().size() == 1);
  CHECK((*talk.starts()[0])[Tag::statement] == text);
  CHECK(!talk.starts()[0]->fields.contains(Tag::message_id));
}

TEST_CASE("the whole text is recorded once, however often its statements wait for room") {
  MessageTalk talk;
  std::string bytes;
  pg::append_query(bytes, "select 1; select 2; select 3");
  size_t at = 0;
  Advance advance = Advance::wait_trail;
  talk.space.refuse_one_in = 2;
  for (int i = 0; i < 50 && advance == Advance::wait_trail; ++i) {
    advance = talk.conversation.client().advance(bytes, at, {1'000, 1});
  }
  CHECK(advance == Advance::all);
  CHECK(talk.space.events("postgres_message").size() == 1);
  CHECK(talk.starts().size() == 3);
}

TEST_CASE("a refused Query of several statements has its whole text in a record too") {
  const std::string text = "select 1 /* a */; drop table t; -- b\nselect 2";
  MessageTalk talk;
  auto policies = policies_for("*", policy::Level::write);
  talk.access = policies->access({"x"}, {});
  talk.conversation.use_judge(
      std::make_shared<StatementJudge>(talk.access, policy::SessionFacts{}, talk.judges), "nonce");
  talk.ask(text);
  CHECK(talk.whole()[Tag::statement] == text);
  int parts = 0;
  for (const VectorSpace::Record& record : talk.space.records) {
    if (!record.fields.contains(Tag::message_id)) continue;
    ++parts;
    CHECK(record[Tag::message_id] == talk.whole()[Tag::id]);
    const auto begin = static_cast<size_t>(record.integer(Tag::statement_begin));
    CHECK(text.substr(begin, record[Tag::statement].size()) == record[Tag::statement]);
  }
  CHECK(parts == 3);
}

TEST_CASE("a comment that fills what is recorded hides no statement, neither of a Query nor of a Parse") {
  const std::string comment = "/*" + std::string(70'000, 'c') + "*/ ";
  const std::string text = comment + "delete from t";
  for (size_t piece : {size_t{1'000'000}, size_t{16'384}}) {
    for (bool is_parse : {false, true}) {
      INFO(piece, is_parse);
      MessageTalk talk;
      std::string bytes;
      if (is_parse) {
        pg::append_parse(bytes, "", text);
        pg::append_bind(bytes, "", "");
        pg::append_execute(bytes, "");
      } else {
        pg::append_query(bytes, text);
      }
      for (size_t from = 0; from < bytes.size(); from += piece)
        CHECK(talk.say(bytes.substr(from, piece)) == Advance::all);
      REQUIRE(talk.starts().size() == 1);
      const VectorSpace::Record& start = *talk.starts()[0];
      CHECK(start[Tag::statement] == "delete from t");
      CHECK(start.integer(Tag::statement_begin) == static_cast<int64_t>(comment.size()));
      const VectorSpace::Record& with_digest = is_parse ? start : talk.whole();
      CHECK(with_digest[Tag::statement_sha256] == crypto::view_of(crypto::sha256(text)));
      CHECK(with_digest.integer(Tag::statement_bytes) == static_cast<int64_t>(text.size()));
    }
  }
}
