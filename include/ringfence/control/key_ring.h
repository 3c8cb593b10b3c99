// The keys by which a node knows what it may believe of the store. Nodes that share a store share them.
//
// A file of lines, "<id> <32 bytes in base64>", the current key first; `#` begins a comment. The store never
// sees a key.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringfence/base/result.h"
#include "ringfence/model/secret.h"

namespace ringfence::control {

inline constexpr size_t ring_key_bytes = 32;
inline constexpr size_t ring_keys_max = 100;

class KeyRing {
 public:
  // Errors name the file, the line and the cure.
  static Result<KeyRing> parse(std::string_view text, const std::string& path);
  static Result<KeyRing> read(const std::string& path);
  // The same; where there is no file, one with a new key is made, for its owner alone.
  static Result<KeyRing> read_or_make(const std::string& path);

  const std::string& current_id() const { return keys_.front().first; }
  const model::Secret& current() const { return keys_.front().second; }
  // Null: there is no such key.
  const model::Secret* find(std::string_view id) const;

 private:
  std::vector<std::pair<std::string, model::Secret>> keys_;  // Not empty.
};

}  // namespace ringfence::control
