// Whether a record of the store is one that an appliance wrote: HMAC-SHA-256 over all of it, by the key ring.
//
// The store's owner can write rows and cannot make the code of one. An older row with its code is authentic,
// too; see known_versions.h for those.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "ringfence/control/key_ring.h"
#include "ringfence/store/control_records.h"

namespace ringfence::control {

// May be used from any thread.
class Authority {
 public:
  explicit Authority(KeyRing ring) : ring_(std::make_shared<const KeyRing>(std::move(ring))) {}

  KeyRingPtr ring() const { return ring_; }
  // From here on records are checked by this one.
  void use(KeyRing ring) { ring_ = std::make_shared<const KeyRing>(std::move(ring)); }

  // Sets key_id and mac, by this key of the ring, which is in use.
  static void seal(store::ControlRecord& record, const KeyRing& ring, const std::string& key_id);
  static void seal(store::Tombstone& stone, const KeyRing& ring, const std::string& key_id);

  // Of another text of the appliance's own: 32 bytes. `kind` keeps purposes apart.
  static std::string code(const model::Secret& key, std::string_view kind, const std::string& text);

  enum class Verdict : uint8_t {
    authentic,
    unknown_key,  // The key ring has no key of this name, or the key is out of use.
    forged,       // The code does not fit.
  };
  Verdict check(const store::ControlRecord& record) const;
  Verdict check(const store::Tombstone& stone) const;

 private:
  Verdict check(const std::string& text, const std::string& key_id, const std::string& mac) const;
  std::atomic<KeyRingPtr> ring_;
};

}  // namespace ringfence::control
