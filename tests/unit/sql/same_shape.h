// Another text of a text's shape, and all that a decision may look at in a statement's facts: for tests and
// fuzz targets.
#pragma once

#include <string>
#include <string_view>

#include "ringfence/sql/facts.h"
#include "ringfence/sql/lex.h"

namespace ringfence::sql {

inline std::string print(const Facts& facts) {
  std::string out = facts.kind + "|";
  const auto number = [&](auto value) { out += std::to_string(value) + ","; };
  const auto name = [&](const auto& use) { out += use.schema + "." + use.name + "@", number(use.at); };
  for (const auto& e : facts.effects)
    out += e.kind + " " + e.what + "@", number(static_cast<int>(e.level)), number(e.at);
  for (const auto& r : facts.relations) out += r.catalog + ".", name(r), number(r.is_written);
  for (const auto& c : facts.columns) out += c.qualifier + "." + c.name, number(c.at);
  for (const auto& f : facts.functions) out += "f", name(f);
  for (const auto& o : facts.operators) out += "o", name(o);
  for (const auto& a : facts.attributes) out += "a", name(a), number(a.is_of_expression);
  for (const auto& s : facts.settings) {
    out += s.name;
    for (const std::string& value : s.values) out += "=" + value;
    number(static_cast<int>(s.verb)), number(s.is_constant), number(s.is_local), number(s.at);
  }
  for (bool flag : {facts.names_every_column, facts.misses_where, facts.is_opaque, facts.is_shape_cacheable,
                    facts.drops_all, facts.is_portal}) {
    number(flag);
  }
  number(static_cast<int>(facts.control)), number(facts.inner);
  return out + facts.defines + "|" + facts.executes + "|" + facts.drops;
}

// Every constant is replaced by another of its class; `next` gives numbers.
template <typename Next>
std::string with_other_constants(std::string_view text, Next&& next) {
  std::string out;
  size_t copied = 0;
  Lexer lexer(text);
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    out.append(text.substr(copied, token.begin - copied));
    copied = token.end;
    const std::string value = std::to_string(next() % 100'000);
    switch (token.kind) {
      case TokenKind::integer: out += value; break;
      case TokenKind::decimal: out += value + ".5"; break;
      case TokenKind::string: out += "'; drop table " + value + " --'"; break;
      case TokenKind::escape_string: out += "E'\\n" + value + "'"; break;
      case TokenKind::bit_string: out += next() % 2 == 0 ? "B'0110'" : "b'1'"; break;
      case TokenKind::hex_string: out += next() % 2 == 0 ? "X'1F'" : "x'0'"; break;
      case TokenKind::dollar_string: out += "$q$select '" + value + "$q$"; break;
      default: out.append(lexer.text_of(token));
    }
  }
  out.append(text.substr(copied));
  return out;
}

}  // namespace ringfence::sql
