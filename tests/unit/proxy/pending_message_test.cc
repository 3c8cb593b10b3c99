// The client's message at hand: its states, the word that is said of it, and what of it is kept.
#include "proxy/pg/pending_message.h"

#include <doctest/doctest.h>

#include "ringfence/crypto/digest.h"

using namespace ringfence;
using namespace ringfence::proxy;
using State = PendingMessage::State;
using Word = PendingMessage::Word;

namespace {

pg::FrameSegment piece_of(char type, ByteView whole, size_t begin, size_t end) {
  pg::FrameSegment out;
  out.type = type;
  out.is_first = begin == 0;
  out.is_last = end == whole.size();
  out.body_length = static_cast<uint32_t>(whole.size());
  out.body_offset = static_cast<uint32_t>(begin);
  out.piece = whole.substr(begin, end - begin);
  out.begin = begin;
  out.end = end;
  return out;
}

}  // namespace

TEST_CASE("a message is let in once it had to wait for more than room") {
  PendingMessage message;
  for (const State state : {State::coming, State::untaken, State::judging}) {
    message.state = state;
    CHECK_FALSE(message.is_let_in());
  }
  for (const State state : {State::analysing, State::analysed, State::held, State::recording}) {
    message.state = state;
    CHECK(message.is_let_in());
  }
  message.state = State::held;
  message.release();
  CHECK(message.state == State::judging);
  CHECK(message.is_let_in());
}

TEST_CASE("a word that refuses ends an analysis, and is forgotten with the message") {
  PendingMessage message;
  CHECK(message.refusal() == nullptr);
  message.state = State::analysing;
  message.rare().text_to_analyse = "select 1";
  message.refuse(Refusal::unreadable_text());
  CHECK(message.state == State::judging);
  CHECK(message.word == Word::refused);
  CHECK(message.seen().text_to_analyse.empty());
  REQUIRE(message.refusal() != nullptr);
  CHECK(message.refusal()->rule == "analysis");
  message.refuse(Refusal::too_long(1), Word::dropped);
  CHECK(message.word == Word::dropped);
  CHECK(message.refusal()->rule == "sql_bytes_max");
  message.finish();
  CHECK(message.state == State::coming);
  CHECK(message.word == Word::none);
  CHECK(message.refusal() == nullptr);
}

TEST_CASE("of a message in pieces the beginning is kept, and of a long text the digest") {
  const std::string body = std::string(50, 'a') + std::string(50, 'b') + '\0';
  for (const size_t bytes_max : {size_t{200}, size_t{60}, size_t{0}}) {
    CAPTURE(bytes_max);
    PendingMessage message;
    for (size_t at = 0; at < body.size(); at += 25)
      message.keep(piece_of(pg::from_client::query, body, at, std::min(at + 25, body.size())), bytes_max);
    CHECK(message.seen().capture == body.substr(0, bytes_max));
    const std::string digest(crypto::view_of(crypto::sha256(body.substr(0, body.size() - 1))));
    CHECK(message.seen().sha256 == (bytes_max < body.size() ? digest : ""));
    CHECK(message.seen().text_bytes == (bytes_max < body.size() ? body.size() - 1 : 0));
    message.finish();
    CHECK(message.seen().capture.empty());
    CHECK(message.seen().sha256.empty());
  }
}

TEST_CASE("a segment that waits stands in the chunk that it was moved to") {
  const std::string chunk = "....select 1";
  PendingMessage message;
  message.move_chunk(chunk);
  CHECK_FALSE(message.own);
  message.wait(piece_of(pg::from_client::query, chunk, 4, chunk.size()));
  const std::string moved = chunk;
  message.move_chunk(moved);
  CHECK(message.own->segment->piece == "select 1");
  CHECK(message.own->segment->piece.data() == moved.data() + 4);
}
