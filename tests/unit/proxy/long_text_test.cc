// What is kept of texts and values beyond their bounds.
#include <doctest/doctest.h>

#include "proxy/pg/conversation.h"
#include "proxy/pg/parameters.h"
#include "ringfence/audit/json.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/pg/build.h"
#include "vector_space.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

std::string bind_of(const std::vector<std::string>& values, uint16_t format = 0) {
  std::string body("\0\0", 2);
  Writer out(body);
  out.u16(1).u16(format).u16(static_cast<uint16_t>(values.size()));
  for (const std::string& value : values) out.u32(static_cast<uint32_t>(value.size())).bytes(value);
  out.u16(0);
  return body;
}

std::string encoded(const std::string& body, size_t bytes_max, bool is_whole, bool& is_truncated) {
  std::string out;
  is_truncated = false;
  encode_bind_parameters(body, is_whole, nullptr, bytes_max, out, is_truncated);
  CHECK(out.size() <= bytes_max);
  CHECK((out.empty() || audit::is_canonical_json(out)));
  return out;
}

}  // namespace

TEST_CASE("of a value without room its beginning is kept, with its length") {
  bool is_truncated = false;
  CHECK(encoded(bind_of({"a", "b"}), 200, true, is_truncated) == "[\"a\",\"b\"]");
  CHECK(!is_truncated);
  std::string big(1000, 'p');
  std::string out = encoded(bind_of({"id", big, "behind"}), 200, true, is_truncated);
  CHECK(is_truncated);
  CHECK(out.starts_with("[\"id\",{\"bytes\":1000,\"prefix\":\"pppp"));
  CHECK(out.ends_with("p\"}]"));
  CHECK(out.size() > 190);
  // The message itself may end within the value.
  std::string body = bind_of({"id", big});
  out = encoded(body.substr(0, 100), 2000, false, is_truncated);
  CHECK(is_truncated);
  CHECK(out.find("{\"bytes\":1000,\"prefix\":\"ppp") != std::string::npos);
  // Escapes, characters of several bytes, bytes that are no text, binary values.
  for (std::string_view unit : {"\n", "\xc3\xa4", "\"", "\xf0\x9f\x90\x98", "\xff", "\x01"}) {
    std::string value;
    while (value.size() < 3000) value += unit;
    for (uint16_t format : {uint16_t{0}, uint16_t{1}}) {
      for (size_t bytes_max : {1, 2, 10, 40, 60, 61, 62, 63, 200, 1000}) {
        out = encoded(bind_of({value}, format), bytes_max < 2 ? 2 : bytes_max, true, is_truncated);
        CHECK(is_truncated);
        if (bytes_max >= 63)
          CHECK(out.find("\"bytes\":" + std::to_string(value.size())) != std::string::npos);
      }
    }
  }
}

