// Whether a record of the store is one that an appliance wrote: HMAC-SHA-256 over all of it, by the key ring.
//
// The store's owner can write rows and cannot make the code of one. An older row with its code is authentic,
// too; see known_versions.h for those.
#pragma once

#include <cstdint>
#include <string>

#include "ringfence/control/key_ring.h"
#include "ringfence/store/control_records.h"

namespace ringfence::control {

class Authority {
 public:
  explicit Authority(KeyRing ring) : ring_(std::move(ring)) {}

  const KeyRing& ring() const { return ring_; }
  // Sets key_id and mac, by the current key.
  void seal(store::ControlRecord& record) const;
  void seal(store::Tombstone& stone) const;

  // Of another text of the appliance's own, by the current key: 32 bytes. `kind` keeps purposes apart.
  std::string code(std::string_view kind, const std::string& text) const;

  enum class Verdict : uint8_t {
    authentic,
    unknown_key,  // The key ring has no key of this name.
    forged,       // The code does not fit.
  };
  Verdict check(const store::ControlRecord& record) const;
  Verdict check(const store::Tombstone& stone) const;

 private:
  Verdict check(const std::string& text, const std::string& key_id, const std::string& mac) const;
  KeyRing ring_;
};

}  // namespace ringfence::control
