#include "ringfence/sql/redact.h"

#include <algorithm>
#include <vector>

#include "ringfence/sql/lex.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ringfence::sql {
namespace {

constexpr std::string_view blanks = " \t\n\r\f\v";
constexpr size_t npos = std::string_view::npos;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
bool is_blank(char c) { return blanks.find(c) != npos; }
bool is_word_char(char c) {
  return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
}

bool is_passw_at(std::string_view text, size_t i) {
  return text.size() - i >= 5 && lower(text[i]) == 'p' && lower(text[i + 1]) == 'a' && lower(text[i + 2]) == 's' &&
         lower(text[i + 3]) == 's' && lower(text[i + 4]) == 'w';
}

// The next "passw" in any case, from `from`.
size_t find_passw(std::string_view text, size_t from) {
  for (size_t i = from; i + 5 <= text.size(); ++i) {
    i = text.find_first_of("pP", i);
    if (i == npos) return npos;
    if (is_passw_at(text, i)) return i;
  }
  return npos;
}

bool has_secret_word(std::string_view text) { return find_passw(text, 0) != npos || text.find("://") != npos; }

// Whether what stands at `i` gives reason to look closer: the two words, an escape that may hide one, a U&
// literal, or a string that goes on after a newline.
bool is_suspicious_at(std::string_view text, size_t i) {
  const std::string_view rest = text.substr(i);
  switch (rest[0]) {
    case 'p':
    case 'P': return is_passw_at(text, i);
    case ':': return rest.substr(0, 3) == "://";
    case '\\': return true;
    case '&': return rest.size() > 1 && (rest[1] == '\'' || rest[1] == '"');
    case '\n':
    case '\r': {
      const size_t next = rest.find_first_not_of(" \t\f", 1);
      return next != npos && rest[next] == '\'';
    }
    default: return false;
  }
}

struct Range {
  size_t begin = 0;
  size_t end = 0;
};

// Collects what is to be replaced, in any order and overlapping, and makes the new text.
class Output {
 public:
  explicit Output(std::string_view text) : text_(text) {}

  void replace(size_t begin, size_t end) {
    if (begin < end) ranges_.push_back({begin, end});
  }
  std::optional<std::string> finish() {
    if (ranges_.empty()) return std::nullopt;
    std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
    std::string out;
    size_t done = 0;
    for (const Range& range : ranges_) {
      // Replacements that touch or overlap are shown as one.
      if (done == 0 || range.begin > done) out.append(text_.substr(done, range.begin - done)).append("***");
      done = std::max(done, range.end);
    }
    return out.append(text_.substr(done));
  }

 private:
  std::string_view text_;
  std::vector<Range> ranges_;
};

// What stands between a literal's (or quoted identifier's) delimiters.
Range content_of(std::string_view text, const Token& token) {
  const std::string_view all = text.substr(token.begin, token.end - token.begin);
  size_t open = 0;
  size_t close = 0;
  if (token.kind == TokenKind::dollar_string) {
    open = all.find('$', 1) + 1;
    close = open;
  } else {
    open = all.find_first_of("'\"") + 1;
    close = 1;
  }
  if (!token.is_terminated) close = 0;
  return {token.begin + open, token.end - close};
}

uint32_t digits_value(std::string_view text, size_t& i, size_t digits_max, uint32_t base) {
  uint32_t value = 0;
  for (size_t n = 0; n < digits_max && i < text.size(); ++n, ++i) {
    const char c = lower(text[i]);
    uint32_t digit = 99;
    if (c >= '0' && c <= '9') digit = static_cast<uint32_t>(c - '0');
    else if (c >= 'a' && c <= 'f') digit = static_cast<uint32_t>(c - 'a' + 10);
    if (digit >= base) break;
    value = value * base + digit;
  }
  return value;
}

// Behind the quote that takes the string up again on a later line; `i` is behind the quote that broke it off.
size_t behind_continuation(std::string_view content, size_t i) {
  while (i < content.size() && content[i] != '\'') {
    if (content[i] == '-') i = std::min(content.find_first_of("\n\r", i), content.size());
    else ++i;
  }
  return std::min(i + 1, content.size());
}

// What the literal means, as far as finding ASCII words in it needs: escapes resolved, continuation lines joined.
std::string meaning_of(std::string_view content, bool has_escapes) {
  std::string out;
  for (size_t i = 0; i < content.size();) {
    const char c = content[i++];
    if (c == '\'') {
      if (i < content.size() && content[i] == '\'') ++i;
      else i = behind_continuation(content, i);
      continue;
    }
    if (c != '\\' || !has_escapes || i == content.size()) {
      out.push_back(c);
      continue;
    }
    const char kind = content[i];
    uint32_t value = 0;
    if (kind >= '0' && kind <= '7') value = digits_value(content, i, 3, 8);
    else if (kind == 'x') value = digits_value(content, ++i, 2, 16);
    else if (kind == 'u') value = digits_value(content, ++i, 4, 16);
    else if (kind == 'U') value = digits_value(content, ++i, 8, 16);
    else value = static_cast<uint8_t>(content[i++]);
    out.push_back(value < 0x80 ? static_cast<char>(value) : '?');
  }
  return out;
}

class Redactor {
 public:
  explicit Redactor(std::string_view text) : text_(text), output_(text), lexer_(text) {}

