// The attribute grammar that all SCRAM messages share: letter '=' value, separated by commas (RFC 5802,
// section 7).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ringfence/base/base64.h"
#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::pg {

inline tl::unexpected<Error> scram_malformed(const char* what) {
  return fail(Fault::malformed, std::string("malformed SCRAM message: ") + what);
}

struct ScramAttribute {
  char name = 0;
  ByteView value;
};

// Reads attributes one after the other. A message has no NUL and at least one attribute; after each comma
// another follows.
class ScramReader {
 public:
  explicit ScramReader(ByteView message) : rest_(message), more_(true) {}

  bool at_end() const { return !more_; }

  std::optional<ScramAttribute> next() {
    if (!more_ || rest_.size() < 2 || !is_letter(rest_[0]) || rest_[1] != '=') return std::nullopt;
    ScramAttribute out;
    out.name = rest_[0];
    const size_t comma = rest_.find(',');
    more_ = comma != ByteView::npos;
    out.value = rest_.substr(2, more_ ? comma - 2 : ByteView::npos);
    rest_ = more_ ? rest_.substr(comma + 1) : ByteView();
    if (out.value.find('\0') != ByteView::npos) return std::nullopt;
    return out;
  }
  // The next attribute's value if it has this name; otherwise nothing, and the message is malformed.
  std::optional<ByteView> expect(char name) {
    auto attribute = next();
    if (!attribute || attribute->name != name) return std::nullopt;
    return attribute->value;
  }
  // Reads what follows as extensions that may be ignored. "m=" marks one that may not (RFC 5802,
  // section 5.1).
  bool skip_extensions() {
    while (more_) {
      auto attribute = next();
      if (!attribute || attribute->name == 'm') return false;
    }
    return true;
  }

 private:
  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

  ByteView rest_;
  bool more_;
};

// Printable ASCII without a comma, at least one character.
inline bool is_scram_nonce(ByteView text) {
  for (char c : text)
    if (c < 0x21 || c > 0x7e || c == ',') return false;
  return !text.empty();
}

inline std::optional<crypto::Digest> scram_digest(ByteView base64) {
  auto bytes = base64_decode(base64);
  crypto::Digest out;
  if (!bytes || bytes->size() != out.size()) return std::nullopt;
  std::memcpy(out.data(), bytes->data(), out.size());
  return out;
}

inline crypto::Digest xor_of(const crypto::Digest& a, const crypto::Digest& b) {
  crypto::Digest out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = a[i] ^ b[i];
  return out;
}

}  // namespace ringfence::pg
