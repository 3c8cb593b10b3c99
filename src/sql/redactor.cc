#include "redactor.h"
#include "characters.h"

#include <algorithm>

namespace ringfence::sql {
namespace {

template <size_t n>
bool is_one_of(std::string_view word, const std::string_view (&list)[n]) {
  return std::any_of(std::begin(list), std::end(list),
                     [&](std::string_view one) { return is_keyword(word, one); });
}

// These stand between a setting or a column and its value.
constexpr std::string_view between[] = {"to",  "in",  "not",  "like", "ilike", "similar",  "between",
                                        "any", "all", "some", "is",   "from",  "distinct", "escape"};
// Where an expression ends that is put together with ||.
constexpr std::string_view clauses[] = {
    "from",   "where", "union", "except", "intersect", "group",  "order", "having", "limit",
    "and",    "or",    "then",  "else",   "end",       "when",   "as",    "into",   "using",
    "values", "on",    "loop",  "is",     "returning", "window", "fetch", "offset"};

std::string_view unquoted(std::string_view name) {
  if (name.size() >= 2 && name.front() == '"')
    return name.substr(1, name.size() - (name.back() == '"' ? 2 : 1));
  return name;
}

}  // namespace

void Redactor::run() {
  for (Token token = lexer_.next(); token.kind != TokenKind::end; token = lexer_.next()) {
    const std::string_view word = lexer_.text_of(token);
    switch (token.kind) {
      case TokenKind::word: take_word(word); continue;
      case TokenKind::quoted_identifier: take_name(word, names_.strength_of(unquoted(word))); continue;
      // Its escapes may spell anything.
      case TokenKind::unicode_identifier: take_name(word, NameStrength::strong); continue;
      case TokenKind::symbol:
      case TokenKind::operation: take_symbol(word); continue;
      case TokenKind::parameter: take_parameter(token); continue;
      case TokenKind::national_prefix: continue;
      case TokenKind::integer:
      case TokenKind::decimal:
        // SET app.pin = 1234; elsewhere numbers are counts and places.
        if (secret_follows_ && is_setting_) secrets_.literals.push_back({token.begin, token.end});
        secret_follows_ = opens_secrets_ = value_follows_ = false;
        continue;
      default: take_literal(token);
    }
  }
}

void Redactor::run_on_message() { take_content(text_, is_whole_, secrets_.literals); }

void Redactor::take_word(std::string_view word) {
  if (is_first_word_) is_create_ = is_keyword(word, "create");
  if (is_keyword(word, "update")) is_update_ = true;
  if (is_keyword(word, "table") && is_create_) is_table_made_ = true;
  if (is_keyword(word, "set")) is_setting_ = !is_update_;
  if (is_keyword(word, "raise")) is_raise_ = true;
  if (is_hiding_ && hiding_stops_at_clause_ && depth_ == hiding_depth_ && is_one_of(word, clauses))
    is_hiding_ = false;
  is_first_word_ = false;
  const bool ends_statement_part = is_keyword(word, "begin") || is_keyword(word, "declare");
  if (ends_statement_part) is_first_word_ = true;
  take_name(word, names_.strength_of(word));
  if (is_keyword(word, "in")) next_paren_ = Paren::in;
  else if (is_keyword(word, "values")) next_paren_ = Paren::values;
  else if (is_keyword(word, "options")) next_paren_ = Paren::options;
  else if (is_keyword(word, "set_config")) next_paren_ = Paren::set_config;
}

void Redactor::take_name(std::string_view word, NameStrength strength) {
  columns_.take_word(word, strength == NameStrength::strong, depth_);
  next_paren_ = Paren::call;
  was_secret_ = false;
  // 'password'::text keeps what it announces.
  if (is_cast_) {
    is_cast_ = false;
    return;
  }
  announced_ = Announcement::none;
  // Of a setting's name each part counts: SET secrets.stripe.
  if (is_after_dot_ && is_setting_) strength = std::max(strength, named_);
  is_after_dot_ = false;
  if (strength == NameStrength::strong) declared_ = true;
  else if (is_keyword(word, "default") && declared_) secret_follows_ = value_follows_ = true;
  if (strength != NameStrength::none) {
    named_ = strength;
    const bool is_weak_here = strength == NameStrength::weak && paren() == Paren::options;
    secret_follows_ = strength == NameStrength::strong || is_weak_here;
    opens_secrets_ = strength == NameStrength::strong || strength == NameStrength::call;
    value_follows_ = false;
    return;
  }
  const bool is_between = is_one_of(word, between);
  if (is_between && is_setting_ && named_ == NameStrength::weak) secret_follows_ = true;
  if (!is_between) named_ = NameStrength::none;
  secret_follows_ = secret_follows_ && (is_between || value_follows_);
  opens_secrets_ = secret_follows_;
  if (!is_between) value_follows_ = false;
}

void Redactor::open() {
  ++depth_;
  if (depth_ <= parens_max) parens_[depth_ - 1] = next_paren_;
  const bool is_column_list = is_table_made_ && depth_ == 1;
  if ((opens_secrets_ || secret_follows_) && !is_column_list) hide_from_here(false, false);
}

void Redactor::close() {
  if (is_hiding_ && depth_ <= hiding_depth_) is_hiding_ = false;
  if (depth_ > 0) --depth_;
}

void Redactor::end_statement() {
  is_first_word_ = true;
  is_hiding_ = is_table_made_ = is_create_ = is_update_ = is_setting_ = is_raise_ = false;
  depth_ = 0;
  columns_.end_statement();
}

void Redactor::hide_from_here(bool stops_at_comma, bool stops_at_clause) {
  if (is_hiding_) return;
  is_hiding_ = true;
  hiding_depth_ = depth_;
  hiding_stops_at_comma_ = stops_at_comma;
  hiding_stops_at_clause_ = stops_at_clause;
}

// What a literal before has announced, and the symbol that follows it.
void Redactor::take_announced(std::string_view symbol) {
  const Announcement announced = announced_;
  if (symbol == "::") return;  // A cast of it.
  announced_ = Announcement::none;
  const bool is_call = paren() == Paren::call || paren() == Paren::set_config;
  if (symbol == ",") {
    const bool is_name = announced == Announcement::name ||
                         (announced == Announcement::weak_name && paren() == Paren::set_config);
    if (is_name && (is_call || paren() == Paren::values)) hide_from_here(true, false);
    else if (announced == Announcement::tail && (is_call || is_raise_)) hide_from_here(false, false);
    return;
  }
  const bool ends =
      symbol == "(" || symbol == ")" || symbol == ";" || symbol == "." || symbol == "[" || symbol == "]";
  if (ends || announced == Announcement::weak_name) return;
  if (symbol == "||") hide_from_here(true, true);
  else secret_follows_ = value_follows_ = true;  // data ->> 'password' = 'x'
}

void Redactor::take_symbol(std::string_view symbol) {
  columns_.take_symbol(symbol, symbol == "(" ? depth_ + 1 : depth_);
  const bool was_secret = was_secret_;
  was_secret_ = false;
  is_cast_ = symbol == "::";
  is_after_dot_ = symbol == ".";
  const bool stops_hiding = symbol == "," && is_hiding_ && hiding_stops_at_comma_ && depth_ <= hiding_depth_;
  if (stops_hiding) is_hiding_ = false;
  if (announced_ != Announcement::none) {
    take_announced(symbol);
    if (secret_follows_ || is_cast_) return;
  }
  const bool ends_value = symbol == "(" || symbol == ")" || symbol == "," || symbol == ";" || symbol == "." ||
                          symbol == "[" || symbol == "]";
  const bool names_argument = symbol == ":=" || symbol == "=>";
  const bool sets = is_setting_ && symbol == "=";
  // v_password text := 'x'
  if (declared_ && symbol == ":=") secret_follows_ = true;
  if (symbol != "." && symbol != "[" && symbol != "]") declared_ = false;
  if (named_ == NameStrength::weak && (names_argument || sets)) secret_follows_ = true;
  if (symbol == "(") open();
  else if (symbol == ")") close();
  else if (symbol == ";") end_statement();
  next_paren_ = Paren::other;
  // What is put together with a secret is one too: 'hun' || 'ter2'. A setting's value may be a list.
  if (was_secret && (symbol == "||" || (symbol == "," && is_setting_))) {
    secret_follows_ = value_follows_ = true;
    return;
  }
  opens_secrets_ = opens_secrets_ && symbol == ".";
  secret_follows_ = secret_follows_ && !ends_value;
  value_follows_ = secret_follows_;
  if (symbol != ".") named_ = NameStrength::none;
}

void Redactor::take_parameter(const Token& token) {
  if (is_secret_here()) {
    uint64_t number = 0;
    for (char c : text_.substr(token.begin + 1, std::min<size_t>(token.end - token.begin - 1, 3)))
      number = number * 10 + static_cast<uint64_t>(c - '0');
    if (number >= 1 && number <= 64) secrets_.parameters |= uint64_t{1} << (number - 1);
  }
  was_secret_ = secret_follows_;
  secret_follows_ = opens_secrets_ = value_follows_ = false;
  announced_ = Announcement::none;
}

// The escape character of a U& literal.
char Redactor::escape_of(const Token& token) const {
  if (token.kind != TokenKind::unicode_string) return '\\';
  Lexer ahead = lexer_;
  const Token word = ahead.next();
  if (word.kind != TokenKind::word || !is_keyword(ahead.text_of(word), "uescape")) return '\\';
  const Token literal = ahead.next();
  if (!literal.is_string() && literal.kind != TokenKind::dollar_string) return '\\';
  const Range content = content_of(text_, literal);
  return content.end - content.begin == 1 ? text_[content.begin] : '\\';
}

void Redactor::take_literal(const Token& token) {
  const bool is_secret = is_secret_here() || was_secret_;
  const bool was_hiding_more = secret_follows_ || was_secret_;
  const LiteralMeaning meaning(text_, token, escape_of(token));
  std::vector<Range> found;
  Announcement announcement = Announcement::none;
  if (is_secret) {
    found.push_back({0, meaning.text().size()});
  } else if (names_.may_hold_secret(meaning.text())) {
    take_content(meaning.text(), token.is_terminated, found);
    announcement = announced_;
  }
  for (const Range& range : found) {
    meaning.pieces(range, [&](size_t begin, size_t end) { secrets_.literals.push_back({begin, end}); });
  }
  was_secret_ = was_hiding_more;
  declared_ = false;
  secret_follows_ = opens_secrets_ = value_follows_ = is_cast_ = false;
  announced_ = announcement;
  next_paren_ = Paren::other;
  named_ = NameStrength::none;
}

// Secrets within a literal: of a known shape, or in statements that stand there. Sets what it announces.
void Redactor::take_content(std::string_view content, bool is_whole, std::vector<Range>& found) {
  SecretShapes shapes(content, names_, is_whole, is_raise_);
  shapes.find(found);
  announced_ = shapes.announcement();
  if (nesting_ == nesting_max || content.find_first_of("'$") == npos) return;
  Secrets inner;
  Redactor(content, names_, inner, nesting_ + 1, is_whole).run();
  found.insert(found.end(), inner.literals.begin(), inner.literals.end());
}

}  // namespace ringfence::sql
