#include "recent_successes.h"

#include "digest_place.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "ringfence/crypto/secret.h"

namespace ringfence::auth {
RecentSuccesses::RecentSuccesses(const crypto::Digest& key, size_t entries_max, uint64_t keep_ns)
    : key_(key), entries_max_(entries_max), keep_ns_(keep_ns) {}

RecentSuccesses::~RecentSuccesses() { crypto::secure_zero(key_); }

crypto::Digest RecentSuccesses::proof_of(const Uuid& user_id, ByteView stored, ByteView password) const {
  std::string message;
  // No piece of it stays in a smaller buffer. The length tells where the stored text ends.
  message.reserve(user_id.bytes.size() + sizeof(uint64_t) + stored.size() + password.size());
  Writer(message).bytes(crypto::view_of(user_id.bytes)).u64(stored.size()).bytes(stored).bytes(password);
  const crypto::Digest out = crypto::hmac_sha256(crypto::view_of(key_), message);
  crypto::secure_zero(message);
  return out;
}

bool RecentSuccesses::has(const crypto::Digest& proof, uint64_t now_ns) const {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(place_of(proof));
  if (found == entries_.end() || now_ns >= found->second.ends_ns) return false;
  return crypto::constant_time_equal(crypto::view_of(found->second.proof), crypto::view_of(proof));
}

void RecentSuccesses::add(const crypto::Digest& proof, uint64_t now_ns) {
  if (entries_max_ == 0) return;
  std::lock_guard lock(mutex_);
  while (!endings_.empty() && (now_ns >= endings_.front().ends_ns || endings_.size() == entries_max_))
    drop_first();
  // Two threads' clocks may come in another order than they were read.
  const uint64_t ends_ns = std::max(now_ns + keep_ns_, endings_.empty() ? 0 : endings_.back().ends_ns);
  const uint64_t place = place_of(proof);
  entries_[place] = {proof, ends_ns};
  endings_.push_back({place, ends_ns});
}

// The entry stays when it was added again since.
void RecentSuccesses::drop_first() {
  const auto entry = entries_.find(endings_.front().place);
  if (entry != entries_.end() && entry->second.ends_ns == endings_.front().ends_ns) entries_.erase(entry);
  endings_.pop_front();
}

size_t RecentSuccesses::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace ringfence::auth
