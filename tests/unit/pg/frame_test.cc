#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ringfence/pg/build.h"
#include "ringfence/pg/frame.h"

using namespace ringfence;
using namespace ringfence::pg;

namespace {

struct Message {
  char type = 0;
  std::string body;
  bool operator==(const Message&) const = default;
};

// Cuts the chunks, checks what FrameSegment promises and gives the whole messages.
std::vector<Message> cut(const std::vector<ByteView>& chunks, FrameCursor& cursor) {
  std::vector<Message> out;
  uint32_t shown = 0;
  for (ByteView chunk : chunks) {
    const size_t held = cursor.held_header().size();
    size_t at = 0;
    size_t last_end = 0;
    FrameSegment segment;
    FrameCursor::Step step;
    while ((step = cursor.next(chunk, at, segment)) == FrameCursor::Step::segment) {
      REQUIRE(segment.begin == last_end);
      REQUIRE(segment.end == at);
      last_end = segment.end;
      if (segment.is_first) {
        REQUIRE(segment.header_before == (segment.begin == 0 ? held : 0));
        const size_t header_here = frame_header_size - segment.header_before;
        REQUIRE(segment.piece.data() == chunk.data() + segment.begin + header_here);
        REQUIRE(segment.end == segment.begin + header_here + segment.piece.size());
        out.push_back({segment.type, {}});
        shown = 0;
      } else {
        REQUIRE(segment.header_before == 0);
        REQUIRE(segment.piece.data() == chunk.data() + segment.begin);
        REQUIRE(!segment.piece.empty());
      }
      REQUIRE(segment.type == out.back().type);
      REQUIRE(segment.body_offset == shown);
      shown += static_cast<uint32_t>(segment.piece.size());
      out.back().body += segment.piece;
      REQUIRE(segment.is_last == (shown == segment.body_length));
      REQUIRE(cursor.body_remaining() == segment.body_length - shown);
    }
    if (step == FrameCursor::Step::broken) return out;
    REQUIRE(at == chunk.size());
    // What is left of the chunk is the held part of a header, or its end.
    if (last_end > 0 || held == 0) REQUIRE(cursor.held_header() == chunk.substr(last_end));
  }
  return out;
}

std::vector<Message> cut(const std::vector<ByteView>& chunks) {
  FrameCursor cursor(1000);
  auto out = cut(chunks, cursor);
  REQUIRE(cursor.at_boundary());
  return out;
}

std::string sample() {
  std::string stream;
  append_query(stream, "select 1");
  append_sync(stream);
  append_parse(stream, "s", "select $1");
  append_sync(stream);
  append_copy_fail(stream, "");
  return stream;
}

const std::vector<Message> sample_messages = {
    {'Q', std::string("select 1\0", 9)}, {'S', ""}, {'P', std::string("s\0select $1\0\0\0", 14)}, {'S', ""},
    {'f', std::string("\0", 1)},
};

}  // namespace

TEST_CASE("messages are cut from one chunk") { CHECK(cut({sample()}) == sample_messages); }

TEST_CASE("messages are cut the same at every two split points") {
  const std::string stream = sample();
  const ByteView all = stream;
  for (size_t a = 0; a <= all.size(); ++a)
    for (size_t b = a; b <= all.size(); ++b)
      REQUIRE(cut({all.substr(0, a), all.substr(a, b - a), all.substr(b)}) == sample_messages);
}

TEST_CASE("messages are cut the same byte by byte") {
  const std::string stream = sample();
  std::vector<ByteView> chunks;
  for (size_t i = 0; i < stream.size(); ++i) chunks.push_back(ByteView(stream).substr(i, 1));
  CHECK(cut(chunks) == sample_messages);
}

TEST_CASE("a header is known before its body comes, and the held bytes of a cut header can be made again") {
  const std::string stream = sample();
  FrameCursor cursor(1000);
  FrameSegment segment;
  size_t at = 0;
  CHECK(cursor.next(ByteView(stream).substr(0, 3), at, segment) == FrameCursor::Step::need_more);
  CHECK(cursor.held_header() == stream.substr(0, 3));
  CHECK_FALSE(cursor.at_boundary());
  at = 0;
  REQUIRE(cursor.next(ByteView(stream).substr(3, 2), at, segment) == FrameCursor::Step::segment);
  CHECK(segment.is_first);
  CHECK_FALSE(segment.is_last);
  CHECK(segment.header_before == 3);
  CHECK(segment.body_length == 9);
  CHECK(cursor.open_type() == 'Q');
  auto header = frame_header(segment.type, segment.body_length);
  CHECK(ByteView(header.data(), header.size()) == stream.substr(0, 5));
}

TEST_CASE("body bytes that went another way can be skipped") {
  const std::string stream = sample();
  FrameCursor cursor(1000);
  FrameSegment segment;
  size_t at = 0;
  REQUIRE(cursor.next(ByteView(stream).substr(0, 7), at, segment) == FrameCursor::Step::segment);
  CHECK(cursor.body_remaining() == 7);
  cursor.skip(7);
  CHECK(cursor.at_boundary());
  auto rest = cut({ByteView(stream).substr(14)}, cursor);
  CHECK(rest == std::vector<Message>(sample_messages.begin() + 1, sample_messages.end()));
}

