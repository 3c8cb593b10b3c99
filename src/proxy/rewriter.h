// What of the client's bytes goes on to the server when not all of them may: whole messages are held until they are
// decided, and some are replaced.
//
// What always holds: as long as nothing is held or replaced, a chunk goes on as it is, without a copy; no byte of a
// message that is held goes on before the message was passed.
#pragma once

#include <string>

#include "ringfence/base/bytes.h"

namespace ringfence::proxy {

class Rewriter {
 public:
  // For each chunk: begin(), then hold(), pass() and replace() in the order of the bytes, then finish().
  void begin(ByteView chunk) {
    chunk_ = chunk;
    done_ = 0;
    end_ = 0;
    is_changed_ = false;
    is_open_ = true;
    out_.clear();
    if (!taken_.empty()) taken_ = std::string();
  }
  bool is_open() const { return is_open_; }

  // The chunk's bytes from `begin` to `end` belong to a message that is not decided; those before it pass.
  void hold(size_t begin, size_t end) {
    out_.append(chunk_.substr(done_, begin - done_));
    held_.append(chunk_.substr(begin, end - begin));
    done_ = end;
    is_changed_ = true;
  }
  // A segment of a message ended here.
  void note_end(size_t end) { end_ = end; }
  // What follows the last segment is a header that the chunk's end cuts.
  void hold_tail() { hold(end_, chunk_.size()); }

  // The message that ends at `end` goes on as it is.
  void pass(size_t end) {
    if (held_.empty()) return;
    out_.append(held_).append(chunk_.substr(done_, end - done_));
    held_ = std::string();
    done_ = end;
    is_changed_ = true;
  }
  // The message from `begin` (of what of it stands in this chunk) to `end`, and all that is held of it, is replaced.
  void replace(size_t begin, size_t end, ByteView replacement) {
    out_.append(chunk_.substr(done_, begin - done_)).append(replacement);
    held_ = std::string();
    done_ = end;
    is_changed_ = true;
  }
  // What may be sent before the message that begins at `begin`, all before it being passed or replaced; valid until the next
  // call of this or begin(). finish() gives the rest.
  ByteView take(size_t begin) {
    taken_ = std::move(out_);
    out_ = std::string();
    taken_.append(chunk_.substr(done_, begin - done_));
    done_ = begin;
    is_changed_ = true;
    return taken_;
  }
  // What to send; valid until the next begin().
  ByteView finish() {
    is_open_ = false;
    if (!is_changed_) return chunk_;
    out_.append(chunk_.substr(done_));
    return out_;
  }

 private:
  ByteView chunk_;
  std::string out_;
  std::string taken_;
  std::string held_;
  size_t done_ = 0;
  size_t end_ = 0;
  bool is_changed_ = false;
  bool is_open_ = false;
};

}  // namespace ringfence::proxy
