// What of the client's bytes goes on to the server when not all of them may: whole messages are held until
// they are decided, and some are replaced; a group of messages can be kept back until one of them is decided.
//
// What always holds: as long as nothing is held, replaced or kept back, a chunk goes on as it is, without a
// copy; no byte of a message that is held goes on before the message was passed, and none behind a mark
// before it was taken away.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/base/thread_counts.h"

namespace ringfence::proxy {

class Rewriter {
 public:
  // For each chunk: begin(), then hold(), pass() and replace() in the order of the bytes, then finish().
  // A chunk is far shorter than 4 GiB.
  void begin(ByteView chunk) {
    move_chunk(chunk);
    done_ = 0;
    end_ = 0;
    is_open_ = true;
    if (is_marked_) {
      drop_before_mark();
    } else if (own_) {
      // What was changed a moment ago may be changed again; who goes on without needs nothing for it.
      if (!is_changed_ && own_->held.empty()) own_.reset();
      else own_->out.clear();
    }
    is_changed_ = is_marked_;
    if (own_ && !own_->taken.empty()) own_->taken = std::string();
  }
  bool is_open() const { return is_open_; }
  // The chunk's bytes stand somewhere else now.
  void move_chunk(ByteView chunk) {
    chunk_ = chunk.data();
    chunk_bytes_ = static_cast<uint32_t>(chunk.size());
  }

  // The chunk's bytes from `begin` to `end` belong to a message that is not decided; those before it pass.
  void hold(size_t begin, size_t end) {
    copy(own().out, done_, begin);
    copy(own().held, begin, end);
    done_ = static_cast<uint32_t>(end);
    is_changed_ = true;
  }
  // A segment of a message ended here.
  void note_end(size_t end) { end_ = static_cast<uint32_t>(end); }
  // What follows the last segment is a header that the chunk's end cuts.
  void hold_tail() { hold(end_, chunk_bytes_); }

  // The message that ends at `end` goes on as it is.
  void pass(size_t end) {
    if (!own_ || own_->held.empty()) return;
    count_copy(own_->held.size());
    own_->out.append(own_->held);
    copy(own_->out, done_, end);
    own_->held = std::string();
    done_ = static_cast<uint32_t>(end);
    is_changed_ = true;
  }
  // The message that ends at `end` goes on as it is, and these bytes behind it.
  void pass_with(size_t end, ByteView behind) {
    pass(end);
    copy(own().out, done_, end);
    own_->out.append(behind);
    done_ = static_cast<uint32_t>(end);
    is_changed_ = true;
  }
  // The message from `begin` (of what of it stands in this chunk) to `end`, and all that is held of it, is
  // replaced.
  void replace(size_t begin, size_t end, ByteView replacement) {
    copy(own().out, done_, begin);
    own_->out.append(replacement);
    own_->held = std::string();
    done_ = static_cast<uint32_t>(end);
    is_changed_ = true;
  }
  // Before the message that begins at `begin`, of which nothing was passed: bytes of ours.
  void insert(size_t begin, ByteView bytes) {
    Own& kept = own();
    if (kept.held.empty() && done_ < begin) {
      copy(kept.out, done_, begin);
      done_ = static_cast<uint32_t>(begin);
    }
    kept.out.append(bytes);
    is_changed_ = true;
  }
  // What may be sent before the message that begins at `begin`, all before it being passed or replaced; valid
  // until the next call of this or begin(). finish() gives the rest. Not while anything is marked.
  ByteView take(size_t begin) {
    Own& kept = own();
    kept.taken = std::move(kept.out);
    kept.out = std::string();
    copy(own_->taken, done_, begin);
    done_ = static_cast<uint32_t>(begin);
    is_changed_ = true;
    return own_->taken;
  }
  // Behind what take() or take_before_mark() has just given; the whole of it.
  ByteView append_taken(ByteView bytes) {
    own_->taken.append(bytes);
    return own_->taken;
  }
  // The chunk's first bytes have gone out already. After begin().
  void skip(size_t bytes) {
    done_ = static_cast<uint32_t>(bytes);
    is_changed_ = true;
  }
  // What precedes the mark, as take() gives it; the mark stays.
  ByteView take_before_mark() {
    Own& kept = own();
    kept.taken = kept.out.substr(0, kept.mark);
    drop_before_mark();
    return own_->taken;
  }
  // Of what precedes the message that begins at `begin`, something is kept back.
  bool keeps_before(size_t begin) const {
    return is_marked_ && (own_->out.size() > own_->mark || done_ < begin);
  }
  // A message begins at `begin`: it, and what follows, is kept back until unmark(), over chunks too.
  void mark(size_t begin) {
    if (is_marked_) return;
    if (begin > done_) {
      copy(own().out, done_, begin);
      done_ = static_cast<uint32_t>(begin);
    }
    Own& kept = own();
    kept.mark = kept.out.size();
    is_marked_ = is_changed_ = true;
  }
  void unmark() { is_marked_ = false; }
  bool is_marked() const { return is_marked_; }
  // In the middle of a chunk: what precedes the mark, to be sent now, until drop_before_mark().
  ByteView before_mark() const { return is_marked_ ? ByteView(own_->out).substr(0, own_->mark) : ByteView(); }
  void drop_before_mark() {
    if (!own_) return;
    own_->out.erase(0, own_->mark);
    own_->mark = 0;
  }

  // What to send; valid until the next begin(). More than `kept_max` bytes are not kept back: they go on.
  ByteView finish(size_t kept_max) {
    is_open_ = false;
    if (!is_changed_) return ByteView(chunk_, chunk_bytes_);
    copy(own().out, done_, chunk_bytes_);
    done_ = chunk_bytes_;
    if (is_marked_ && own_->out.size() - own_->mark > kept_max) is_marked_ = false;
    return is_marked_ ? ByteView(own_->out).substr(0, own_->mark) : ByteView(own_->out);
  }
  ByteView finish() { return finish(0); }

 private:
  // Only where bytes do not go on as they stand in the chunk.
  struct Own {
    std::string out;
    std::string taken;
    std::string held;
    size_t mark = 0;  // In `out`.
  };
  Own& own() {
    if (!own_) own_ = std::make_unique<Own>();
    return *own_;
  }
  void copy(std::string& into, size_t begin, size_t end) {
    count_copy(end - begin);
    into.append(ByteView(chunk_, chunk_bytes_).substr(begin, end - begin));
  }

  // Of an idle session, so the places in the chunk are as short as they can be.
  const char* chunk_ = nullptr;
  std::unique_ptr<Own> own_;
  uint32_t chunk_bytes_ = 0;
  uint32_t done_ = 0;
  uint32_t end_ = 0;
  bool is_changed_ = false;
  bool is_open_ = false;
  bool is_marked_ = false;
};

}  // namespace ringfence::proxy
