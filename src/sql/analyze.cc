#include "ringfence/sql/analyze.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "grammar.h"
#include "ringfence/sql/lex.h"
#include "walk.h"

namespace ringfence::sql {
namespace {

// Byte offsets of the tokens, and what the facts want of them.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {
    Lexer lexer(text);
    for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next())
      tokens_.push_back(token);
  }

  Place ordinal(Place offset) const {
    if (offset == nowhere || tokens_.empty()) return nowhere;
    const auto after = std::upper_bound(tokens_.begin(), tokens_.end(), size_t{offset},
                                        [](size_t at, const Token& token) { return at < token.begin; });
    return after == tokens_.begin() ? 0 : static_cast<Place>(after - tokens_.begin() - 1);
  }

  bool has_word(std::string_view lower_case) const {
    return std::any_of(tokens_.begin(), tokens_.end(),
                       [&](const Token& token) { return is_word(token, lower_case); });
  }

  // The token after the first `lower_case` outside of parentheses.
  Place after_word(std::string_view lower_case) const {
    int depth = 0;
    for (size_t i = 0; i + 1 < tokens_.size(); ++i) {
      if (depth == 0 && is_word(tokens_[i], lower_case)) return static_cast<Place>(i + 1);
      depth += depth_change(tokens_[i]);
    }
    return nowhere;
  }

  // What EXPLAIN explains.
  Place after_explain_options() const {
    size_t i = 1;
    if (i < tokens_.size() && depth_change(tokens_[i]) == 1) {
      int depth = 0;
      // EXPLAIN (SELECT 1) explains; EXPLAIN (VERBOSE) SELECT 1 has options: there something follows.
      size_t end = i;
      do {
        depth += depth_change(tokens_[end++]);
      } while (depth > 0 && end < tokens_.size());
      return static_cast<Place>(end < tokens_.size() ? end : i);
    }
    while (i < tokens_.size() && (is_word(tokens_[i], "analyze") || is_word(tokens_[i], "analyse") ||
                                  is_word(tokens_[i], "verbose"))) {
      ++i;
    }
    return i < tokens_.size() ? static_cast<Place>(i) : nowhere;
  }

 private:
  std::string_view text_of(const Token& token) const {
    return text_.substr(token.begin, token.end - token.begin);
  }
  bool is_word(const Token& token, std::string_view lower_case) const {
    return token.kind == TokenKind::word && is_keyword(text_of(token), lower_case);
  }
  int depth_change(const Token& token) const {
    if (token.kind != TokenKind::symbol) return 0;
    const char c = text_[token.begin];
    return c == '(' ? 1 : c == ')' ? -1 : 0;
  }

  std::string_view text_;
  std::vector<Token> tokens_;
};

template <typename Uses>
void to_ordinals(Uses& uses, const Tokens& tokens) {
  for (auto& use : uses) use.at = tokens.ordinal(use.at);
}

// The text with its comments as blanks: the grammar takes the square of their nesting to skip them. Places
// stay; newlines too, because strings are continued over them. Nothing when a comment has no end.
std::optional<std::string> without_comments(std::string_view text) {
  std::string out(text);
  Lexer lexer(text);
  size_t at = 0;
  for (;;) {
    const Token token = lexer.next();
    const size_t end = token.kind == TokenKind::end ? text.size() : token.begin;
    for (; at < end; ++at) {
      if (out[at] != '\n' && out[at] != '\r') out[at] = ' ';
    }
    if (token.kind == TokenKind::end) break;
    at = token.end;
  }
  if (!lexer.comments_are_terminated()) return std::nullopt;
  return out;
}

}  // namespace

Effort effort(std::string_view text) {
  Lexer lexer(text);
  size_t tokens = 0, links = 0;
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    const char c = text[token.begin];
    const bool is_flat = token.is_string() || token.kind == TokenKind::integer ||
                         token.kind == TokenKind::decimal || token.kind == TokenKind::dollar_string ||
                         token.kind == TokenKind::parameter ||
                         (token.kind == TokenKind::symbol && (c == ',' || c == '(' || c == ')'));
    links += is_flat ? 0 : 1;
    if (++tokens > tokens_max || links > links_max) return Effort::refused;
  }
  return tokens <= small_tokens_max && links <= small_links_max ? Effort::small : Effort::large;
}

Result<Facts> analyze(std::string_view statement) {
  if (effort(statement) == Effort::refused) {
    return fail(Fault::limit, "the statement is too long to be analysed: more than " +
                                  std::to_string(tokens_max) + " tokens, or " + std::to_string(links_max) +
                                  " words and operators");
  }
  const std::optional<std::string> bare = without_comments(statement);
  if (!bare) return fail(Fault::malformed, "unterminated /* comment");
  auto tree = Tree::parse(*bare);
  if (!tree) return unexpected(std::move(tree.error()));
  if (tree->statements() != 1) {
    return fail(Fault::malformed,
                tree->statements() == 0 ? "there is no statement" : "there is more than one statement");
  }
  Facts facts;
  Walk(facts).run(tree->statement(0));
  const Tokens tokens(statement);
  to_ordinals(facts.effects, tokens);
  to_ordinals(facts.relations, tokens);
  to_ordinals(facts.reached, tokens);
  to_ordinals(facts.columns, tokens);
  to_ordinals(facts.functions, tokens);
  to_ordinals(facts.operators, tokens);
  to_ordinals(facts.attributes, tokens);
  to_ordinals(facts.settings, tokens);
  if (facts.kind == "prepare") facts.inner = tokens.after_word("as");
  if (facts.kind == "declare") facts.inner = tokens.after_word("for");
  if (facts.kind.starts_with("explain")) facts.inner = tokens.after_explain_options();
  if (tokens.has_word("uescape")) facts.is_shape_cacheable = false;
  return facts;
}

}  // namespace ringfence::sql
