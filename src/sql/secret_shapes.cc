#include "secret_shapes.h"
#include "characters.h"

#include <algorithm>

namespace ringfence::sql {
namespace {

constexpr std::string_view blanks = " \t\n\r\f\v";

bool is_blank(char c) { return blanks.find(c) != npos; }
bool is_quote(char c) { return c == '\'' || c == '"' || c == '`'; }
bool is_word_char(char c) {
  return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
}
bool is_key_char(char c) { return is_word_char(c) || c == '-' || c == '.'; }

// Programs that take a secret on their command line, by which option, and how it stands there.
struct Program {
  std::string_view name;     // As it begins: mysql is mysqldump too.
  std::string_view options;  // Of one letter each.
  std::string_view longer;   // One of many letters.
  char form;  // ':' or '%': behind that in the value; '=': the value; '+': the value, glued to the option.
};
constexpr Program programs[] = {
    {"curl", "uU", "user", ':'}, {"curl", "", "proxy-user", ':'}, {"wget", "", "user", ':'},
    {"mysql", "p", "", '+'},     {"mariadb", "p", "", '+'},       {"sshpass", "p", "", '='},
    {"redis-cli", "a", "", '='}, {"mongo", "p", "", '='},         {"sqlcmd", "P", "", '='},
    {"ldap", "w", "", '='},      {"smbclient", "U", "user", '%'},
};

}  // namespace

bool SecretShapes::has_word_at(size_t at, std::string_view word) const {
  if (text_.size() - at < word.size()) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    if (lower(text_[at + i]) != word[i]) return false;
  }
  return true;
}

void SecretShapes::find(std::vector<Range>& secrets) {
  secrets_ = &secrets;
  for (size_t at = names_.next_word(text_, 0); at != npos; at = names_.next_word(text_, at + 1))
    take_word(at);
}

void SecretShapes::take_word(size_t at) {
  if (text_[at] == ':') {
    if (at >= uris_done_) uris_done_ = take_uri(at + 3);
    return;
  }
  if (at >= done_ && has_word_at(at, "private key")) take_pem(at);
  if (at == 0 || !is_word_char(text_[at - 1])) {
    if (at >= headers_done_ && has_word_at(at, "authorization")) headers_done_ = take_header(at + 13);
    if (at >= headers_done_ && has_word_at(at, "bearer")) headers_done_ = take_bearer(at + 6);
    const bool is_program =
        at >= commands_done_ && std::any_of(std::begin(programs), std::end(programs),
                                            [&](const Program& one) { return has_word_at(at, one.name); });
    if (is_program) commands_done_ = take_commands(at);
  }
  if (at < done_) return;
  const Key key = key_at(at);
  done_ = key.end;
  if (key.strength == NameStrength::strong || key.strength == NameStrength::weak)
    done_ = std::max(done_, take_pair(key));
}

// The key in which the word at `at` stands.
SecretShapes::Key SecretShapes::key_at(size_t at) const {
  Key key{at, at, NameStrength::none};
  while (key.begin > done_ && is_key_char(text_[key.begin - 1])) --key.begin;
  while (key.end < text_.size() && is_key_char(text_[key.end])) ++key.end;
  // A file's name says nothing: /etc/passwd.
  const bool is_path = key.begin > 0 && (text_[key.begin - 1] == '/' || text_[key.begin - 1] == '\\') &&
                       (key.end == text_.size() || text_[key.end] != '=');
  key.end = std::max(key.end, at + 1);
  if (!is_path) key.strength = names_.strength_of(text_.substr(key.begin, key.end - key.begin));
  return key;
}

// Where a value ends that is in no quotes. `around`: the quote in which the pair itself stands.
size_t SecretShapes::value_end(size_t value, char around, bool is_quoted_key, bool is_query) const {
  // libpq's rule: at a blank that no backslash precedes.
  size_t end = value;
  while (end < text_.size() && !is_blank(text_[end])) {
    const char c = text_[end];
    if ((around != '\0' && c == around) || (is_query && (c == '&' || c == '#'))) break;
    if (is_quoted_key && (c == ',' || c == '}' || c == ']')) break;
    end += c == '\\' ? 2 : 1;
  }
  return std::min(end, text_.size());
}

