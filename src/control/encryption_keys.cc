#include "encryption_keys.h"

#include "key_question.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::control {

namespace {

constexpr uint64_t announce_ns = 30'000'000'000;

}  // namespace

Answer EncryptionKeys::ask(KeyAction action, const std::string& which, const model::Json& given,
                           const Actor& actor, store::Connection& connection, audit::RecordSpace* space,
                           const std::string& problem) {
  return KeyQuestion(*this, connection, space, actor, problem).answer(action, which, given);
}

void EncryptionKeys::stop() {
  std::unique_ptr<KeyRotation> rotation;
  {
    const std::lock_guard guard(lock_);
    is_stopped_ = true;
    rotation = std::move(rotation_);
  }
}

void EncryptionKeys::begin(store::KeyRotation rotation) {
  const std::lock_guard guard(lock_);
  if (is_stopped_) return;  // The next start goes on with it.
  rotation_ = std::make_unique<KeyRotation>(options_, keeper_, std::move(rotation));
}

bool EncryptionKeys::look() {
  auto changed = keeper_.reload();
  if (!changed) {
    log_error("the key ring cannot be read; the one that was read before stays in force",
              {{"reason", changed.error().message}});
    options_.tell(event_of({.action = "key_ring_refused",
                            .key_id = "",
                            .target = keeper_.place(),
                            .target_type = "key_ring",
                            .severity = audit::Severity::error,
                            .outcome = audit::Outcome::failure,
                            .message = changed.error().message},
                           nullptr));
  } else if (*changed) {
    if (auto moved = keeper_.move_data_keys(); !moved)
      log_error("the trail's data keys are wrapped as before", {{"reason", moved.error().message}});
    log_info("another key ring is in force",
             {{"place", keeper_.place()}, {"current", keeper_.ring()->current_id()}});
    options_.tell(event_of({.action = "key_ring_reloaded",
                            .key_id = keeper_.ring()->current_id(),
                            .target = keeper_.place(),
                            .target_type = "key_ring"},
                           nullptr));
  }
  tell_expiry();
  return changed && *changed;
}

void EncryptionKeys::tell_expiry() {
  const KeyRingPtr ring = keeper_.ring();
  const RingKey& key = ring->active();
  if (key.expires_us == 0 || key.expires_us > wall_us() || !expired_.insert(key.id).second) return;
  log_warning("the active key has expired; rotate it", {{"key", key.id}});
  options_.tell(
      event_of({.action = "key_expired",
                .key_id = key.id,
                .target = "",
                .target_type = "control_store",
                .severity = audit::Severity::warning,
                .message = "expired at " + rfc3339(key.expires_us) + "; it stays in use until it is rotated"},
               nullptr));
}

void EncryptionKeys::looked(store::Connection& connection) {
  Result<void> done = has_resumed_ ? Result<void>() : resume(connection);
  if (done) {
    has_resumed_ = true;
    done = announce(connection);
  }
  if (!done && !is_store_told_)
    log_error("the store is not told of this node's keys", {{"reason", done.error().message}});
  is_store_told_ = !done;
}

Result<void> EncryptionKeys::resume(store::Connection& connection) {
  auto latest = store::KeyMoves(connection).latest();
  if (!latest) return unexpected(std::move(latest.error()));
  if (latest->id.empty() || latest->node != options_.node || latest->state == "failed") return {};
  const KeyRingPtr ring = keeper_.ring();
  const bool is_left = latest->state == "running" || ring->has(KeyState::retiring);
  if (!is_left || ring->find(latest->to_key) == nullptr) return {};
  log_info("a key rotation that was cut short goes on", {{"key", latest->to_key}});
  begin(std::move(*latest));
  return {};
}

Result<void> EncryptionKeys::announce(store::Connection& connection) {
  const KeyRingPtr ring = keeper_.ring();
  // One that this node has changed itself is another one, too.
  if (options_.node.empty() || (ring == announced_ && mono_ns() < announce_due_ns_)) return {};
  std::vector<std::string> ids;
  for (const RingKey& key : ring->keys()) {
    if (key.is_usable()) ids.push_back(key.id);
  }
  if (auto told = store::KeyMoves(connection).announce(options_.node, ids); !told) return told;
  announced_ = ring;
  announce_due_ns_ = mono_ns() + announce_ns;
  return {};
}

}  // namespace ringfence::control
