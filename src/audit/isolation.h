// Finds the rows of a batch that the store refuses for what is in them, in a bounded number of tries, so that
// it does not matter to others how many such rows somebody brings in.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "audit/rows.h"

namespace ringfence::audit {

class Isolation {
 public:
  enum class Verdict : uint8_t { taken, refused, unknown };
  // Whether the store takes rows [begin, end) in the forms that they have. Leaves nothing in the store.
  using Try = std::function<Verdict(size_t begin, size_t end)>;

  Isolation(std::vector<PendingRow>& rows, Try attempt) : rows_(rows), attempt_(std::move(attempt)) {}

  // How many tries n rows may take: enough for some forty refused rows that lie far apart among 10,000.
  static size_t tries_max(size_t row_count);

  // Rows of one kind are likely to be refused together, then those of one maker.
  struct Kind {
    std::string maker;
    std::string action;
    auto operator<=>(const Kind&) const = default;
  };

  // Gives each refused row the first other form that the store takes; where tries_max does not suffice to
  // tell them all apart, rows like those that were refused get it too. `hint`: the row that the store named;
  // only that one is looked at when it is refused. False: nothing was found, and all rows have the forms that
  // they had.
  bool run(std::optional<size_t> hint);

  size_t tries() const { return tries_; }
  // How many rows are whole no longer, and the first one that was found.
  size_t poisoned() const { return poisoned_; }
  size_t first() const { return found_.front(); }

 private:
  struct Range {
    size_t begin = 0;
    size_t end = 0;
    bool is_refused = false;  // As a whole; else it is not known.
  };
  Verdict attempt(size_t begin, size_t end);
  bool search(std::vector<Range>& ranges);
  bool settle(size_t row);
  bool settle_by_likeness(const Range& range);
  bool settle_the_same_kind(const Range& range);
  bool settle_the_same_makers(const Range& range);
  bool settle_whole(const Range& range, RowForm form);
  void change(size_t row, RowForm form);
  void undo();

  std::vector<PendingRow>& rows_;
  Try attempt_;
  size_t tries_ = 0;
  size_t poisoned_ = 0;
  std::vector<size_t> found_;                 // What was changed; a row may be named twice.
  std::vector<RowForm> former_;               // Of the rows in found_.
  std::set<std::pair<Kind, RowForm>> kinds_;  // What was found, and whose it was.
  std::set<std::string> makers_;
};

}  // namespace ringfence::audit
