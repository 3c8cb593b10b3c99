// First byte: how many split points follow (low four bits) and the bound's size (high bits); then that many
// bytes, each the distance to the next split; then the stream. Chunked and one-shot cutting have to agree.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "ringfence/pg/frame.h"

using namespace ringfence;
using namespace ringfence::pg;

namespace {

struct Outcome {
  std::string messages;  // Header and body of each message, as far as they came.
  bool is_broken = false;
  std::string error;
};

void cut_chunk(FrameCursor& cursor, ByteView chunk, Outcome& out) {
  size_t at = 0;
  size_t last_end = 0;
  FrameSegment segment;
  FrameCursor::Step step;
  while ((step = cursor.next(chunk, at, segment)) == FrameCursor::Step::segment) {
    if (segment.begin != last_end || segment.end != at || at > chunk.size()) std::abort();
    last_end = at;
    if (segment.is_first) {
      auto header = frame_header(segment.type, segment.body_length);
      out.messages.append(header.data(), header.size());
    }
    out.messages += segment.piece;
    if (segment.is_last != (cursor.body_remaining() == 0)) std::abort();
  }
  if (step == FrameCursor::Step::broken) {
    out.is_broken = true;
    out.error = cursor.error().message;
  } else if (at != chunk.size()) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t splits = data[0] & 15;
  const uint32_t length_max = 4u << (data[0] >> 4);
  if (size < 1 + splits) return 0;
  const ByteView stream(reinterpret_cast<const char*>(data) + 1 + splits, size - 1 - splits);

  Outcome whole;
  FrameCursor one(length_max);
  cut_chunk(one, stream, whole);

  Outcome chunked;
  FrameCursor many(length_max);
  ByteView rest = stream;
  for (size_t i = 0; i <= splits && !chunked.is_broken; ++i) {
    const size_t take = i == splits ? rest.size() : std::min<size_t>(data[1 + i], rest.size());
    // A copy of exactly this size, so that the address sanitizer sees a read past its end.
    const std::vector<char> chunk(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(take));
    cut_chunk(many, ByteView(chunk.data(), chunk.size()), chunked);
    rest.remove_prefix(take);
  }
  if (whole.messages != chunked.messages || whole.is_broken != chunked.is_broken ||
      whole.error != chunked.error)
    std::abort();
  if (!whole.is_broken && whole.messages + std::string(one.held_header()) != stream) std::abort();
  return 0;
}
