#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "ringfence/sql/lex.h"

using namespace ringfence::sql;

namespace {

// The tokens of a text, separated by " | ".
std::string cut(std::string_view text) {
  Lexer lexer(text);
  std::string out;
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    if (!out.empty()) out += " | ";
    out += lexer.text_of(token);
  }
  return out;
}

TokenKind kind_of(std::string_view text) { return Lexer(text).next().kind; }

}  // namespace

TEST_CASE("each kind of literal is one token") {
  CHECK(kind_of("'it''s'") == TokenKind::string);
  CHECK(kind_of("E'it\\'s'") == TokenKind::escape_string);
  CHECK(kind_of("u&'\\0041'") == TokenKind::unicode_string);
  CHECK(kind_of("U&\"x\"") == TokenKind::unicode_identifier);
  CHECK(kind_of("b'01'") == TokenKind::bit_string);
  CHECK(kind_of("X'1F'") == TokenKind::hex_string);
  CHECK(kind_of("$$x$$") == TokenKind::dollar_string);
  CHECK(kind_of("\"a\"\"b\"") == TokenKind::quoted_identifier);
  CHECK(kind_of("$12") == TokenKind::parameter);
  CHECK(kind_of("12") == TokenKind::integer);
  CHECK(kind_of("1.") == TokenKind::decimal);
  CHECK(kind_of(".5e-3") == TokenKind::decimal);
  CHECK(cut("N'x'") == "N | 'x'");
  CHECK(cut("b'0''1'") == "b'0' | '1'");
}

TEST_CASE("a backslash escapes a quote in E strings only") {
  CHECK(cut("'\\' x") == "'\\' | x");
  CHECK(cut("E'\\' x' y") == "E'\\' x' | y");
}

TEST_CASE("a string continues over a newline and line comments, not over block comments or blanks") {
  CHECK(cut("'a'\n 'b'") == "'a'\n 'b'");
  CHECK(cut("'a' -- c\n -- d\n 'b'") == "'a' -- c\n -- d\n 'b'");
  CHECK(cut("'a' 'b'") == "'a' | 'b'");
  CHECK(cut("'a' /*\n*/ 'b'") == "'a' | 'b'");
  CHECK(cut("'a' -- 'b'") == "'a'");
  CHECK(cut("E'a'\n'b\\'' c") == "E'a'\n'b\\'' | c");
}

TEST_CASE("dollar quotes end at their own tag") {
  CHECK(cut("$a$ $$ $b$ ; $a$ x") == "$a$ $$ $b$ ; $a$ | x");
  CHECK(cut("$a$$a$a$") == "$a$$a$ | a$");
  CHECK(cut("a$b$c") == "a$b$c");
  CHECK(cut("$1$$;$$") == "$1 | $$;$$");
  CHECK(cut("$ab c") == "$ | ab | c");
}

TEST_CASE("comments end operators, and block comments nest") {
  CHECK(cut("1+--2\n3") == "1 | + | 3");
  CHECK(cut("1*/*x*/2") == "1 | * | 2");
  CHECK(cut("a /* /* */ ; */ b") == "a | b");
  CHECK(cut("a /* /* */ ; b") == "a");
  CHECK(cut("a /*/ ; */ b") == "a | b");
  CHECK(cut("a /***/ b") == "a | b");
}

TEST_CASE("trailing plus and minus stay with an operator only if it has an extended character") {
  CHECK(cut("a=-1") == "a | = | - | 1");
  CHECK(cut("a@-1") == "a | @- | 1");
  CHECK(cut("a*+-+b") == "a | * | + | - | + | b");
  CHECK(cut("a->>'b'") == "a | ->> | 'b'");
  CHECK(cut("<=-") == "<= | -");
  CHECK(cut("x::int[1:2]:=3..4") == "x | :: | int | [ | 1 | : | 2 | ] | := | 3 | .. | 4");
}

TEST_CASE("unterminated tokens run to the end and say so") {
  for (std::string_view text :
       {"'abc", "E'abc\\", "E'abc\\'", "\"abc", "$$abc", "$x$abc$x", "U&'abc", "b'01", "'a'\n'b"}) {
    CAPTURE(text);
    Lexer lexer(text);
    Token token = lexer.next();
    CHECK_FALSE(token.is_terminated);
    CHECK(token.end == text.size());
    CHECK(lexer.next().kind == TokenKind::end);
  }
  Lexer comment("/* x");
  CHECK(comment.next().kind == TokenKind::end);
  CHECK_FALSE(comment.comments_are_terminated());
}

TEST_CASE("a million operator characters, quotes or comment openers are cut in linear time") {
  for (std::string_view unit :
       {"+", "-+", "+*", "/", "@+", "'a' ", "/* ", "$a", "$a$", "1e", "\"", "E'\\", "'a'\n"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    Lexer lexer(text);
    size_t tokens = 0;
    size_t end = 0;
    for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next(), ++tokens) {
      REQUIRE(token.begin >= end);
      REQUIRE(token.end > token.begin);
      end = token.end;
    }
    CHECK(tokens <= text.size());
  }
}
