#include "ringfence/sql/command_tag.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "ringfence/sql/lex.h"

namespace ringfence::sql {
namespace {

struct TagSet {
  std::array<uint64_t, 4> bits;
  constexpr bool has(size_t tag) const { return (bits[tag / 64] >> (tag % 64) & 1) != 0; }
  constexpr bool meets(const TagSet& other) const {
    bool any = false;
    for (size_t i = 0; i < bits.size(); ++i) any = any || (bits[i] & other.bits[i]) != 0;
    return any;
  }
};
struct Leader {
  std::string_view words;
  TagSet tags;
};
#include "command_tags.inc"

static_assert(std::is_sorted(std::begin(command_tags), std::end(command_tags)));
static_assert(std::size(command_tags) <= 256);
static_assert(std::all_of(std::begin(modifiers), std::end(modifiers),
                          [](std::string_view word) { return word.size() <= 10; }));

// Codes of sets: any_tag, no_tag, then those of the leaders.
constexpr ExpectedTag first_leader = 2;
const Leader& leader_of(ExpectedTag expected) { return leaders[expected - first_leader]; }

// ---- From leading words to their place, in a table that the compiler makes.

// The longest are three words of a tag's beginning at most; what is longer is none of them.
constexpr size_t words_max = 32;

constexpr uint32_t hash_step(uint32_t hash, char c) {
  return (hash ^ static_cast<unsigned char>(c)) * 16'777'619u;
}
constexpr uint32_t hash_of(std::string_view words) {
  uint32_t hash = 2'166'136'261u;
  for (char c : words) hash = hash_step(hash, c);
  return hash ^ hash >> 15;
}

constexpr size_t places = 512;
static_assert(std::size(leaders) * 2 < places);

constexpr std::array<ExpectedTag, places> make_table() {
  std::array<ExpectedTag, places> out{};
  for (size_t i = 0; i < std::size(leaders); ++i) {
    size_t at = hash_of(leaders[i].words) % places;
    while (out[at] != 0) at = (at + 1) % places;
    out[at] = static_cast<ExpectedTag>(first_leader + i);
  }
  return out;
}
constexpr auto table = make_table();

ExpectedTag find(std::string_view words) {
  for (size_t at = hash_of(words) % places; table[at] != 0; at = (at + 1) % places) {
    if (leader_of(table[at]).words == words) return table[at];
  }
  return any_tag;
}

// The words as the table has them.
class Words {
 public:
  // False: too long for any of them.
  bool add(std::string_view word) {
    if (size_ + word.size() + 1 > words_max) return false;
    if (size_ > 0) text_[size_++] = ' ';
    for (char c : word) text_[size_++] = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    return true;
  }
  std::string_view view() const { return {text_.data(), size_}; }

 private:
  std::array<char, words_max> text_;
  size_t size_ = 0;
};

bool is_modifier(std::string_view word) {
  return std::any_of(std::begin(modifiers), std::end(modifiers),
                     [&](std::string_view one) { return is_keyword(word, one); });
}

// CREATE, ALTER and DROP are told by what they make as well.
bool is_told_by_second(std::string_view words) {
  return words == "CREATE" || words == "ALTER" || words == "DROP";
}

// ---- Tags

// "INSERT 0 1" without its counts.
std::string_view name_of(std::string_view tag) {
  while (!tag.empty()) {
    const size_t space = tag.rfind(' ');
    if (space == std::string_view::npos || space + 1 == tag.size()) break;
    const std::string_view last = tag.substr(space + 1);
    if (!std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; })) break;
    tag = tag.substr(0, space);
  }
  return tag;
}

constexpr TagSet set_of(std::initializer_list<std::string_view> names) {
  TagSet out{};
  for (size_t i = 0; i < std::size(command_tags); ++i) {
    for (std::string_view name : names) {
      if (command_tags[i] == name) out.bits[i / 64] |= uint64_t{1} << (i % 64);
    }
  }
  return out;
}
// Of statements that may return rows, of which an Execute may ask for some.
constexpr TagSet with_rows =
    set_of({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "EXPLAIN", "SHOW", "FETCH", "CALL"});

}  // namespace

ExpectedTag expected_tag(std::string_view text, bool is_whole) {
  Lexer lexer(text);
  Token token = lexer.next();
  while (token.kind == TokenKind::symbol && lexer.text_of(token) == ";") token = lexer.next();
  // The end of a beginning is not the end of the text, and perhaps not the end of a word.
  if (!is_whole && token.end == text.size()) return any_tag;
  if (token.kind == TokenKind::end) return no_tag;
  if (token.kind == TokenKind::symbol && lexer.text_of(token) == "(") return find("(");
  Words words;
  if (token.kind != TokenKind::word || !words.add(lexer.text_of(token))) return any_tag;
  const ExpectedTag by_first = find(words.view());
  if (by_first == any_tag || !is_told_by_second(words.view())) return by_first;
  do {
    token = lexer.next();
  } while (token.kind == TokenKind::word && is_modifier(lexer.text_of(token)));
  if (token.kind != TokenKind::word || (!is_whole && token.end == text.size()) ||
      !words.add(lexer.text_of(token))) {
    return by_first;
  }
  const ExpectedTag by_both = find(words.view());
  return by_both != any_tag ? by_both : by_first;
}

bool allows_tag(ExpectedTag expected, std::string_view tag) {
  if (expected == any_tag) return true;
  if (expected == no_tag) return false;
  const Leader& leader = leader_of(expected);
  const std::string_view name = name_of(tag);
  // Nearly all.
  if (name == leader.words) return true;
  const auto* found = std::lower_bound(std::begin(command_tags), std::end(command_tags), name);
  if (found != std::end(command_tags) && *found == name) {
    return leader.tags.has(static_cast<size_t>(found - std::begin(command_tags)));
  }
  // A tag that PostgreSQL does not have: of an extension, or of another server. It says the statement's own
  // word.
  const auto first_word = [](std::string_view words) { return words.substr(0, words.find(' ')); };
  return first_word(name) == first_word(leader.words);
}

bool allows_empty_answer(ExpectedTag expected) { return expected == any_tag || expected == no_tag; }

bool allows_suspension(ExpectedTag expected) {
  if (expected == any_tag) return true;
  return expected != no_tag && leader_of(expected).tags.meets(with_rows);
}

std::string_view leading_words(ExpectedTag expected) {
  return expected < first_leader ? std::string_view() : leader_of(expected).words;
}

std::string describe_expected(ExpectedTag expected) {
  if (expected == any_tag) return "any";
  if (expected == no_tag) return "none";
  std::string out;
  for (size_t i = 0; i < std::size(command_tags); ++i) {
    if (!leader_of(expected).tags.has(i)) continue;
    if (!out.empty()) out += ", ";
    out += command_tags[i];
  }
  return out;
}

}  // namespace ringfence::sql