  std::optional<std::string> run();

 private:
  void take_literal(const Token& token);
  void take_plain(std::string_view content, size_t base, bool is_terminated);
  void take_uris(std::string_view content, size_t base, bool is_terminated);
  size_t value_after_word(std::string_view content, size_t after_word, size_t base);

  std::string_view text_;
  Output output_;
  Lexer lexer_;
  bool password_follows_ = false;   // The last word says that a secret comes next.
  size_t secret_end_ = npos;        // The token before was a password's literal, which ended here.
  bool redact_statement_ = false;   // An earlier literal of this statement announced a password.
};

std::optional<std::string> Redactor::run() {
  for (Token token = lexer_.next(); token.kind != TokenKind::end; token = lexer_.next()) {
    const std::string_view word = lexer_.text_of(token);
    const bool is_quoted_name = token.kind == TokenKind::quoted_identifier;
    if (secret_end_ != npos) {
      // Whatever is glued to a password's literal, or a second literal behind it, is no SQL: most likely the rest of
      // a password that was quoted wrongly. Nothing behind it can be told apart from the secret.
      const bool is_glued = token.begin == secret_end_ && token.kind != TokenKind::symbol;
      if (is_glued || token.is_string() || token.kind == TokenKind::dollar_string) {
        output_.replace(token.begin, text_.size());
        break;
      }
      secret_end_ = npos;
    }
    if (token.is_string() || token.kind == TokenKind::dollar_string || (is_quoted_name && password_follows_)) {
      const Range content = content_of(text_, token);
      if (password_follows_ && !is_quoted_name) secret_end_ = token.end;
      if (password_follows_ || redact_statement_) output_.replace(content.begin, content.end);
      else take_literal(token);
      password_follows_ = false;
    } else if (token.kind == TokenKind::word || is_quoted_name) {
      // `TO` stands between a setting and its value.
      password_follows_ = find_passw(word, 0) != npos || (password_follows_ && is_keyword(word, "to"));
      if (is_quoted_name && word.find("://") != npos) take_literal(token);
    } else if (token.kind == TokenKind::unicode_identifier) {
      password_follows_ = true;  // Its escapes may spell anything.
    } else if (token.kind != TokenKind::national_prefix) {
      const bool is_assignment = word == "=" || word == ":=" || word == "=>" || word == "==";
      password_follows_ = password_follows_ && is_assignment;
      if (word == ";") redact_statement_ = false;
    }
  }
  return output_.finish();
}

void Redactor::take_literal(const Token& token) {
  const Range range = content_of(text_, token);
  const std::string_view content = text_.substr(range.begin, range.end - range.begin);
  if (token.kind == TokenKind::unicode_string) return output_.replace(range.begin, range.end);
  const bool has_escapes = token.kind == TokenKind::escape_string && content.find('\\') != npos;
  const bool may_continue = token.kind != TokenKind::dollar_string && content.find('\'') != npos &&
                            content.find_first_of("\n\r") != npos;
  if (has_escapes || may_continue) {
    if (!has_secret_word(meaning_of(content, has_escapes)) && !has_secret_word(content)) return;
    redact_statement_ = true;
    return output_.replace(range.begin, range.end);
  }
  take_plain(content, range.begin, token.is_terminated);
}

// Looks for name=value pairs and nested statements in a literal's content, which starts at `base` of the text.
void Redactor::take_plain(std::string_view content, size_t base, bool is_terminated) {
  take_uris(content, base, is_terminated);
  for (size_t i = find_passw(content, 0); i != npos; i = find_passw(content, i)) {
    i += 5;
    while (i < content.size() && is_word_char(content[i])) ++i;
    i = value_after_word(content, i, base);
  }
}

// What follows a word with "passw" in a literal: replaces the value, if there is one, and returns where to go on.
size_t Redactor::value_after_word(std::string_view content, size_t after_word, size_t base) {
  // Blanks, the quote of a quoted name, and what assigns.
  const size_t value = content.find_first_not_of(" \t\n\r\f\v\"=:>", after_word);
  const std::string_view between = content.substr(after_word, value == npos ? npos : value - after_word);
  if (value == npos) {  // The literal ends with the word: the secret is a later literal.
    redact_statement_ = true;
    return content.size();
  }
  const char first = content[value];
  const bool is_assigned = between.find_first_of("=:") != npos;
  const bool is_formatted = first == '%';
  if (is_formatted) redact_statement_ = true;
  // A quoted value, or one that a comment or a prefix precedes: where it ends depends on the language inside.
  const bool is_quoted = std::string_view("'\"$\\`/-").find(first) != npos || between.find('"') != npos ||
                         (content.size() - value > 1 && content[value + 1] == '\'') ||
                         content.substr(value + 1, 2) == "&'";
  if (is_quoted) {
    output_.replace(base + value, base + content.size());
    return content.size();
  }
  if (!is_assigned) {
    // `PASSWORD TO 'x'`: a nested SET. Anything else is prose.
    if (is_keyword(content.substr(value, 2), "to") && content.find_first_of("'\"$", value) != npos) {
      output_.replace(base + value, base + content.size());
      return content.size();
    }
    return value;
  }
  // libpq's rule: an unquoted value ends at a blank that no backslash precedes.
  size_t end = value;
  while (end < content.size() && !is_blank(content[end])) end += content[end] == '\\' ? 2 : 1;
  end = std::min(end, content.size());
  output_.replace(base + value, base + end);
  return end;
}

void Redactor::take_uris(std::string_view content, size_t base, bool is_terminated) {
  for (size_t i = content.find("://"); i != npos; i = content.find("://", i)) {
    i += 3;
    size_t end = content.find_first_of(blanks, i);
    if (end == npos) end = content.size();
    const std::string_view authority = content.substr(i, end - i);
    const size_t colon = authority.find(':');
    size_t at = authority.rfind('@');
    // Cut off before the @: what follows the colon may be the password's beginning.
    if (at == npos && !is_terminated && end == content.size()) at = authority.size();
    if (colon != npos && at != npos && colon < at) output_.replace(base + i + colon + 1, base + i + at);
    i = end;
  }
}

}  // namespace

