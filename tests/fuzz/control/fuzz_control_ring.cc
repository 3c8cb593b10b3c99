// The text of a key ring. What is read is written as a text that says the same, and never tells a key.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ringfence/base/base64.h"
#include "ringfence/control/key_ring.h"

using namespace ringfence;
using namespace ringfence::control;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto ring = KeyRing::parse(text, "ring");
  if (!ring) {
    require(ring.error().message.starts_with("ring"));
    return 0;
  }
  size_t active = 0;
  for (const RingKey& key : ring->keys()) {
    active += key.state == KeyState::active ? 1 : 0;
    require(key.secret.empty() == (key.state == KeyState::destroyed));
    require((ring->find(key.id) != nullptr) == key.is_usable());
  }
  require(active == 1 && ring->active().state == KeyState::active);
  const std::string written = ring->text();
  auto again = KeyRing::parse(written, "again");
  require(again.has_value());
  require(again->text() == written && again->current_id() == ring->current_id());
  return 0;
}
