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

// Whether `word`, which is lower-case, stands in the text in any case.
bool has_word(std::string_view text, std::string_view word) {
  return std::search(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) { return lower(a) == b; }) !=
         text.end();
}

// Functions whose arguments are keys and passwords: pgcrypto's, and whatever is named alike.
bool takes_secrets(std::string_view function) {
  return find_passw(function, 0) != npos || has_word(function, "crypt") || has_word(function, "hmac");
}

bool has_secret_word(std::string_view text) { return takes_secrets(text) || text.find("://") != npos; }

// Whether what stands at `i` gives reason to look closer: the words (the y of crypt), an escape that may hide one, a U&
// literal, or a string that goes on after a newline.
bool is_suspicious_at(std::string_view text, size_t i) {
  const std::string_view rest = text.substr(i);
  switch (rest[0]) {
    case 'p':
    case 'P': return is_passw_at(text, i);
    case 'y':
    case 'Y': return i >= 2 && rest.size() >= 3 && has_word(text.substr(i - 2, 5), "crypt");
    case 'h':
    case 'H': return has_word(rest.substr(0, 4), "hmac");
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

// SQL within dollar quotes within dollar quotes: what is deeper is replaced as a whole.
constexpr int nesting_max = 4;

class Redactor {
 public:
  // `text` is that from `base` on of the one that `output` is about.
  Redactor(std::string_view text, size_t base, Output& output, int nesting)
      : text_(text), base_(base), output_(output), lexer_(text), nesting_(nesting) {}

  void run();

 private:
  void replace(size_t begin, size_t end) { output_.replace(base_ + begin, base_ + end); }
  void take_word(std::string_view word, bool is_quoted_name);
  void take_symbol(std::string_view symbol);
  void take_comments(size_t begin, size_t end);
  void take_literal(const Token& token);
  void take_calls(std::string_view content, size_t base);
  void take_plain(std::string_view content, size_t base, bool is_terminated);
  void take_uris(std::string_view content, size_t base, bool is_terminated);
  size_t value_after_word(std::string_view content, size_t after_word, size_t base, std::optional<size_t>& last_quote);

  std::string_view text_;
  size_t base_;
  Output& output_;
  Lexer lexer_;
  int nesting_;
  bool password_follows_ = false;   // The last word says that a secret comes next.
  bool value_follows_ = false;      // And an operator stands between: `password = lower('x')`.
  bool secrets_may_open_ = false;   // The last word's parenthesis would hold secrets.
  size_t depth_ = 0;                // Of parentheses.
  size_t secret_depth_ = 0;         // Inside the parenthesis of that depth literals are secrets; 0: in none.
  bool is_insert_ = false;          // The statement holds the word INSERT,
  bool is_update_ = false;          // UPDATE.
  bool was_secret_ = false;         // The token before was a secret's literal.
  size_t secret_end_ = npos;        // The token before was a password's literal, which ended here.
  bool redact_statement_ = false;   // An earlier literal of this statement announced a password.
};

void Redactor::run() {
  size_t end_before = 0;
  for (Token token = lexer_.next();; token = lexer_.next()) {
    take_comments(end_before, token.kind == TokenKind::end ? text_.size() : token.begin);
    if (token.kind == TokenKind::end) break;
    end_before = token.end;
    const std::string_view word = lexer_.text_of(token);
    const bool is_quoted_name = token.kind == TokenKind::quoted_identifier;
    const bool is_literal = token.is_string() || token.kind == TokenKind::dollar_string;
    if (secret_end_ != npos) {
      // Whatever is glued to a password's literal, or a second literal behind it, is no SQL: most likely the rest of
      // a password that was quoted wrongly. Nothing behind it can be told apart from the secret.
      const bool is_glued = token.begin == secret_end_ && token.kind != TokenKind::symbol;
      if (is_glued || is_literal) {
        replace(token.begin, text_.size());
        break;
      }
      secret_end_ = npos;
    }
    if (is_literal || (is_quoted_name && password_follows_)) {
      const Range content = content_of(text_, token);
      if (password_follows_ && !is_quoted_name) secret_end_ = token.end;
      if (password_follows_ || redact_statement_ || secret_depth_ > 0) replace(content.begin, content.end);
      else take_literal(token);
      was_secret_ = password_follows_;
      password_follows_ = secrets_may_open_ = value_follows_ = false;
      continue;
    } else if (token.kind == TokenKind::word || is_quoted_name) {
      take_word(word, is_quoted_name);
      if (is_quoted_name && word.find("://") != npos) take_literal(token);
    } else if (token.kind == TokenKind::unicode_identifier) {
      password_follows_ = secrets_may_open_ = true;  // Its escapes may spell anything.
    } else if (token.kind == TokenKind::symbol || token.kind == TokenKind::operation) {
      take_symbol(word);
    } else if (token.kind != TokenKind::national_prefix) {
      password_follows_ = secrets_may_open_ = false;
    }
    was_secret_ = false;
  }
}

void Redactor::take_word(std::string_view word, bool is_quoted_name) {
  if (!is_quoted_name && is_keyword(word, "insert")) is_insert_ = true;
  if (!is_quoted_name && is_keyword(word, "update")) is_update_ = true;
  if (takes_secrets(word)) {
    password_follows_ = find_passw(word, 0) != npos;
    // `INSERT INTO users (name, password) VALUES …`: which of the literals it is cannot be told without counting.
    if (password_follows_ && is_insert_) redact_statement_ = true;
    secrets_may_open_ = true;
    value_follows_ = false;
    return;
  }
  // These stand between a setting or a column and its value; behind an operator one more word may: lower('x').
  static constexpr std::string_view between[] = {"to", "in", "not", "like", "ilike", "similar", "between", "any", "all", "some"};
  const bool is_between = std::any_of(std::begin(between), std::end(between),
                                      [&](std::string_view one) { return is_keyword(word, one); });
  password_follows_ = password_follows_ && (is_between || value_follows_);
  secrets_may_open_ = password_follows_;
  if (!is_between) value_follows_ = false;
}

void Redactor::take_symbol(std::string_view symbol) {
  if (symbol == "(") {
    ++depth_;
    if ((secrets_may_open_ || password_follows_) && secret_depth_ == 0) secret_depth_ = depth_;
  } else if (symbol == ")") {
    if (secret_depth_ == depth_) secret_depth_ = 0;
    if (depth_ > 0) --depth_;
  } else if (symbol == ";") {
    redact_statement_ = is_insert_ = is_update_ = false;
    depth_ = secret_depth_ = 0;
  }
  const bool ends_value = symbol == "(" || symbol == ")" || symbol == "," || symbol == ";" || symbol == "." || symbol == "[";
  // `SET (name, password) = ('ana', 'x')`.
  if (is_update_ && password_follows_ && !value_follows_ && (symbol == "," || symbol == ")")) redact_statement_ = true;
  // What is put together with a secret is one too: 'hun' || 'ter2'.
  if (was_secret_ && symbol == "||") password_follows_ = true;
  secrets_may_open_ = secrets_may_open_ && symbol == ".";
  password_follows_ = password_follows_ && !ends_value;
  value_follows_ = password_follows_;
}

// A comment is nobody's grammar, but a connection string may stand there.
void Redactor::take_comments(size_t begin, size_t end) {
  if (end - begin < 5) return;
  const std::string_view comments = text_.substr(begin, end - begin);
  if (!has_secret_word(comments)) return;
  const bool announced = redact_statement_;
  take_plain(comments, begin, end < text_.size());
  redact_statement_ = announced;  // What is said there announces nothing.
}

void Redactor::take_literal(const Token& token) {
  const Range range = content_of(text_, token);
  const std::string_view content = text_.substr(range.begin, range.end - range.begin);
  if (token.kind == TokenKind::unicode_string) return replace(range.begin, range.end);
  const bool has_escapes = token.kind == TokenKind::escape_string && content.find('\\') != npos;
  const bool may_continue = token.kind != TokenKind::dollar_string && content.find('\'') != npos &&
                            content.find_first_of("\n\r") != npos;
  if (has_escapes || may_continue) {
    if (!has_secret_word(meaning_of(content, has_escapes)) && !has_secret_word(content)) return;
    redact_statement_ = true;
    return replace(range.begin, range.end);
  }
  take_plain(content, range.begin, token.is_terminated);
  if (token.kind != TokenKind::dollar_string) return take_calls(content, range.begin);
  if (!needs_redaction(content)) return;
  // Most likely a body in SQL or PL/pgSQL, with literals of its own.
  if (nesting_ == nesting_max) return replace(range.begin, range.end);
  Redactor(content, base_ + range.begin, output_, nesting_ + 1).run();
}

// A call of what takes keys, in a statement inside the literal: nothing behind it is shown.
void Redactor::take_calls(std::string_view content, size_t base) {
  for (std::string_view name : {"crypt", "hmac"}) {
    for (auto at = content.begin();;) {
      at = std::search(at, content.end(), name.begin(), name.end(), [](char a, char b) { return lower(a) == b; });
      if (at == content.end()) break;
      at += static_cast<std::ptrdiff_t>(name.size());
      while (at != content.end() && (is_word_char(*at) || *at == '"')) ++at;
      while (at != content.end() && is_blank(*at)) ++at;
      if (at != content.end() && *at == '(') {
        replace(base + static_cast<size_t>(at - content.begin()) + 1, base + content.size());
        break;
      }
    }
  }
}

// Looks for name=value pairs and nested statements in a literal's content, which starts at `base` of the text.
void Redactor::take_plain(std::string_view content, size_t base, bool is_terminated) {
  take_uris(content, base, is_terminated);
  std::optional<size_t> last_quote;
  for (size_t i = find_passw(content, 0); i != npos; i = find_passw(content, i)) {
    i += 5;
    while (i < content.size() && is_word_char(content[i])) ++i;
    i = value_after_word(content, i, base, last_quote);
  }
}

// What follows a word with "passw" in a literal: replaces the value, if there is one, and returns where to go on.
// `last_quote`: of the content, searched for once at most, for a text may have the word 100,000 times.
size_t Redactor::value_after_word(std::string_view content, size_t after_word, size_t base,
                                  std::optional<size_t>& last_quote) {
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
    replace(base + value, base + content.size());
    return content.size();
  }
  if (!is_assigned) {
    // `PASSWORD TO 'x'`: a nested SET. Anything else is prose.
    const bool is_set = is_keyword(content.substr(value, 2), "to");
    if (is_set && !last_quote) last_quote = content.find_last_of("'\"$");
    if (is_set && *last_quote != npos && *last_quote >= value) {
      replace(base + value, base + content.size());
      return content.size();
    }
    return value;
  }
  // libpq's rule: an unquoted value ends at a blank that no backslash precedes.
  size_t end = value;
  while (end < content.size() && !is_blank(content[end])) end += content[end] == '\\' ? 2 : 1;
  end = std::min(end, content.size());
  replace(base + value, base + end);
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
    if (colon != npos && at != npos && colon < at) replace(base + i + colon + 1, base + i + at);
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
    found = _mm_or_si128(found, _mm_and_si128(equal(_mm_or_si128(here, case_bit), 'y'), equal(_mm_or_si128(next, case_bit), 'p')));
    found = _mm_or_si128(found, _mm_and_si128(equal(_mm_or_si128(here, case_bit), 'h'), equal(_mm_or_si128(next, case_bit), 'm')));
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
  Output output(text);
  Redactor(text, 0, output, 0).run();
  return output.finish();
}

}  // namespace ringfence::sql
