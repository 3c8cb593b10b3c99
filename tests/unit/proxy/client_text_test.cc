// Whatever a client sends, what it is told of ours is valid text in its encoding.
#include <doctest/doctest.h>

#include <random>

#include "access_fixture.h"
#include "messages.h"
#include "proxy/pg/conversation.h"
#include "ringfence/base/utf8.h"
#include "ringfence/pg/messages.h"
#include "vector_space.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

bool is_valid_in(std::string_view text, const std::string& encoding) {
  if (encoding == "SQL_ASCII" || encoding == "UTF8") return is_valid_text(text);
  std::string room;
  return pg::convert(text, pg::Encoding::named(encoding), pg::Encoding::named("UTF8"), room).has_value();
}

// The refusal of the text as the client gets it; empty: it was not refused.
std::string refusal_of(const std::string& text, const std::string& encoding, bool is_parse) {
  VectorSpace space;
  ShardCounters counters;
  TrailDoor door{space, counters, IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  Limits limits;
  Recorder recorder{door};
  JudgeSpace judges{HashKey{1, 2}};
  auto kept = policies_for("*", policy::Level::read);
  auto judge = std::make_shared<StatementJudge>(kept->access({"x"}, {}), policy::SessionFacts{}, judges);
  Conversation conversation{recorder, pools, counters, limits, std::make_unique<Gate>(judge, "nonce")};
  conversation.note_parameter("client_encoding", encoding);
  std::string bytes;
  if (is_parse) {
    pg::append_parse(bytes, "", text);
    pg::append_sync(bytes);
  } else {
    pg::append_query(bytes, text);
  }
  size_t at = 0;
  REQUIRE(conversation.client().advance(bytes, at, {1'000, 1}) == Advance::all);
  const std::string sent(conversation.client().to_server(bytes));
  if (sent == bytes) return {};
  // The server answers to the stand-in.
  const size_t name = sent.find("rf_nonce");
  REQUIRE(name != sent.npos);
  std::string answer;
  const std::string quoted =
      "syntax error at or near \"" + sent.substr(name, sent.find('\0', name) - name) + "\"";
  pg::append_error_response(answer, {.sqlstate = "42601", .message = quoted, .position = 1});
  answer += message('Z', "I");
  at = 0;
  REQUIRE(conversation.server().advance(answer, at, {2'000, 2}) == Advance::all);
  const std::string told(conversation.server().to_client(answer));
  CHECK(told.find("rf_nonce") == told.npos);
  const uint32_t length = detail::load_be<uint32_t>(told.data() + 1);
  const std::string body = told.substr(5, length - 4);
  auto fields = pg::parse_error_fields(body);
  REQUIRE(fields);
  for (std::string_view field : {fields->message, fields->detail, fields->hint, fields->sqlstate})
    CHECK_MESSAGE(is_valid_in(field, encoding), encoding);
  return std::string(fields->message);
}

}  // namespace

TEST_CASE("every field of a refusal is valid in the client's encoding, whatever bytes were refused") {
  std::mt19937 random(11);
  const std::string pieces[] = {"SELECT 1",
                                "\xef\xbc\x9b",
                                "DELETE",
                                "\xc3",
                                "\xe9",
                                " ",
                                "\xe2\x80\xa6",
                                "'",
                                "\"",
                                "\xff",
                                "x",
                                "\xf0\x9f\x98\x80",
                                "lo_create(0)",
                                "$",
                                "1",
                                "\\",
                                "/*",
                                "\x80",
                                "COPY t FROM STDIN",
                                "\x01",
                                "(",
                                ";"};
  size_t refused = 0;
  for (const char* encoding :
       {"UTF8", "LATIN1", "WIN1252", "WIN1251", "KOI8R", "SQL_ASCII", "EUC_JP", "EUC_KR"}) {
    CAPTURE(encoding);
    for (int i = 0; i < 300; ++i) {
      std::string text = random() % 2 == 0 ? "SELECT 1" : "";
      for (size_t n = 1 + random() % 8; n > 0; --n) {
        if (random() % 4 == 0) text += static_cast<char>(1 + random() % 255);
        else text += pieces[random() % std::size(pieces)];
      }
      CAPTURE(text);
      refused += refusal_of(text, encoding, random() % 2 == 0).empty() ? 0 : 1;
    }
  }
  CHECK(refused > 1'000);
}

TEST_CASE("a refusal quotes whole tokens") {
  const std::string text =
      "SELECT 1\xef\xbc\x9b"
      "DELETE FROM t";
  CHECK(refusal_of(text, "UTF8", false)
            .find("\"1\xef\xbc\x9b"
                  "DELETE\"") != std::string::npos);
  CHECK(refusal_of(text, "LATIN1", false).find("is not sent in UTF-8") != std::string::npos);
  CHECK(refusal_of("COPY t FROM STDIN", "UTF8", false).find("COPY \xe2\x80\xa6 FROM") != std::string::npos);
  CHECK(refusal_of("COPY t FROM STDIN", "WIN1252", false).find("COPY \x85 FROM") != std::string::npos);
  CHECK(refusal_of("COPY t FROM STDIN", "LATIN1", false).find("COPY ? FROM") != std::string::npos);
}