TEST_CASE("a length below four or above the bound breaks the stream and is named, at every split") {
  struct Example {
    std::string bytes;
    Fault fault;
    std::string_view message;
  };
  for (const Example& example : {
           Example{std::string("Q\0\0\0\3", 5), Fault::malformed,
                   "message of type 'Q' announces length 3; the least is 4"},
           Example{std::string("\0\0\0\0\0", 5), Fault::malformed,
                   "message of type 0x00 announces length 0; the least is 4"},
           Example{std::string("D\0\0\3\xe9", 5), Fault::limit,
                   "message of type 'D' announces length 1001; the most accepted here is 1000"},
           Example{std::string("D\xff\xff\xff\xff", 5), Fault::malformed,
                   "message of type 'D' announces length -1; the least is 4"},
       })
    for (size_t split = 0; split <= 5; ++split) {
      FrameCursor cursor(1000);
      FrameSegment segment;
      const std::string bytes = example.bytes + "more";
      size_t at = 0;
      if (split < 5)
        REQUIRE(cursor.next(ByteView(bytes).substr(0, split), at, segment) == FrameCursor::Step::need_more);
      at = 0;
      const ByteView rest = ByteView(bytes).substr(split < 5 ? split : 0);
      CHECK(cursor.next(rest, at, segment) == FrameCursor::Step::broken);
      CHECK(cursor.next(rest, at, segment) == FrameCursor::Step::broken);
      CHECK(cursor.error().fault == example.fault);
      CHECK(cursor.error().message == example.message);
    }
}

TEST_CASE("a message of exactly the bound passes, and the bound can change") {
  FrameCursor cursor(12);
  std::string stream;
  append_query(stream, "1234567");
  CHECK(cut({stream}, cursor).size() == 1);
  cursor.set_length_max(11);
  cut({stream}, cursor);
  CHECK(cursor.error().fault == Fault::limit);
}

namespace {
// Counts rows as whoever follows a stream does: by runs wherever whole messages follow one another.
struct Counts {
  uint32_t rows = 0;
  size_t row_bytes = 0;
  uint32_t others = 0;
  bool is_broken = false;
  bool operator==(const Counts&) const = default;
};
Counts count(const std::vector<ByteView>& chunks, bool by_runs, uint32_t length_max = 64) {
  Counts out;
  FrameCursor cursor(length_max);
  for (ByteView chunk : chunks) {
    size_t at = 0;
    FrameSegment segment;
    for (;;) {
      if (by_runs) {
        const FrameCursor::Run run = cursor.next_run(chunk, at, 'D');
        out.rows += run.messages;
        out.row_bytes += run.bytes;
      }
      const FrameCursor::Step step = cursor.next(chunk, at, segment);
      out.is_broken = step == FrameCursor::Step::broken;
      if (step != FrameCursor::Step::segment) break;
      if (!segment.is_first) continue;
      out.rows += segment.type == 'D';
      if (segment.type == 'D') out.row_bytes += frame_header_size + segment.body_length;
      else ++out.others;
    }
    if (out.is_broken) break;
  }
  return out;
}
}  // namespace

TEST_CASE(
    "a run passes over whole messages of its type, and counts what cutting them would, at every two split "
    "points") {
  std::string stream;
  auto add = [&](char type, size_t body) {
    auto header = frame_header(type, static_cast<uint32_t>(body));
    stream.append(header.data(), header.size()).append(body, 'D');
  };
  for (size_t body : {3, 0, 7, 1}) add('D', body);
  add('C', 4);
  add('D', 2);
  add('D', 0);
  add('Z', 1);
  std::string broken = stream;
  broken.append("D\0\0\0\3xx", 7);
  std::string too_long = stream;
  too_long.append("D\0\0\0\101", 5);
  for (const std::string& text : {stream, broken, too_long}) {
    const Counts expected = count({text}, false);
    CHECK(expected.rows == 6);
    CHECK(expected.is_broken == (text != stream));
    const ByteView all(text);
    for (size_t first = 0; first <= all.size(); ++first) {
      for (size_t second = first; second <= all.size(); ++second) {
        const std::vector<ByteView> chunks{all.substr(0, first), all.substr(first, second - first),
                                           all.substr(second)};
        REQUIRE(count(chunks, true) == expected);
      }
    }
  }
}

TEST_CASE("how much of what comes next is the open message's is known at every cut") {
  const std::string stream = sample();
  std::vector<size_t> ends;
  {
    FrameCursor cursor(1000);
    FrameSegment segment;
    for (size_t at = 0; cursor.next(stream, at, segment) == FrameCursor::Step::segment;)
      ends.push_back(segment.end);
  }
  for (size_t cut_at = 0; cut_at <= stream.size(); ++cut_at) {
    FrameCursor cursor(1000);
    FrameSegment segment;
    size_t at = 0;
    while (cursor.next(stream.substr(0, cut_at), at, segment) == FrameCursor::Step::segment) {
    }
    size_t end = 0;
    for (size_t each : ends) {
      if (end < cut_at) end = each;
    }
    for (size_t more = 0; cut_at + more <= stream.size(); ++more) {
      REQUIRE(cursor.open_message_bytes(ByteView(stream).substr(cut_at, more)) ==
              std::min(more, end - cut_at));
    }
  }
}

TEST_CASE("a message that has no end has all that comes next") {
  FrameCursor cursor(1000);
  FrameSegment segment;
  size_t at = 0;
  CHECK(cursor.next(ByteView("D\0\0", 3), at, segment) == FrameCursor::Step::need_more);
  CHECK(cursor.open_message_bytes(ByteView("\0\3more", 6)) == 6);
  CHECK(cursor.open_message_bytes(ByteView("\xff\xff", 2)) == 2);
  at = 0;
  CHECK(cursor.next(ByteView("\0\3", 2), at, segment) == FrameCursor::Step::broken);
  CHECK(cursor.open_message_bytes("more") == 4);
}