TEST_CASE("of a text that is cut the digest of all of it is kept, whatever pieces it comes in") {
  std::string text = "select '" + std::string(3 << 20, 'x') + "'";
  struct Case {
    size_t length;
    bool is_cut;
  };
  for (Case one : {Case{100, false}, Case{65'536, false}, Case{70'000, true}, Case{1 << 20, true},
                   Case{text.size(), true}}) {
    for (bool is_parse : {false, true}) {
      for (size_t piece : {size_t{977}, size_t{16'384}, text.size() * 2}) {
        CAPTURE(one.length);
        CAPTURE(is_parse);
        CAPTURE(piece);
        VectorSpace space;
        ShardCounters counters;
        TrailDoor door{space, counters, IdSource(1)};
        pg::ObjectPools pools{HashKey{1, 2}};
        Limits limits;
        limits.statement_bytes_max = 65'536;
        Recorder recorder(door);
        Conversation conversation(recorder, pools, counters, limits);
        std::string sent = text.substr(0, one.length);
        crypto::Digest whole = crypto::sha256(sent);
        std::string bytes;
        if (is_parse) {
          pg::append_parse(bytes, "name", sent);
          pg::append_bind(bytes, "", "name");
          pg::append_execute(bytes, "");
          pg::append_sync(bytes);
        } else {
          pg::append_query(bytes, sent);
        }
        for (size_t from = 0; from < bytes.size(); from += piece) {
          size_t at = 0;
          CHECK(conversation.client().advance(ByteView(bytes).substr(from, piece), at, Now{1, 1}) ==
                Advance::all);
        }
        REQUIRE(space.records.size() == 1);
        const VectorSpace::Record& record = space.records[0];
        CHECK(record.fields.contains(audit::Tag::statement_truncated) == one.is_cut);
        CHECK(record.integer(audit::Tag::statement_bytes) == static_cast<int64_t>(sent.size()));
        CHECK(record[audit::Tag::statement_sha256] == (one.is_cut ? crypto::view_of(whole) : ByteView()));
      }
    }
  }
}

TEST_CASE("of a text with a secret no digest is kept") {
  pg::StatementText out;
  std::string text = "alter role x password 'hush' /*" + std::string(1000, 'x') + "*/";
  take_statement_text(text, text.size(), 200, out);
  CHECK(out.is_truncated);
  CHECK(out.is_redacted);
  CHECK(out.sha256().empty());
}

TEST_CASE("of a text with a secret all of it is kept to be sealed, with the digest of the whole") {
  const std::string text = "alter role x password 'hush' /*" + std::string(1000, 'x') + "*/";
  pg::StatementText out;
  take_statement_text(text, text.size(), 200, out);
  CHECK(out.unredacted().substr(0, 32) == crypto::view_of(crypto::sha256(text)));
  CHECK(out.unredacted().substr(32) == text.substr(0, 200));
  // Of a beginning the digest is the whole's, where that is known.
  const std::string whole(32, 'd');
  take_statement_text(text, text.size() + 1, 2'000, out, whole);
  CHECK(out.unredacted() == whole + text);
  out.clear();
  CHECK(out.unredacted().empty());
  take_statement_text("select 1", 8, 200, out);
  CHECK(out.unredacted().empty());
  take_statement_text("select set_config('app.jwt_secret', $2, $1)", 43, 200, out);
  CHECK_FALSE(out.is_redacted);
  CHECK(out.holds_secret());
  CHECK(out.secret_places == 2);
  CHECK(out.unredacted().empty());
}

TEST_CASE("a record has room for the largest text that is redacted and invalid at once") {
  std::string text = "alter role x password 'hush' /*";
  while (text.size() < Limits::statement_bytes_most + 100) text += '\xff';
  pg::StatementText out;
  take_statement_text(text, text.size(), Limits::statement_bytes_most, out);
  CHECK(out.is_redacted);
  CHECK(out.text.size() + out.raw().size() + out.unredacted().size() <=
        2 * Limits::statement_bytes_most + 32);
  VectorSpace space;
  ShardCounters counters;
  audit::TextSealer sealer(*audit::DataKeys::parse("0011223344556677 " + std::string(64, '1')), "node");
  TrailDoor door{space, counters, IdSource(1), {}, &sealer};
  Recorder recorder(door);
  const std::string parameters(Limits::parameters_bytes_most, '1');
  const std::string secret(secret_parameters_bytes_max, '2');
  REQUIRE(recorder.has_room(recorder.start_bytes(out, parameters.size(), secret.size())));
  recorder.start(out, parameters, false, 'E', 1, {}, {}, secret);
  REQUIRE(space.records.size() == 1);
  CHECK(space.records[0].fields.contains(audit::Tag::sealed));
}

TEST_CASE("parameters that are secrets are not shown, and they alone are kept") {
  const std::string bind = bind_of({"shown", "hush", "also shown"}, 0);
  bool is_truncated = false;
  std::string out;
  encode_bind_parameters(bind, true, nullptr, 1000, out, is_truncated, {.secrets = 2});
  CHECK(out == R"(["shown","***","also shown"])");
  out.clear();
  encode_bind_parameters(bind, true, nullptr, 1000, out, is_truncated, {.secrets = 2, .is_clear = true});
  CHECK(out == R"([null,"hush",null])");
  CHECK_FALSE(is_truncated);
}
