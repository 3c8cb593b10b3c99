// Cuts a stream of PostgreSQL messages (type byte, length, body; "Message Formats") that arrives in arbitrary
// chunks, without copying and without a buffer.
//
// What always holds: between chunks the cursor keeps at most five header bytes and two counters. Each body
// byte of the stream is shown exactly once, in order. The segments of one chunk lie one after the other in
// it; only a header that the chunk's end cuts belongs to none of them, and that one stands at the very end.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

namespace ringfence::pg {

// Message types. The same letter may mean one thing from the client and another from the server.
namespace from_client {
constexpr char bind = 'B', close = 'C', copy_data = 'd', copy_done = 'c', copy_fail = 'f', describe = 'D',
               execute = 'E', flush = 'H', function_call = 'F', parse = 'P', password = 'p', query = 'Q',
               sync = 'S', terminate = 'X';  // 'p' is also SASLInitialResponse, SASLResponse and GSSResponse.
}
namespace from_server {
constexpr char authentication = 'R', backend_key_data = 'K', bind_complete = '2', close_complete = '3',
               command_complete = 'C', copy_both_response = 'W', copy_data = 'd', copy_done = 'c',
               copy_in_response = 'G', copy_out_response = 'H', data_row = 'D', empty_query_response = 'I',
               error_response = 'E', function_call_response = 'V', negotiate_protocol_version = 'v',
               no_data = 'n', notice_response = 'N', notification_response = 'A', parameter_description = 't',
               parameter_status = 'S', parse_complete = '1', portal_suspended = 's', ready_for_query = 'Z',
               row_description = 'T';
}

constexpr uint32_t frame_header_size = 5;

// A message's header: it is a pure function of type and body length, so that a header which came in two
// chunks need not be kept to be sent on.
inline std::array<char, frame_header_size> frame_header(char type, uint32_t body_length) {
  std::array<char, frame_header_size> out;
  out[0] = type;
  detail::store_be<uint32_t>(out.data() + 1, body_length + 4);
  return out;
}

// A piece of one message as it stands in one chunk.
struct FrameSegment {
  char type = 0;
  bool is_first = false;  // The message's header ends in this chunk.
  bool is_last = false;   // The piece ends the message.
  uint8_t header_before =
      0;                     // Header bytes that stood at the end of earlier chunks; 0..4, 0 unless is_first.
  uint32_t body_length = 0;  // Of the whole message.
  uint32_t body_offset = 0;  // Of this piece in the body.
  ByteView piece;            // Body bytes; empty if the body is, or if the chunk ends with the header.
  size_t begin = 0;          // In the chunk: header (what of it stands here) and piece together.
  size_t end = 0;
};

class FrameCursor {
 public:
  enum class Step : uint8_t { segment, need_more, broken };

  // `length_max` bounds the message's length field, which counts itself (4) and the body.
  explicit FrameCursor(uint32_t length_max) : length_max_(length_max) {}

  // The next segment of `chunk` from `position`, which starts at 0 for each chunk and is moved on by each
  // call:
  //
  //   size_t at = 0;
  //   while (cursor.next(chunk, at, segment) == FrameCursor::Step::segment) …
  //
  // need_more: the chunk is used up. broken: see error(); the stream cannot be read further, and every later
  // call says so again. A message is shown as soon as its header is complete.
  Step next(ByteView chunk, size_t& position, FrameSegment& out) {
    const size_t available = chunk.size() - position;
    // A message that begins here with its whole header. An open message has body bytes missing (remaining_),
    // a cut header has header_have_; neither is the rule.
    if ((remaining_ | header_have_) == 0 && available >= frame_header_size) [[likely]] {
      const char* p = chunk.data() + position;
      const uint32_t length = detail::load_be<uint32_t>(p + 1);
      if (length - 4u > length_max_ - 4u) [[unlikely]]
        return reject(p[0], length);
      const uint32_t body = length - 4;
      const size_t piece = std::min<size_t>(body, available - frame_header_size);
      out.type = p[0];
      out.is_first = true;
      out.is_last = piece == body;
      out.header_before = 0;
      out.body_length = body;
      out.body_offset = 0;
      out.piece = ByteView(p + frame_header_size, piece);
      out.begin = position;
      out.end = position += frame_header_size + piece;
      if (!out.is_last) [[unlikely]]
        open(p[0], body, piece);
      return Step::segment;
    }
    return next_slow(chunk, position, out);
  }

  // Messages of this type that stand whole in `chunk` from `position` on, which is moved behind them.
  struct Run {
    uint32_t messages = 0;
    size_t bytes = 0;  // Headers included.
  };
  // No more of them, and no more bytes, than these.
  Run next_run(ByteView chunk, size_t& position, char type, uint64_t messages_max = ~uint64_t{0},
               uint64_t bytes_max = ~uint64_t{0}) const {
    Run run;
    if ((remaining_ | header_have_) != 0) return run;
    const char* const begin = chunk.data() + position;
    size_t available = std::min<uint64_t>(chunk.size() - position, bytes_max);
    const char* p = begin;
    while (available >= frame_header_size && *p == type && run.messages < messages_max) {
      // Counts itself, but not the type.
      const size_t length = detail::load_be<uint32_t>(p + 1);
      if (length < 4 || length > length_max_ || length >= available) break;
      p += length + 1;
      available -= length + 1;
      ++run.messages;
    }
    run.bytes = static_cast<size_t>(p - begin);
    position += run.bytes;
    return run;
  }

  // Nothing of a message is open: neither body bytes nor header bytes are missing.
  bool at_boundary() const { return remaining_ == 0 && header_have_ == 0; }
  // Body bytes of the open message that are still to come; 0 if none is open.
  uint32_t body_remaining() const { return broken_ ? 0 : remaining_; }
  // Header bytes held from the end of the last chunk: 0..4.
  ByteView held_header() const { return ByteView(header_, header_have_); }
  // How much of `chunk`, which comes next, belongs to the message that is open: 0 at a boundary. All of it
  // where the message does not end in it, or has no end because it breaks the protocol.
  size_t open_message_bytes(ByteView chunk) const;
  // The open message's type; meaningful while body_remaining() is not 0.
  char open_type() const { return type_; }

  // `size` body bytes of the open message went past without being shown (through a pipe, say); at most
  // body_remaining().
  void skip(uint32_t size) {
    RINGFENCE_ASSERT(!broken_ && size <= remaining_);
    remaining_ -= size;
  }
  // For later headers, for example after authentication.
  void set_length_max(uint32_t length_max) { length_max_ = length_max; }
  // After Step::broken: which message type announced which length.
  Error error() const;

 private:
  Step next_slow(ByteView chunk, size_t& position, FrameSegment& out);
  Step reject(char type, uint32_t length);
  void open(char type, uint32_t body, size_t shown) {
    type_ = type;
    body_length_ = body;
    remaining_ = body - static_cast<uint32_t>(shown);
  }

  uint32_t length_max_;
  uint32_t body_length_ = 0;
  uint32_t remaining_ = 0;  // When broken: not 0, so that next() takes the slow way.
  char header_[frame_header_size - 1] = {};
  uint8_t header_have_ = 0;
  char type_ = 0;
  bool broken_ = false;
};
static_assert(sizeof(FrameCursor) <= 24);

}  // namespace ringfence::pg
