#include "cancel_keys.h"

#include "ringfence/crypto/secret.h"

namespace ringfence::proxy {

CancelKeys::~CancelKeys() {
  for (auto& [process_id, entry] : entries_) crypto::secure_zero(entry.key);
}

void CancelKeys::add(uint32_t process_id, std::string key, PgSession& session) {
  entries_.emplace(process_id, Entry{std::move(key), &session});
}

void CancelKeys::remove(uint32_t process_id, const PgSession& session) {
  auto [begin, end] = entries_.equal_range(process_id);
  for (auto entry = begin; entry != end; ++entry) {
    if (entry->second.session != &session) continue;
    crypto::secure_zero(entry->second.key);
    entries_.erase(entry);
    return;
  }
}

PgSession* CancelKeys::find(uint32_t process_id, ByteView key) const {
  PgSession* found = nullptr;
  auto [begin, end] = entries_.equal_range(process_id);
  for (auto entry = begin; entry != end; ++entry) {
    if (crypto::constant_time_equal(entry->second.key, key)) found = entry->second.session;
  }
  return found;
}

}  // namespace ringfence::proxy