bool needs_redaction(std::string_view text) {
  size_t i = 0;
#if defined(__SSE2__)
  const auto block_at = [&](size_t at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
  };
  const auto equal = [](__m128i block, char c) { return _mm_cmpeq_epi8(block, _mm_set1_epi8(c)); };
  for (; i + 17 <= text.size(); i += 16) {
    const __m128i here = block_at(i);
    const __m128i next = block_at(i + 1);
    const __m128i case_bit = _mm_set1_epi8(0x20);
    __m128i found = _mm_and_si128(equal(_mm_or_si128(here, case_bit), 'p'), equal(_mm_or_si128(next, case_bit), 'a'));
    found = _mm_or_si128(found, _mm_and_si128(equal(here, ':'), equal(next, '/')));
    found = _mm_or_si128(found, _mm_or_si128(equal(here, '\\'), equal(here, '&')));
    found = _mm_or_si128(found, _mm_or_si128(equal(here, '\n'), equal(here, '\r')));
    for (auto mask = static_cast<unsigned>(_mm_movemask_epi8(found)); mask != 0; mask &= mask - 1)
      if (is_suspicious_at(text, i + static_cast<size_t>(__builtin_ctz(mask)))) return true;
  }
#endif
  for (; i < text.size(); ++i)
    if (is_suspicious_at(text, i)) return true;
  return false;
}

std::optional<std::string> redact(std::string_view text) {
  if (!needs_redaction(text)) return std::nullopt;
  return Redactor(text).run();
}

}  // namespace ringfence::sql
