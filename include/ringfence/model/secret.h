// Secret: text that is zeroed when it goes and that nothing prints by accident.
//
// It has no stream operator and no conversion to std::string: whoever needs the text asks by name. Copies are
// secrets themselves; a move leaves nothing behind.
#pragma once

#include <string>
#include <utility>

#include "ringfence/base/bytes.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::model {

class Secret {
 public:
  Secret() = default;
  Secret(ByteView text) : text_(text) {}     // NOLINT(google-explicit-constructor): to hide a text is safe.
  Secret(const char* text) : text_(text) {}  // NOLINT(google-explicit-constructor)
  Secret(const Secret& other) : text_(other.text_) {}
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { crypto::secure_zero(other.text_); }
  Secret& operator=(const Secret& other) {
    if (this == &other) return *this;
    crypto::secure_zero(text_);
    text_ = other.text_;
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    crypto::secure_zero(text_);
    text_ = std::move(other.text_);
    crypto::secure_zero(other.text_);
    return *this;
  }
  ~Secret() { crypto::secure_zero(text_); }

  bool empty() const { return text_.empty(); }
  size_t size() const { return text_.size(); }
  // Lives as long as the secret is neither changed nor moved.
  ByteView reveal() const { return text_; }

 private:
  std::string text_;
};

}  // namespace ringfence::model
