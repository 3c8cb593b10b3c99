// What of the client's bytes goes on to the server when not all of them may: whole messages are held until they are
// decided, and some are replaced; a group of messages can be kept back until one of them is decided.
//
// What always holds: as long as nothing is held, replaced or kept back, a chunk goes on as it is, without a copy; no byte
// of a message that is held goes on before the message was passed, and none behind a mark before it was taken away.
#pragma once

#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/base/thread_counts.h"

namespace ringfence::proxy {

class Rewriter {
 public:
  // For each chunk: begin(), then hold(), pass() and replace() in the order of the bytes, then finish().
  void begin(ByteView chunk) {
    chunk_ = chunk;
    done_ = 0;
    end_ = 0;
    is_open_ = true;
    if (is_marked_) {
      drop_before_mark();
    } else {
      out_.clear();
    }
    is_changed_ = is_marked_;
    if (!taken_.empty()) taken_ = std::string();
  }
  bool is_open() const { return is_open_; }
  // The chunk's bytes stand somewhere else now.
  void move_chunk(ByteView chunk) { chunk_ = chunk; }

  // The chunk's bytes from `begin` to `end` belong to a message that is not decided; those before it pass.
  void hold(size_t begin, size_t end) {
    copy(out_, done_, begin);
    copy(held_, begin, end);
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
    count_copy(held_.size());
    out_.append(held_);
    copy(out_, done_, end);
    held_ = std::string();
    done_ = end;
    is_changed_ = true;
  }
  // The message from `begin` (of what of it stands in this chunk) to `end`, and all that is held of it, is replaced.
  void replace(size_t begin, size_t end, ByteView replacement) {
    copy(out_, done_, begin);
    out_.append(replacement);
    held_ = std::string();
    done_ = end;
    is_changed_ = true;
  }
  // What may be sent before the message that begins at `begin`, all before it being passed or replaced; valid until the next
  // call of this or begin(). finish() gives the rest.
  // Not while anything is marked.
  ByteView take(size_t begin) {
    taken_ = std::move(out_);
    out_ = std::string();
    copy(taken_, done_, begin);
    done_ = begin;
    is_changed_ = true;
    return taken_;
  }
  // The chunk's first bytes have gone out already. After begin().
  void skip(size_t bytes) {
    done_ = bytes;
    is_changed_ = true;
  }
  // What precedes the mark, as take() gives it; the mark stays.
  ByteView take_before_mark() {
    taken_ = out_.substr(0, mark_);
    drop_before_mark();
    return taken_;
  }
  // Of what precedes the message that begins at `begin`, something is kept back.
  bool keeps_before(size_t begin) const { return is_marked_ && (out_.size() > mark_ || done_ < begin); }
  // A message begins at `begin`: it, and what follows, is kept back until unmark(), over chunks too.
  void mark(size_t begin) {
    if (is_marked_) return;
    if (begin > done_) {
      copy(out_, done_, begin);
      done_ = begin;
    }
    mark_ = out_.size();
    is_marked_ = is_changed_ = true;
  }
  void unmark() { is_marked_ = false; }
  bool is_marked() const { return is_marked_; }
  // In the middle of a chunk: what precedes the mark, to be sent now, until drop_before_mark().
  ByteView before_mark() const { return is_marked_ ? ByteView(out_).substr(0, mark_) : ByteView(); }
  void drop_before_mark() {
    out_.erase(0, mark_);
    mark_ = 0;
  }

  // What to send; valid until the next begin(). More than `kept_max` bytes are not kept back: they go on.
  ByteView finish(size_t kept_max) {
    is_open_ = false;
    if (!is_changed_) return chunk_;
    copy(out_, done_, chunk_.size());
    done_ = chunk_.size();
    if (is_marked_ && out_.size() - mark_ > kept_max) is_marked_ = false;
    return is_marked_ ? ByteView(out_).substr(0, mark_) : ByteView(out_);
  }
  ByteView finish() { return finish(0); }

 private:
  void copy(std::string& into, size_t begin, size_t end) {
    count_copy(end - begin);
    into.append(chunk_.substr(begin, end - begin));
  }

  ByteView chunk_;
  std::string out_;
  std::string taken_;
  std::string held_;
  size_t done_ = 0;
  size_t end_ = 0;
  size_t mark_ = 0;  // In out_.
  bool is_changed_ = false;
  bool is_open_ = false;
  bool is_marked_ = false;
};

}  // namespace ringfence::proxy
