// What the statements of Queries that wait may be answered with, by who recorded them: a number for each,
// which means nothing here. The first one of a Query stands with its message, for most have no other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ringfence::pg {

class ExpectedAnswers {
 public:
  // For the next statement of the Query that is pushed next.
  void stage(uint16_t expected) {
    if (staged_++ == 0) first_ = expected;
    else others_.push_back(expected);
  }
  struct Staged {
    uint16_t first;  // 0: nothing was staged.
    uint64_t others_at;
  };
  Staged take() {
    const size_t others = staged_ > 1 ? staged_ - 1 : 0;
    staged_ = 0;
    return {std::exchange(first_, uint16_t{0}), begin_ + others_.size() - others};
  }
  uint16_t other(uint64_t at) const {
    return at >= begin_ && at - begin_ < others_.size() ? others_[static_cast<size_t>(at - begin_)] : 0;
  }
  // Those from there on are not awaited.
  void take_back(uint64_t at) {
    if (at >= begin_ && at - begin_ < others_.size()) others_.resize(static_cast<size_t>(at - begin_));
  }
  // Those that stand before it are done.
  void drop_before(uint64_t at) {
    if (at <= begin_) return;
    const auto done = static_cast<size_t>(at - begin_);
    if (done >= others_.size()) {
      begin_ += others_.size();
      others_.clear();
      // A burst's room is not kept for an idle session.
      if (others_.capacity() > 64) others_.shrink_to_fit();
    } else if (done > 64 && done > others_.size() / 2) {
      others_.erase(others_.begin(), others_.begin() + static_cast<std::ptrdiff_t>(done));
      begin_ = at;
    }
  }

 private:
  std::vector<uint16_t> others_;  // Bounded by the statements that wait.
  uint64_t begin_ = 0;            // Where the first of them stands.
  size_t staged_ = 0;
  uint16_t first_ = 0;
};

}  // namespace ringfence::pg
