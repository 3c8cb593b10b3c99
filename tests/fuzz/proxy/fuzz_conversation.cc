// Bytes of both directions, as the input says, into a Conversation whose trail now and then has no room.
// Input: chunks, each two bytes (1 bit direction, 1 bit whether the trail is full at first, 14 bits length)
// and its bytes.
#include <algorithm>

#include "proxy/pg/conversation.h"
#include "record_space.h"

using namespace ringfence;
using namespace ringfence::proxy;
using fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Ground ground(256);
  Conversation conversation(ground.recorder, ground.pools, ground.counters, ground.limits);
  Reader in(ByteView(reinterpret_cast<const char*>(data), size));
  Now now{1000, 1};
  bool is_broken[2] = {false, false};
  while (in.remaining() >= 2) {
    uint16_t head = in.u16();
    bool from_client = (head & 1) != 0;
    ground.space.is_full = (head & 2) != 0;
    // A copy of exactly this size, so that the address sanitizer sees a read past its end.
    ByteView view = in.bytes(std::min<size_t>(in.remaining(), head >> 2));
    std::vector<char> chunk(view.begin(), view.end());
    if (is_broken[from_client]) continue;
    size_t at = 0;
    for (;;) {
      ByteView bytes(chunk.data(), chunk.size());
      now = {now.ns + 1000, now.us + 1};
      Advance advance = from_client ? conversation.client().advance(bytes, at, now)
                                    : conversation.server().advance(bytes, at, now);
      must(at <= chunk.size(), "read past the chunk");
      if (advance == Advance::all) break;
      if (advance == Advance::wait_trail) {
        must(ground.space.is_full, "waits though there is room");
        ground.make_room();
        continue;
      }
      // Broken, or a full queue: the session would end here, or answers come first.
      is_broken[from_client] = true;
      break;
    }
  }
  conversation.abandon(now);
  ground.make_room();
  ground.must_be_whole();
  must(conversation.queue().is_empty(), "abandon left something open");
  return 0;
}