// What follows a key: its value is taken, if there is one. Gives where to go on.
size_t SecretShapes::take_pair(const Key& key) {
  size_t at = key.end;
  const char before = key.begin > 0 ? text_[key.begin - 1] : '\0';
  const bool is_quoted_key = is_quote(before) && at < text_.size() && text_[at] == before;
  if (is_quoted_key) ++at;
  const bool is_strong = key.strength == NameStrength::strong;
  const size_t next = std::min(text_.find_first_not_of(blanks, at), text_.size());
  if (next == text_.size()) {
    const bool is_alone =
        std::all_of(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(key.begin), is_blank);
    // The text is the name, or ends with it.
    if (is_alone && !is_quoted_key) announcement_ = is_strong ? Announcement::name : Announcement::weak_name;
    else if (is_strong) announcement_ = Announcement::tail;
    return next;
  }
  size_t value = next;
  bool is_equal = false;
  while (value < text_.size() && std::string_view("=:>").find(text_[value]) != npos)
    is_equal |= text_[value++] == '=';
  const bool is_assigned =
      value > next && (is_equal || is_quoted_key || (is_strong && text_[next] == ':')) && text_[next] != '>';
  const bool is_option = text_[key.begin] == '-';
  if (text_[next] == '%' && is_strong) announcement_ = Announcement::tail;
  if (before == '<' && text_[key.end] == '>') {
    const size_t end = std::min(text_.find('<', key.end), text_.size());
    add(key.end + 1, end);
    return end;
  }
  if (!is_assigned && !(is_option && is_strong && value == next && next > at)) {
    // What RAISE says of a password: it cannot be told which word is the secret.
    const bool tells = is_said_ && is_strong && next > at && text_[next] != '%';
    if (tells) add(next, text_.size());
    return tells ? text_.size() : key.end;
  }
  value = std::min(text_.find_first_not_of(blanks, value), text_.size());
  if (value == text_.size()) {
    if (is_strong || is_equal) announcement_ = Announcement::tail;
    return value;
  }
  const char first = text_[value];
  if (is_option && first == '-') return value;
  if (first == '%' && value + 1 < text_.size() &&
      std::string_view("LIs1234567890").find(text_[value + 1]) != npos) {
    announcement_ = Announcement::tail;
    return value + 2;
  }
  if (is_quote(first)) {
    size_t end = ++value;
    while (end < text_.size()) {
      if (text_[end] == '\\') ++end;
      else if (text_[end] == first && (first != '\'' || end + 1 == text_.size() || text_[end + 1] != first))
        break;
      else if (text_[end] == first) ++end;
      ++end;
    }
    end = std::min(end, text_.size());
    // In a shell's word 'a''b' goes on; what is empty and at the end is filled by what is put behind it.
    if (value == end && end == text_.size()) announcement_ = Announcement::tail;
    add(value, end);
    return end;
  }
  size_t word = key.begin;
  while (word > 0 && !is_blank(text_[word - 1]) && !is_quote(text_[word - 1]) && key.begin - word < 256)
    --word;
  const char around = !is_quoted_key && word > 0 && is_quote(text_[word - 1]) ? text_[word - 1] : '\0';
  const bool is_query = text_.substr(word, key.begin - word).find_first_of("?&") != npos;
  const size_t end = value_end(value, around, is_quoted_key, is_query);
  add(value, end);
  return end;
}

// Behind "://": the password of user:password@host.
size_t SecretShapes::take_uri(size_t at) {
  // Both are looked for once, however many URIs a word has.
  if (next_blank_ < at) next_blank_ = std::min(text_.find_first_of(blanks, at), text_.size());
  size_t end = next_blank_;
  const size_t quote = text_.substr(0, end).find_first_of("\"'<>`", at);
  if (quote < end) {
    // It ends the URI unless an @ stands behind it in the same word: a password may have a quote.
    if (next_sign_ < quote) next_sign_ = std::min(text_.find('@', quote), text_.size());
    if (next_sign_ >= end) end = quote;
  }
  const std::string_view word = text_.substr(at, end - at);
  const size_t colon = word.find(':');
  const size_t slash = word.find_first_of("/?#");
  if (colon == npos || (slash != npos && slash < colon)) return end;
  // host:5432/a@b has a port there and no password.
  const std::string_view behind = word.substr(colon + 1, slash == npos ? npos : slash - colon - 1);
  const bool is_port = slash != npos && std::all_of(behind.begin(), behind.end(), is_digit);
  size_t sign = word.substr(0, slash).rfind('@');
  if (sign == npos && slash != npos && !is_port) sign = word.rfind('@');
  // Cut off before the @: what follows the colon may be the password's beginning.
  if (sign == npos && slash == npos && !is_whole_ && end == text_.size()) sign = word.size();
  if (sign != npos && colon < sign) add(at + colon + 1, at + sign);
  return end;
}

// Behind "Authorization": the credentials of a header's line.
size_t SecretShapes::take_header(size_t at) {
  if (at < text_.size() && is_quote(text_[at])) ++at;
  while (at < text_.size() && (is_blank(text_[at]) || text_[at] == '=' || text_[at] == '>')) ++at;
  if (at == text_.size() || text_[at] != ':') return at;
  at = text_.find_first_not_of(" \t\"':", at);
  if (at == npos) return text_.size();
  const size_t end = std::min(text_.find_first_of("\n\r\"'`", at), text_.size());
  // Its scheme, Bearer or Basic, is shown.
  const size_t blank = text_.substr(at, end - at).find(' ');
  const size_t value = blank == npos ? at : std::min(text_.find_first_not_of(' ', at + blank), end);
  if (value == end) announcement_ = Announcement::tail;
  add(value, end);
  return end;
}

