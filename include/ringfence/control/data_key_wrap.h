// The trail's data keys are wrapped by the key ring: AES-256-GCM, bound to the data key's id. A rotation
// wraps them anew; rows of the trail stay as they are.
#pragma once

#include <memory>
#include <string>

#include "ringfence/audit/data_keys.h"
#include "ringfence/control/key_ring.h"
#include "ringfence/control/key_source.h"

namespace ringfence::control {

class RingWrap : public audit::DataKeyWrap {
 public:
  explicit RingWrap(KeyRingPtr ring) : ring_(std::move(ring)) {}
  std::string key_id() const override { return ring_->current_id(); }
  Result<std::string> wrap(ByteView context, ByteView key) const override;
  // Also by a key that has retired, as long as its bytes are there.
  Result<std::string> unwrap(ByteView context, std::string_view key_id, ByteView wrapped) const override;

 private:
  KeyRingPtr ring_;
};

// By the ring of this source; where that is a file of the state directory which is not there, it is made.
Result<std::shared_ptr<const audit::DataKeyWrap>> data_key_wrap(const KeySource& source,
                                                                const std::string& state_directory);

}  // namespace ringfence::control
