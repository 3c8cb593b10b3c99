// Many regular expressions matched at once: all patterns of a snapshot in one Hyperscan database.
//
// A pattern is searched for anywhere in the text, without regard to case; `.` does not match a newline and
// `$` only the end of the text. What always holds: a compiled database is immutable and shared by threads;
// each thread brings its own Scratch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/result.h"

namespace ringfence::policy {

using PatternId = uint32_t;

// One thread's working memory for any number of databases.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

 private:
  friend class Patterns;
  void* scratch_ = nullptr;
  uint64_t fits_ = 0;  // The database that it was last made to fit.
};

struct Match {
  PatternId id = 0;
  size_t end =
      0;  // Byte of the text behind the end of one of its occurrences, as a rule of the first that ends.
};

class Patterns {
 public:
  // Why pattern number `index` cannot be held.
  struct Problem {
    size_t index;
    std::string message;
  };
  // Every problem, not just the first; empty when `patterns` was made.
  static std::vector<Problem> compile(const std::vector<std::string>& texts,
                                      std::shared_ptr<const Patterns>& patterns);
  ~Patterns();

  size_t size() const { return size_; }
  // Replaces `matches` by one for each pattern that occurs in the text, in no order. The text is valid UTF-8.
  // False when Hyperscan failed: then nothing may be concluded. Allocates only when the scratch has not met
  // this database.
  bool scan(std::string_view text, Scratch& scratch, std::vector<Match>& matches) const;
  // How many bytes from the text's beginning decide that match, so that it is one in every text that begins
  // with them; nothing where the text's end may have a part in it. What some patterns ask about behind an
  // occurrence is whether the text ends there, a newline at its end aside, or a word does, for which one
  // character is looked at.
  std::optional<size_t> decided_within(std::string_view text, const Match& match) const;

 private:
  Patterns() = default;
  void* database_ = nullptr;
  size_t size_ = 0;
  std::vector<bool> looks_behind_;  // Whether it may ask about what follows an occurrence.
  uint64_t serial_ = 0;
};

// The pattern as Hyperscan gets it: `$` outside of a class means the end of the text and nothing else.
std::string to_hyperscan(std::string_view pattern);

}  // namespace ringfence::policy
