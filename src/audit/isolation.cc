#include "audit/isolation.h"

#include <bit>

#include "ringfence/audit/chain.h"

namespace ringfence::audit {
namespace {

using Kind = Isolation::Kind;

constexpr size_t tries_per_level = 64;

// What rows have in common that are likely to be refused for the same reason: who made them, what about, and
// in which session. Failed attempts to get in have a session each, so there what they are about has to
// suffice.
Kind kind_of(const PendingRow& row) {
  FieldSet fields;
  (void)parse_fields(row.first.empty() ? row.second : row.first, fields);
  Kind out{std::to_string(row.shard) + " ", std::string(fields.get(Tag::action))};
  const bool is_in_a_session = row.shape != RowShape::event || fields.get(Tag::outcome) != "failure";
  out.maker +=
      is_in_a_session && fields.has(Tag::session_id) ? fields.get(Tag::session_id) : fields.get(Tag::action);
  return out;
}

RowForm next(RowForm form) { return form == RowForm::whole ? RowForm::as_bytes : RowForm::bare; }

}  // namespace

size_t Isolation::tries_max(size_t row_count) {
  return tries_per_level * static_cast<size_t>(std::bit_width(row_count));
}

Isolation::Verdict Isolation::attempt(size_t begin, size_t end) {
  ++tries_;
  return attempt_(begin, end);
}

void Isolation::change(size_t row, RowForm form) {
  if (found_.empty() || found_.back() != row) {
    found_.push_back(row);
    former_.push_back(rows_[row].form);
  }
  if (rows_[row].form == RowForm::whole) ++poisoned_;
  rows_[row].form = form;
}

void Isolation::undo() {
  poisoned_ = 0;
  while (!found_.empty()) {
    rows_[found_.back()].form = former_.back();
    found_.pop_back();
    former_.pop_back();
  }
}

// One row: left as it is where the store takes it. False: the store refuses it in every form, or cannot be
// asked.
bool Isolation::settle(size_t row) {
  for (;;) {
    Verdict verdict = attempt(row, row + 1);
    if (verdict == Verdict::unknown) return false;
    if (verdict == Verdict::taken) break;
    if (rows_[row].form == RowForm::bare) return false;
    change(row, next(rows_[row].form));
  }
  if (rows_[row].form == RowForm::whole) return true;
  Kind kind = kind_of(rows_[row]);
  makers_.insert(kind.maker);
  kinds_.insert({std::move(kind), rows_[row].form});
  return true;
}

// Halves what is refused, until single rows are left or the tries are used up; then ranges are left.
bool Isolation::search(std::vector<Range>& ranges) {
  const size_t max = tries_max(rows_.size());
  while (!ranges.empty() && tries_ < max) {
    Range range = ranges.back();
    ranges.pop_back();
    if (range.end - range.begin == 1) {
      if (!settle(range.begin)) return false;
      continue;
    }
    if (!range.is_refused) {
      Verdict verdict = attempt(range.begin, range.end);
      if (verdict == Verdict::unknown) return false;
      if (verdict == Verdict::taken) continue;
    }
    const size_t middle = range.begin + (range.end - range.begin) / 2;
    Verdict left = attempt(range.begin, middle);
    if (left == Verdict::unknown) return false;
    // Where the left half is taken it is the right one that is refused.
    ranges.push_back({middle, range.end, left == Verdict::taken});
    if (left == Verdict::refused) ranges.push_back({range.begin, middle, true});
  }
  return true;
}

bool Isolation::settle_whole(const Range& range, RowForm form) {
  for (size_t row = range.begin; row < range.end; ++row) {
    if (rows_[row].form < form) change(row, form);
  }
  return attempt(range.begin, range.end) == Verdict::taken;
}

bool Isolation::settle_the_same_kind(const Range& range) {
  for (size_t row = range.begin; row < range.end; ++row) {
    const Kind kind = kind_of(rows_[row]);
    for (RowForm form : {RowForm::as_bytes, RowForm::bare}) {
      if (rows_[row].form < form && kinds_.contains({kind, form})) change(row, form);
    }
  }
  return attempt(range.begin, range.end) == Verdict::taken;
}

bool Isolation::settle_the_same_makers(const Range& range) {
  for (size_t row = range.begin; row < range.end; ++row) {
    if (rows_[row].form < RowForm::bare && makers_.contains(kind_of(rows_[row]).maker))
      change(row, RowForm::bare);
  }
  return attempt(range.begin, range.end) == Verdict::taken;
}

// Four tries at most. Those in whose sessions nothing was refused keep their columns as long as that helps.
bool Isolation::settle_by_likeness(const Range& range) {
  return settle_the_same_kind(range) || settle_the_same_makers(range) ||
         settle_whole(range, RowForm::as_bytes) || settle_whole(range, RowForm::bare);
}

bool Isolation::run(std::optional<size_t> hint) {
  if (hint && *hint < rows_.size()) {
    if (!settle(*hint)) {
      undo();
      return false;
    }
    if (!found_.empty()) return true;
  }
  std::vector<Range> ranges{{0, rows_.size(), true}};
  bool is_settled = !rows_.empty() && search(ranges);
  for (size_t i = 0; is_settled && i < ranges.size(); ++i) is_settled = settle_by_likeness(ranges[i]);
  if (!is_settled) undo();
  return is_settled && !found_.empty();
}

}  // namespace ringfence::audit
