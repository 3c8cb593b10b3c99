// The keys by which a node knows what it may believe of the store, and by which it seals what the store
// keeps for it. Nodes that share a store share them. The store never sees a key.
//
// A text of lines, "<id> <32 bytes in base64> [state=…] [created=…] [since=…] [expires=…]"; times are RFC
// 3339, `since` is when the key came to its state, and "-" stands for the bytes of a key that was destroyed.
// `#` begins a comment. Without states the first key is the active one, and the others are accepted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/result.h"
#include "ringfence/model/secret.h"

namespace ringfence::control {

inline constexpr size_t ring_key_bytes = 32;
inline constexpr size_t ring_keys_max = 100;
inline constexpr size_t ring_bytes_max = 64 * 1024;

enum class KeyState : uint8_t {
  active,     // New codes and sealed secrets are by this one. There is one.
  prepared,   // Made to become the active one; what is by it is believed already.
  accepted,   // What is by it is believed; the appliance does no more with it.
  retiring,   // It was the active one; what is by it is moved to the active one.
  retired,    // Nothing is believed by it. The bytes are still there.
  destroyed,  // The bytes are gone. The id does not come again.
};
std::string_view name(KeyState state);

struct RingKey {
  std::string id;
  KeyState state = KeyState::accepted;
  uint64_t created_us = 0;  // Unix time; 0: not known. Likewise the others.
  uint64_t since_us = 0;
  uint64_t expires_us = 0;  // When another key should be the active one; 0: it does not expire.
  model::Secret secret;     // Empty: destroyed.

  // Whether records and secrets by it are believed.
  bool is_usable() const { return state != KeyState::retired && state != KeyState::destroyed; }
};

class KeyRing {
 public:
  // Errors name the place, the line and the cure.
  static Result<KeyRing> parse(std::string_view text, const std::string& place);
  static Result<KeyRing> read(const std::string& path);
  // The same; where there is no file, one with a new key is made, for its owner alone.
  static Result<KeyRing> read_or_make(const std::string& path);
  // What parse() takes.
  std::string text() const;

  const RingKey& active() const { return keys_[active_]; }
  const std::string& current_id() const { return active().id; }
  const model::Secret& current() const { return active().secret; }
  // Of what is believed. Null: there is no such key, or it is out of use.
  const model::Secret* find(std::string_view id) const;
  // In whatever state. Null: there is no such key.
  const RingKey* key(std::string_view id) const;
  // In the order of the text.
  const std::vector<RingKey>& keys() const { return keys_; }
  // The newest key that was prepared. Null: none is.
  const RingKey* prepared() const;
  bool has(KeyState state) const;

  // A new prepared key with random bytes; gives its id. Fault::limit: there are as many as can be kept.
  Result<std::string> add(uint64_t now_us, uint64_t expires_us);
  // The key becomes the active one, and that one retires. Fault::conflict: it is not there, or out of use.
  Result<void> activate(std::string_view id, uint64_t now_us);
  // All that are retiring.
  void retire(uint64_t now_us);
  // Takes the key's bytes away. Fault::conflict: it is active or retiring.
  Result<void> destroy(std::string_view id, uint64_t now_us);

 private:
  RingKey* find_key(std::string_view id);
  static Result<RingKey> parse_key(std::string_view line, bool& has_state);
  Result<void> choose_active(bool first_has_state, const std::string& place);

  std::vector<RingKey> keys_;  // Not empty.
  size_t active_ = 0;
};
using KeyRingPtr = std::shared_ptr<const KeyRing>;

}  // namespace ringfence::control
