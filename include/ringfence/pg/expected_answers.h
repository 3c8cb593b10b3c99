// What the statements of Queries that wait may be answered with, by who recorded them: a number for each,
// which means nothing here. The first one of a Query stands with its message, for most have no other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace ringfence::pg {

class ExpectedAnswers {
 public:
  // For the next statement of the Query that is pushed next.
  void stage(uint16_t expected) {
    if (staged_++ == 0) first_ = expected;
    else others().answers.push_back(expected);
  }
  struct Staged {
    uint16_t first;  // 0: nothing was staged.
    uint64_t others_at;
  };
  Staged take() {
    const size_t others = staged_ > 1 ? staged_ - 1 : 0;
    staged_ = 0;
    return {std::exchange(first_, uint16_t{0}), others_ ? others_->end() - others : 0};
  }
  uint16_t other(uint64_t at) const {
    return others_ && others_->holds(at) ? others_->answers[static_cast<size_t>(at - others_->begin)] : 0;
  }
  // Those from there on are not awaited.
  void take_back(uint64_t at) {
    if (others_ && others_->holds(at)) others_->answers.resize(static_cast<size_t>(at - others_->begin));
  }
  // Those that stand before it are done.
  void drop_before(uint64_t at) {
    if (others_) others_->drop_before(at);
  }

 private:
  struct Others {
    std::vector<uint16_t> answers;  // Bounded by the statements that wait.
    uint64_t begin = 0;             // Where the first of them stands.

    uint64_t end() const { return begin + answers.size(); }
    bool holds(uint64_t at) const { return at >= begin && at < end(); }
    void drop_before(uint64_t at) {
      if (at <= begin) return;
      const auto done = static_cast<size_t>(at - begin);
      if (done >= answers.size()) {
        begin = end();
        answers.clear();
        // A burst's room is not kept for an idle session.
        if (answers.capacity() > 64) answers.shrink_to_fit();
      } else if (done > 64 && done > answers.size() / 2) {
        answers.erase(answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(done));
        begin = at;
      }
    }
  };
  Others& others() {
    if (!others_) others_ = std::make_unique<Others>();
    return *others_;
  }

  std::unique_ptr<Others> others_;  // Null: no Query had more than one statement so far.
  uint32_t staged_ = 0;             // Of one message, which is shorter than that.
  uint16_t first_ = 0;
};

}  // namespace ringfence::pg
