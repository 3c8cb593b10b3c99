// Whether a journal's numbers are all in the rows of a chain, over seq and outcome_seq together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>

namespace ringfence::audit {

class RecordNumbers {
 public:
  // False when the number was seen before.
  bool see(uint64_t seq) {
    if (!is_followed_) return true;
    if (seq < next_) return false;
    if (seq > next_) {
      bool is_new = ahead_.insert(seq).second;
      if (ahead_.size() > ahead_max) is_followed_ = false;
      return is_new;
    }
    ++next_;
    while (!ahead_.empty() && *ahead_.begin() == next_) {
      ahead_.erase(ahead_.begin());
      ++next_;
    }
    return true;
  }
  // How many below `next_seq` were not seen.
  uint64_t missing(uint64_t next_seq) const {
    return is_followed_ && next_seq > next_ ? next_seq - next_ - ahead_.size() : 0;
  }

 private:
  // Numbers that wait for a smaller one to come: a start's row follows at most a join window later.
  static constexpr size_t ahead_max = 2'000'000;

  uint64_t next_ = 1;
  std::set<uint64_t> ahead_;
  bool is_followed_ = true;
};

}  // namespace ringfence::audit