// Behind "Bearer": a word that is no prose.
size_t SecretShapes::take_bearer(size_t at) {
  if (at == text_.size() || (text_[at] != ' ' && text_[at] != ':')) return at;
  const size_t value = text_.find_first_not_of(" :", at);
  if (value == npos) {
    announcement_ = Announcement::tail;
    return text_.size();
  }
  size_t end = value;
  bool is_prose = true;
  for (; end < text_.size() && !is_blank(text_[end]) && !is_quote(text_[end]); ++end) {
    if (lower(text_[end]) < 'a' || lower(text_[end]) > 'z') is_prose = is_prose && end + 1 == text_.size();
  }
  if (!is_prose || end - value >= 16) add(value, end);
  return end;
}

// At "PRIVATE KEY-----": the lines up to its end.
void SecretShapes::take_pem(size_t at) {
  const size_t begin = at + 11;
  if (text_.substr(begin, 5) != "-----" || at < 11 ||
      text_.substr(0, at).substr(at < 32 ? 0 : at - 32).find("-----BEGIN ") == npos)
    return;
  const size_t end = std::min(text_.find("-----END", begin), text_.size());
  add(begin + 5, end);
  done_ = std::max(done_, end);
}

// A shell's word from `at` on, in which quotes may stand; gives where it ends.
size_t SecretShapes::shell_word_end(size_t at, size_t end) const {
  for (char quote = '\0'; at < end && (quote != '\0' || !is_blank(text_[at])); ++at) {
    if (text_[at] == '\\') ++at;
    else if (quote == '\0' && is_quote(text_[at])) quote = text_[at];
    else if (text_[at] == quote) quote = '\0';
  }
  return std::min(at, end);
}

// A line of commands from a program's name on.
size_t SecretShapes::take_commands(size_t at) {
  const size_t end = std::min(text_.find('\n', at), text_.size());
  size_t name = at;
  char form = '\0';
  for (at = text_.find_first_not_of(blanks, at); at < end; at = text_.find_first_not_of(blanks, at)) {
    const size_t begin = at;
    at = shell_word_end(at, end);
    const std::string_view word = text_.substr(begin, at - begin);
    if (!word.starts_with('-')) {
      if (form != '\0') take_argument(begin, at, form);
      // Another program: /usr/bin/curl, $(curl.
      const size_t path = word.find_last_of("/(`\"'|;&");
      const size_t base = path == npos || path + 1 == word.size() ? begin : begin + path + 1;
      if (form == '\0' && std::any_of(std::begin(programs), std::end(programs),
                                      [&](const Program& one) { return has_word_at(base, one.name); }))
        name = base;
      form = '\0';
      continue;
    }
    form = take_option(name, begin, at);
  }
  return end;
}

// An option of the program whose name stands at `name`; gives the form of its value if that is the next word.
char SecretShapes::take_option(size_t name, size_t begin, size_t end) {
  const std::string_view word = text_.substr(begin, end - begin);
  char awaited = '\0';
  for (const Program& program : programs) {
    if (!has_word_at(name, program.name)) continue;
    if (word.starts_with("--")) {
      const size_t behind = 2 + program.longer.size();
      if (program.longer.empty() || !word.substr(2).starts_with(program.longer)) continue;
      if (word.size() == behind) awaited = program.form;
      else if (word[behind] == '=') take_argument(begin + behind + 1, end, program.form);
      continue;
    }
    // -u value, -uvalue, and behind other letters: -su value.
    const auto is_other = [&](char c) {
      return lower(c) >= 'a' && lower(c) <= 'z' && program.options.find(c) == npos;
    };
    size_t letter = 1;
    while (program.form != '+' && letter < word.size() && is_other(word[letter])) ++letter;
    if (letter >= word.size() || program.options.find(word[letter]) == npos) continue;
    if (letter + 1 < word.size()) take_argument(begin + letter + 1, end, program.form);
    else if (program.form != '+') awaited = program.form;
  }
  return awaited;
}

// The value of an option, in which the secret stands as `form` says.
void SecretShapes::take_argument(size_t begin, size_t end, char form) {
  if (begin < end && is_quote(text_[begin])) {
    const char quote = text_[begin++];
    if (end > begin && text_[end - 1] == quote) --end;
  }
  if (form == ':' || form == '%') {
    const size_t separator = text_.substr(begin, end - begin).find(form);
    if (separator == npos) return;
    begin += separator + 1;
  }
  if (begin == end) announcement_ = Announcement::tail;
  add(begin, end);
}

}  // namespace ringfence::sql
