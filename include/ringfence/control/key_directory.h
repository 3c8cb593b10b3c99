// The keys that seal and prove what the store keeps, as the API has them: asked from the home shard.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "ringfence/control/answer.h"

namespace ringfence::control {

enum class KeyAction : uint8_t {
  status,    // What is sealed, by which key, and how far a rotation is.
  list,      // All keys of the ring.
  show,      // One of them.
  generate,  // A new key, which is not the active one yet.
  rotate,    // Everything moves from the active key to the prepared one, or to a new one.
  destroy,   // The key's bytes go.
  enable,    // Sealing of a kind of things, on or off.
  column,    // The same of one named field.
};

class KeyDirectory {
 public:
  // Called on the home shard's thread, perhaps before the call returns, and at most once.
  using Done = std::function<void(Answer)>;
  virtual ~KeyDirectory() = default;
  // `which`: a key's id, or "current"; `given`: the request's body, an object.
  virtual void ask_keys(KeyAction action, std::string which, model::Json given, Actor actor, Done done) = 0;
};

}  // namespace ringfence::control
