// What was received of a side before its turn: it came too early, or from the client while its statement
// waited. It goes before what is received.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "ringfence/net/stream.h"

namespace ringfence::proxy {

class ReadAhead {
 public:
  void append(ByteView bytes) {
    if (bytes.empty()) return;
    if (!bytes_) bytes_ = std::make_unique<std::string>();
    bytes_->append(bytes);
  }
  bool is_empty() const { return bytes_ == nullptr; }
  size_t size() const { return bytes_ ? bytes_->size() : 0; }
  // All of it; nothing of it is kept.
  net::Chunk take() {
    if (!bytes_) return {};
    return net::Chunk::copy_of(*std::exchange(bytes_, nullptr));
  }

 private:
  std::unique_ptr<std::string> bytes_;  // Null: there is nothing.
};

}  // namespace ringfence::proxy
