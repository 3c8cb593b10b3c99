// Bytes of both directions, as the input says, into a Conversation whose trail now and then has no room. Input:
// chunks, each two bytes (1 bit direction, 1 bit whether the trail is full at first, 14 bits length) and its bytes.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "proxy/conversation.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

class Space final : public audit::RecordSpace {
 public:
  char* reserve(size_t size_max) override {
    if (is_full) return nullptr;
    room_.resize(size_max);
    return room_.data();
  }
  uint64_t publish(audit::RecordKind kind, size_t size, uint64_t start_seq) override {
    must(size <= room_.size(), "more was published than reserved");
    ++seq_;
    if (kind == audit::RecordKind::start) open[seq_] = 0;
    if (kind == audit::RecordKind::outcome) {
      must(open.contains(start_seq), "an outcome names no start");
      must(++open[start_seq] == 1, "a statement ended twice");
    }
    return seq_;
  }
  std::map<uint64_t, int> open;
  bool is_full = false;

 private:
  std::string room_;
  uint64_t seq_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Space space;
  IdSource ids(1);
  ShardCounters counters;
  Deferred deferred;
  pg::ObjectPools pools{HashKey{1, 2}};
  Limits limits;
  limits.message_bytes_max = 1 << 20;
  limits.statement_bytes_max = 256;
  limits.parameters_bytes_max = 128;
  Recorder recorder(space, ids, counters, deferred);
  Conversation conversation(recorder, pools, counters, limits);
  Reader in(ByteView(reinterpret_cast<const char*>(data), size));
  Now now{1000, 1};
  bool is_broken[2] = {false, false};
  while (in.remaining() >= 2) {
    uint16_t head = in.u16();
    bool from_client = (head & 1) != 0;
    space.is_full = (head & 2) != 0;
    // A copy of exactly this size, so that the address sanitizer sees a read past its end.
    ByteView view = in.bytes(std::min<size_t>(in.remaining(), head >> 2));
    std::vector<char> chunk(view.begin(), view.end());
    if (is_broken[from_client]) continue;
    size_t at = 0;
    for (;;) {
      ByteView bytes(chunk.data(), chunk.size());
      now = {now.ns + 1000, now.us + 1};
      Advance advance = from_client ? conversation.client_bytes(bytes, at, now) : conversation.server_bytes(bytes, at, now);
      must(at <= chunk.size(), "read past the chunk");
      if (advance == Advance::all) break;
      if (advance == Advance::wait_trail) {
        must(space.is_full, "waits though there is room");
        space.is_full = false;
        recorder.flush_deferred();
        continue;
      }
      // Broken, or a full queue: the session would end here, or answers come first.
      is_broken[from_client] = true;
      break;
    }
  }
  conversation.abandon(now);
  space.is_full = false;
  recorder.flush_deferred();
  for (const auto& [number, ended] : space.open) must(ended == 1, "a statement has no outcome");
  must(conversation.queue().is_empty(), "abandon left something open");
  return 0;
}
