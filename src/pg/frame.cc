#include "ringfence/pg/frame.h"

#include "text.h"

namespace ringfence::pg {

FrameCursor::Step FrameCursor::reject(char type, uint32_t length) {
  broken_ = true;
  type_ = type;
  body_length_ = length;
  remaining_ = 1;
  header_have_ = 0;
  return Step::broken;
}

FrameCursor::Step FrameCursor::next_slow(ByteView chunk, size_t& position, FrameSegment& out) {
  if (broken_) return Step::broken;
  const size_t available = chunk.size() - position;
  if (available == 0) return Step::need_more;
  const char* p = chunk.data() + position;
  out = FrameSegment{};
  out.begin = position;

  if (remaining_ > 0) {  // The next piece of an open message.
    const size_t piece = std::min<size_t>(remaining_, available);
    out.body_offset = body_length_ - remaining_;
    remaining_ -= static_cast<uint32_t>(piece);
    out.type = type_;
    out.is_last = remaining_ == 0;
    out.body_length = body_length_;
    out.piece = ByteView(p, piece);
    out.end = position += piece;
    return Step::segment;
  }

  const size_t missing = frame_header_size - header_have_;
  if (available < missing) {  // The chunk ends within a header.
    std::memcpy(header_ + header_have_, p, available);
    header_have_ = static_cast<uint8_t>(header_have_ + available);
    position += available;
    return Step::need_more;
  }

  // A header that began in an earlier chunk is complete now.
  char header[frame_header_size];
  std::memcpy(header, header_, header_have_);
  std::memcpy(header + header_have_, p, missing);
  const uint32_t length = detail::load_be<uint32_t>(header + 1);
  if (length - 4u > length_max_ - 4u) return reject(header[0], length);
  const uint32_t body = length - 4;
  const size_t piece = std::min<size_t>(body, available - missing);
  out.type = header[0];
  out.is_first = true;
  out.is_last = piece == body;
  out.header_before = header_have_;
  out.body_length = body;
  out.piece = ByteView(p + missing, piece);
  out.end = position += missing + piece;
  header_have_ = 0;
  open(header[0], body, piece);
  return Step::segment;
}

size_t FrameCursor::open_message_bytes(ByteView chunk) const {
  if (broken_) return chunk.size();
  if (remaining_ > 0) return std::min<size_t>(remaining_, chunk.size());
  if (header_have_ == 0) return 0;
  const size_t missing = frame_header_size - header_have_;
  if (chunk.size() < missing) return chunk.size();
  char header[frame_header_size];
  std::memcpy(header, header_, header_have_);
  std::memcpy(header + header_have_, chunk.data(), missing);
  const uint32_t length = detail::load_be<uint32_t>(header + 1);
  if (length - 4u > length_max_ - 4u) return chunk.size();
  return std::min<size_t>(missing + (length - 4), chunk.size());
}

Error FrameCursor::error() const {
  const int32_t length = static_cast<int32_t>(body_length_);
  std::string text =
      "message of type " + printable_type(type_) + " announces length " + std::to_string(length);
  if (length < 4) return Error{Fault::malformed, text + "; the least is 4"};
  return Error{Fault::limit, text + "; the most accepted here is " + std::to_string(length_max_)};
}

}  // namespace ringfence::pg
