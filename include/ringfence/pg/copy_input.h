// To which COPY the copy data of a client belongs. Data may be sent before the server has said that it reads
// any; what it does not read as the data of a COPY it drops, and then it belongs to nothing.
//
// Statements are told by their messages' places; a message may hold several COPYs, whose data its ends
// (CopyDone, CopyFail) keep apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ringfence::pg {

class CopyInput {
 public:
  // Data, and its end, sent behind the message at `place`, which holds so many statements.
  void data(uint64_t place, uint32_t statements, uint64_t bytes) {
    if (Part* part = open(place, statements)) part->bytes += bytes;
  }
  void end(uint64_t place, uint32_t statements) {
    if (Part* part = open(place, statements)) part->is_ended = true;
  }
  // A COPY of the message at `place` is over: the bytes of its data.
  uint64_t take(uint64_t place) {
    drop_before(place);
    if (parts_.empty() || parts_.front().place != place) return 0;
    const uint64_t bytes = parts_.front().bytes;
    parts_.erase(parts_.begin());
    return bytes;
  }
  // Nothing is awaited any more, and places may be given anew.
  void clear() {
    parts_.clear();
    place_ = ~uint64_t{0};
  }
  bool is_empty() const { return parts_.empty(); }

 private:
  struct Part {
    uint64_t place;
    uint64_t bytes = 0;
    bool is_ended = false;
  };
  void drop_before(uint64_t place) {
    size_t old = 0;
    while (old < parts_.size() && parts_[old].place < place) ++old;
    parts_.erase(parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(old));
  }
  // The part that is being sent; null: there are as many as statements, and no more are read.
  Part* open(uint64_t place, uint32_t statements) {
    if (!parts_.empty() && parts_.back().place == place && !parts_.back().is_ended) return &parts_.back();
    if (std::exchange(place_, place) != place) begun_ = 0;
    if (begun_ == statements) return nullptr;
    ++begun_;
    parts_.push_back({.place = place});
    return &parts_.back();
  }

  std::vector<Part>
      parts_;  // In the order of their places; bounded by the statements that wait for an answer.
  uint64_t place_ = ~uint64_t{0};  // Of the part that was begun last,
  uint32_t begun_ = 0;             // and how many of its message were.
};

}  // namespace ringfence::pg
