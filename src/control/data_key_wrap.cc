#include "ringfence/control/data_key_wrap.h"

#include "key_keeper.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/sealed_box.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::control {

namespace {

// The ring's keys serve other purposes, too: each has a key of its own.
crypto::BoxKey wrapping_key(const model::Secret& key) {
  return crypto::hmac_sha256(key.reveal(), "ringfence data keys");
}

}  // namespace

Result<std::string> RingWrap::wrap(ByteView context, ByteView key) const {
  crypto::BoxKey with = wrapping_key(ring_->current());
  auto box = crypto::seal_box(with, context, key);
  crypto::secure_zero(with);
  return box;
}

Result<std::string> RingWrap::unwrap(ByteView context, std::string_view key_id, ByteView wrapped) const {
  const RingKey* known = ring_->key(key_id);
  if (known == nullptr || known->secret.empty()) {
    return fail(Fault::not_found,
                "has a data key that is wrapped by the key \"" + std::string(key_id) +
                    "\", which the key ring has not; bring the key ring that was here before");
  }
  crypto::BoxKey with = wrapping_key(known->secret);
  auto opened = crypto::open_box(with, context, wrapped);
  crypto::secure_zero(with);
  if (!opened)
    return fail(opened.error().fault,
                "has a data key that the key \"" + std::string(key_id) +
                    "\" of the key ring does not open: the line or the ring is another one");
  return opened;
}

Result<std::shared_ptr<const audit::DataKeyWrap>> data_key_wrap(const KeySource& source,
                                                                const std::string& state_directory) {
  auto keeper = KeyKeeper::open(source, state_directory);
  if (!keeper) return unexpected(std::move(keeper.error()));
  return std::make_shared<const RingWrap>((*keeper)->ring());
}

}  // namespace ringfence::control
