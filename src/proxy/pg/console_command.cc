#include "console_command.h"

#include <algorithm>
#include <optional>

#include "ringfence/sql/lex.h"

namespace ringfence::proxy {

using sql::Lexer;
using sql::Token;
using sql::TokenKind;

namespace {

struct ShownName {
  std::string_view name;
  ConsoleVerb verb;
};
constexpr ShownName shown_names[] = {
    {"sessions", ConsoleVerb::show_sessions}, {"targets", ConsoleVerb::show_targets},
    {"grants", ConsoleVerb::show_grants},     {"stats", ConsoleVerb::show_stats},
    {"config", ConsoleVerb::show_config},     {"version", ConsoleVerb::show_version},
    {"help", ConsoleVerb::show_help},
};
// Words that begin a command without more to it.
constexpr ShownName plain_verbs[] = {
    {"begin", ConsoleVerb::begin},   {"start", ConsoleVerb::begin},       {"commit", ConsoleVerb::commit},
    {"end", ConsoleVerb::commit},    {"rollback", ConsoleVerb::rollback}, {"abort", ConsoleVerb::rollback},
    {"discard", ConsoleVerb::reset}, {"reset", ConsoleVerb::reset},
};

std::string small(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// One command, token by token.
class CommandText {
 public:
  explicit CommandText(std::string_view text) : text_(text), lexer_(text) { advance(); }

  bool is_over() const { return now_.kind == TokenKind::end; }
  TokenKind kind() const { return now_.kind; }
  std::string_view token() const { return lexer_.text_of(now_); }
  // What is left, from this token on.
  std::string_view rest() const { return is_over() ? std::string_view() : text_.substr(now_.begin); }
  void advance() { now_ = lexer_.next(); }
  // True, and it has been read, where it is this word.
  bool take(std::string_view word) {
    if (now_.kind != TokenKind::word || !sql::is_keyword(token(), word)) return false;
    advance();
    return true;
  }
  bool take_symbol(std::string_view symbol) {
    if (now_.kind != TokenKind::symbol || token() != symbol) return false;
    advance();
    return true;
  }

 private:
  std::string_view text_;
  Lexer lexer_;
  Token now_;
};

// A literal's or a quoted name's content; words in small letters. Nothing: it has more to it than that.
std::optional<std::string> plain_value(const CommandText& at) {
  const std::string_view token = at.token();
  if (at.kind() == TokenKind::word) return small(token);
  const bool is_quoted = at.kind() == TokenKind::string || at.kind() == TokenKind::quoted_identifier;
  if (!is_quoted) return at.is_over() ? std::nullopt : std::optional<std::string>(token);
  if (token.size() < 2) return std::nullopt;
  return std::string(token.substr(1, token.size() - 2));
}

ConsoleCommand command_of(ConsoleVerb verb, std::string argument = {}, std::string value = {}) {
  ConsoleCommand out;
  out.verb = verb;
  out.argument = std::move(argument);
  out.value = std::move(value);
  return out;
}

ConsoleCommand unknown(std::string why) { return command_of(ConsoleVerb::unknown, std::move(why)); }

ConsoleCommand show(CommandText& at) {
  if (at.is_over()) return unknown("SHOW names nothing");
  if (at.take("transaction") && at.take("isolation") && at.take("level") && at.is_over())
    return command_of(ConsoleVerb::show_setting, "transaction_isolation");
  if (at.kind() != TokenKind::word) return unknown("SHOW names nothing that there is");
  const std::string name = small(at.token());
  at.advance();
  if (!at.is_over()) return unknown("SHOW takes one word");
  for (const ShownName& shown : shown_names) {
    if (shown.name == name) return command_of(shown.verb);
  }
  return command_of(ConsoleVerb::show_setting, name);
}

// An id has blanks nowhere, and the lexer cuts it into many tokens.
ConsoleCommand kill(const CommandText& at) {
  if (at.is_over()) return unknown("KILL names no session");
  if (at.kind() == TokenKind::parameter) {
    if (at.rest() == "$1") return command_of(ConsoleVerb::kill);
    return unknown("KILL takes one parameter, $1");
  }
  std::string_view id = at.rest();
  const bool is_quoted =
      id.size() > 2 && (id.front() == '\'' || id.front() == '"') && id.back() == id.front();
  if (is_quoted) id = id.substr(1, id.size() - 2);
  return command_of(ConsoleVerb::kill, std::string(id));
}

ConsoleCommand set(CommandText& at) {
  if (!at.take("session")) at.take("local");
  if (at.kind() != TokenKind::word && at.kind() != TokenKind::quoted_identifier)
    return unknown("SET names no setting");
  std::string name = plain_value(at).value_or("");
  at.advance();
  if (!at.take_symbol("=")) at.take("to");
  return command_of(ConsoleVerb::set, std::move(name), plain_value(at).value_or(""));
}

ConsoleCommand deallocate(CommandText& at) {
  at.take("prepare");
  const bool is_word = at.kind() == TokenKind::word;
  const auto name = plain_value(at);
  if (!name || name->empty()) return unknown("DEALLOCATE names no statement");
  at.advance();
  if (!at.is_over()) return unknown("DEALLOCATE takes one name");
  return command_of(ConsoleVerb::deallocate, is_word && *name == "all" ? "" : *name);
}

ConsoleCommand select(CommandText& at) {
  const bool is_number = at.kind() == TokenKind::integer;
  const std::string number(at.token());
  if (is_number) at.advance();
  if (is_number && at.is_over() && number.size() < 10) return command_of(ConsoleVerb::select_number, number);
  if (at.take("pg_catalog")) at.take_symbol(".");
  if (!is_number && at.take("version") && at.take_symbol("(") && at.take_symbol(")") && at.is_over())
    return command_of(ConsoleVerb::select_version);
  return unknown("this database is the appliance's console and runs no SQL");
}

ConsoleCommand parse_one(std::string_view text) {
  CommandText at(text);
  if (at.take("show")) return show(at);
  if (at.take("kill")) return kill(at);
  if (at.take("set")) return set(at);
  if (at.take("deallocate")) return deallocate(at);
  if (at.take("select")) return select(at);
  for (const ShownName& plain : plain_verbs) {
    if (at.take(plain.name)) return command_of(plain.verb);
  }
  return unknown("this database is the appliance's console and runs no SQL");
}

}  // namespace

std::vector<ConsoleCommand> parse_console(std::string_view text) {
  std::vector<ConsoleCommand> out;
  Lexer lexer(text);
  size_t begin = std::string_view::npos, end = 0;
  for (Token token = lexer.next();; token = lexer.next()) {
    const bool is_end = token.kind == TokenKind::end;
    if (!is_end && !(token.kind == TokenKind::symbol && lexer.text_of(token) == ";")) {
      if (begin == std::string_view::npos) begin = token.begin;
      end = token.end;
      continue;
    }
    if (begin != std::string_view::npos) {
      const std::string_view command = text.substr(begin, end - begin);
      const bool is_one_more = out.size() == console_commands_max;
      out.push_back(is_one_more ? unknown("a message has at most 32 commands") : parse_one(command));
      out.back().text = command;
      if (is_one_more) return out;
    }
    begin = std::string_view::npos;
    if (is_end) return out;
  }
}

std::string_view console_name(ConsoleVerb verb) {
  switch (verb) {
    case ConsoleVerb::show_sessions: return "SHOW SESSIONS";
    case ConsoleVerb::show_targets: return "SHOW TARGETS";
    case ConsoleVerb::show_grants: return "SHOW GRANTS";
    case ConsoleVerb::show_stats: return "SHOW STATS";
    case ConsoleVerb::show_config: return "SHOW CONFIG";
    case ConsoleVerb::show_version: return "SHOW VERSION";
    case ConsoleVerb::show_help: return "SHOW HELP";
    case ConsoleVerb::show_setting: return "SHOW";
    case ConsoleVerb::kill: return "KILL";
    case ConsoleVerb::begin: return "BEGIN";
    case ConsoleVerb::commit: return "COMMIT";
    case ConsoleVerb::rollback: return "ROLLBACK";
    case ConsoleVerb::set: return "SET";
    case ConsoleVerb::reset: return "RESET";
    case ConsoleVerb::deallocate: return "DEALLOCATE";
    case ConsoleVerb::select_number:
    case ConsoleVerb::select_version: return "SELECT";
    case ConsoleVerb::unknown: return "unknown";
  }
  return "unknown";
}

std::string_view console_scope(ConsoleVerb verb) {
  switch (verb) {
    case ConsoleVerb::show_sessions: return "sessions:read";
    case ConsoleVerb::show_targets: return "targets:read";
    case ConsoleVerb::show_grants: return "grants:read";
    case ConsoleVerb::show_stats: return "stats:read";
    case ConsoleVerb::show_config: return "config:read";
    case ConsoleVerb::kill: return "sessions:end";
    default: return {};
  }
}

}  // namespace ringfence::proxy
