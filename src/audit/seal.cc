#include "audit/seal.h"

#include <algorithm>

#include "audit/numbers.h"
#include "ringfence/base/state_file.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::audit {
namespace {

constexpr const char* key_name = "seal.key";

bool is_at_beginning(const Checkpoint& checkpoint) {
  return checkpoint.position == 0 && checkpoint.next_seq == 1 && checkpoint.told == 0;
}

}  // namespace

bool SealedState::is_initial() const {
  return head.chain_no == 0 && writer_next_seq == 1 && open.count == 0 &&
         std::all_of(checkpoints.begin(), checkpoints.end(), is_at_beginning);
}

Sealer::Sealer(std::string node, ByteView key, const Uuid& state_id)
    : node_(std::move(node)), state_id_(state_id), mac_(key) {}

crypto::Digest Sealer::over(std::string_view kind, ByteView bytes, ByteView more) {
  std::string head;
  ringfence::Writer(head).cstr(kind).u32(static_cast<uint32_t>(node_.size())).bytes(node_);
  mac_.update(head);
  mac_.update(bytes);
  mac_.update(more);
  return mac_.finish();
}

crypto::Digest Sealer::start(uint32_t shard, uint64_t seq, bool is_written, ByteView fields) {
  bytes_.clear();
  ringfence::Writer(bytes_)
      .u32(shard)
      .u64(seq)
      .u8(is_written ? 1 : 0)
      .u32(static_cast<uint32_t>(fields.size()));
  return over("ringfence open start 1", bytes_, fields);
}

crypto::Digest Sealer::mark(uint32_t shard, uint64_t seq, bool is_written) {
  bytes_.clear();
  ringfence::Writer(bytes_).u32(shard).u64(seq).u8(is_written ? 1 : 0);
  return over("ringfence open mark 1", bytes_);
}

crypto::Digest Sealer::state(const SealedState& state) {
  std::vector<Checkpoint> moved;
  for (const Checkpoint& checkpoint : state.checkpoints) {
    if (!is_at_beginning(checkpoint)) moved.push_back(checkpoint);
  }
  std::sort(moved.begin(), moved.end(),
            [](const Checkpoint& a, const Checkpoint& b) { return a.shard < b.shard; });
  bytes_.clear();
  ringfence::Writer out(bytes_);
  out.bytes(ByteView(reinterpret_cast<const char*>(state_id_.bytes.data()), state_id_.bytes.size()));
  out.u64(state.head.chain_no).u64(state.head.recorded_at).bytes(crypto::view_of(state.head.hash));
  out.u64(state.writer_next_seq).u64(state.open.count).bytes(crypto::view_of(state.open.sum));
  out.u32(static_cast<uint32_t>(moved.size()));
  for (const Checkpoint& checkpoint : moved) {
    out.u32(checkpoint.shard).u64(checkpoint.position).u64(checkpoint.next_seq).u64(checkpoint.told);
  }
  return over("ringfence checkpoints 1", bytes_);
}

crypto::Digest Sealer::line(ByteView line) { return over("ringfence head 1", line); }

bool Sealer::is_start(ByteView seal, uint32_t shard, uint64_t seq, bool is_written, ByteView fields) {
  return crypto::constant_time_equal(seal, crypto::view_of(start(shard, seq, is_written, fields)));
}

Result<std::string> read_seal_key(const std::string& directory) {
  auto key = read_file(directory, key_name, seal_key_bytes);
  if (!key) return key;
  if (key->size() != seal_key_bytes) {
    return fail(Fault::malformed,
                directory + "/" + key_name + " does not hold 32 bytes: bring it back from a backup");
  }
  return key;
}

Result<std::string> seal_key(const std::string& directory) {
  auto known = read_seal_key(directory);
  if (known || known.error().fault != Fault::not_found) return known;
  auto head = read_file(directory, "head", size_t{1} << 20);
  if (head || head.error().fault != Fault::not_found) {
    return fail(Fault::not_found,
                directory + "/" + key_name + " is missing, and " + directory +
                    "/head was made with it: bring it back from a backup, or remove that file and accept "
                    "the store by the code that the next start names");
  }
  auto made = crypto::random_bytes(seal_key_bytes);
  if (!made) return made;
  if (auto kept = create_file(directory, key_name, *made); !kept) return unexpected(std::move(kept.error()));
  return made;
}

}  // namespace ringfence::audit
