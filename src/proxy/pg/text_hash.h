// SHA-256 of the text in a Query or Parse whose message is too long to be held: the pieces pass by.
#pragma once

#include "ringfence/crypto/digest.h"

namespace ringfence::proxy {

class TextHash {
 public:
  // `has_name`: the text stands behind a name with its NUL, as in Parse.
  explicit TextHash(bool has_name) : skips_name_(has_name) {}

  void update(ByteView piece) {
    if (skips_name_) {
      size_t end = piece.find('\0');
      if (end == ByteView::npos) return;
      skips_name_ = false;
      piece.remove_prefix(end + 1);
    }
    if (is_over_) return;
    size_t end = piece.find('\0');
    is_over_ = end != ByteView::npos;
    piece = piece.substr(0, end);
    hash_.update(piece);
    bytes_ += piece.size();
  }
  uint64_t text_bytes() const { return bytes_; }
  crypto::Digest finish() { return hash_.finish(); }

 private:
  crypto::Sha256 hash_;
  uint64_t bytes_ = 0;
  bool skips_name_;
  bool is_over_ = false;
};

}  // namespace ringfence::proxy
