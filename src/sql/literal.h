// What stands in a literal, and where in the text each byte of that stands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/sql/lex.h"

namespace ringfence::sql {

struct Range {
  size_t begin = 0;
  size_t end = 0;
};

// A literal's content with its escapes resolved, its quotes single and its lines joined, as far as finding
// ASCII words in it needs: another character that an escape stands for is a ?. A literal without any of that
// is not copied.
class LiteralMeaning {
 public:
  // `escape`: of a U& literal, what its UESCAPE says.
  LiteralMeaning(std::string_view text, const Token& token, char escape = '\\');

  std::string_view text() const { return runs_.empty() ? raw_ : std::string_view(meaning_); }
  // Gives `add(begin, end)` each piece of the text that is the source of a range of the meaning. The quotes
  // between lines, and comments there, are in none.
  template <typename Add>
  void pieces(Range of, Add&& add) const;

 private:
  // From `meaning` on each byte of the meaning stands for one of the text; an escape has a run of its own.
  struct Run {
    size_t meaning;
    size_t begin;
    size_t end;  // In the text.
  };
  void decode(TokenKind kind, char escape);
  void decode_escape(TokenKind kind, char escape, size_t& i);
  void put(char c, size_t begin, size_t end);

  std::string_view raw_;
  size_t begin_ = 0;  // Of `raw_` in the text.
  std::string meaning_;
  std::vector<Run> runs_;
};

// What stands between the delimiters of a literal.
Range content_of(std::string_view text, const Token& token);

template <typename Add>
void LiteralMeaning::pieces(Range of, Add&& add) const {
  if (of.begin >= of.end) return;
  if (runs_.empty()) return add(begin_ + of.begin, begin_ + of.end);
  size_t low = 0;
  for (size_t high = runs_.size(); high - low > 1;) {
    const size_t middle = (low + high) / 2;
    (runs_[middle].meaning <= of.begin ? low : high) = middle;
  }
  for (; low < runs_.size() && runs_[low].meaning < of.end; ++low) {
    const Run& run = runs_[low];
    const size_t next = low + 1 < runs_.size() ? runs_[low + 1].meaning : meaning_.size();
    const bool is_plain = run.end - run.begin == next - run.meaning;
    const size_t begin =
        is_plain && of.begin > run.meaning ? run.begin + (of.begin - run.meaning) : run.begin;
    const size_t end = is_plain && of.end < next ? run.begin + (of.end - run.meaning) : run.end;
    add(begin_ + begin, begin_ + end);
  }
}

}  // namespace ringfence::sql
