// Seals: what the node says of rows that it will read again from the store, so that nobody else's are
// believed.
//
// A seal is HMAC-SHA-256 under the state directory's key (`seal.key`) over the row's columns, each with its
// length, behind the name of its kind. The seal of the checkpoints is one for all of a node's, and says also
// which starts are open: an old row that is put back, and a row that is taken away, are noticed by it.
#pragma once

#include <string>
#include <vector>

#include "audit/rows.h"
#include "ringfence/audit/writer.h"
#include "ringfence/base/uuid.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::audit {

inline constexpr size_t seal_key_bytes = 32;

// Which starts are open, as their number and the sum (exclusive or) of their marks. A mark is never written
// anywhere.
struct OpenSet {
  uint64_t count = 0;
  crypto::Digest sum{};

  void add(const crypto::Digest& mark) {
    ++count;
    mix(mark);
  }
  void remove(const crypto::Digest& mark) {
    --count;
    mix(mark);
  }
  bool operator==(const OpenSet&) const = default;

 private:
  void mix(const crypto::Digest& mark) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] ^= mark[i];
  }
};

// What the seal of a node's checkpoints is about.
struct SealedState {
  std::vector<Checkpoint>
      checkpoints;  // Without the writer's own; those that are as at a journal's beginning do not count.
  RowEncoder::Head head;
  uint64_t writer_next_seq = 1;
  OpenSet open;

  // True when nothing was ever written: nobody has sealed that.
  bool is_initial() const;
};

// Belongs to one thread.
class Sealer {
 public:
  Sealer(std::string node, ByteView key, const Uuid& state_id);

  crypto::Digest start(uint32_t shard, uint64_t seq, bool is_written, ByteView fields);
  crypto::Digest mark(uint32_t shard, uint64_t seq, bool is_written);
  crypto::Digest state(const SealedState& state);
  // Of a line of the head file.
  crypto::Digest line(ByteView line);
  bool is_start(ByteView seal, uint32_t shard, uint64_t seq, bool is_written, ByteView fields);

 private:
  crypto::Digest over(std::string_view kind, ByteView bytes, ByteView more = {});

  std::string node_;
  Uuid state_id_;
  crypto::HmacSha256 mac_;
  std::string bytes_;
};

// The key of the state directory; made, where there is none and no head was kept under one.
Result<std::string> seal_key(const std::string& directory);
// Fault::not_found where there is none.
Result<std::string> read_seal_key(const std::string& directory);

}  // namespace ringfence::audit
