// A request's body, piece by piece, for routes that take it so.
#pragma once

#include <optional>
#include <string>

#include "ringfence/ring/task.h"

namespace ringfence::admin {

class RequestBody {
 public:
  // The next piece, of at most a receive buffer's size (16 KiB; 64 KiB where the peer streams). Empty: the
  // body is whole. Nothing: it ended early, is malformed or too long, or the peer was too slow; the handler
  // returns then without an answer, because the server knows what to say. Nothing is received but by this
  // call, so that a handler that is slow slows its peer.
  virtual ring::Task<std::optional<std::string>> next() = 0;

 protected:
  ~RequestBody() = default;
};

}  // namespace ringfence::admin
