// Texts that mean the same whatever the settings are by which they are read.
#include "ringfence/sql/plain.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "ringfence/sql/lex.h"

using namespace ringfence::sql;

namespace {

std::vector<Token> tokens(std::string_view text, Strings strings) {
  std::vector<Token> out;
  Lexer lexer(text, strings);
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) out.push_back(token);
  return out;
}

}  // namespace

TEST_CASE("a text is plain where backslashes in strings do not move a token") {
  for (std::string_view text : {"", "select 1", "select 'a' ; select 2", "select 'a\\b'", "select E'a\\'b'",
                                "select $$a\\'b$$", "select \"a\\\"", "select 1 -- \\'", "select 1 /* \\' */",
                                "select 'c:\\\\'", "select 'a''b\\n'", "select X'1f\\'"}) {
    INFO(text);
    CHECK(is_plain(text));
  }
}

TEST_CASE("a text is not plain where a backslash stands before a quote, or a byte is no ASCII") {
  for (std::string_view text : {"select '\\'", "select '\\'; select 2; /*'; delete from t; select '*/ -- '",
                                "select N'\\'", "select 'a'\n'\\'", "select '\\\\\\'", "select 1 as \xc3\xa9",
                                "select 1 -- \xe9", "12345678\x80", "\xff"}) {
    INFO(text);
    CHECK(!is_plain(text));
  }
}

TEST_CASE("plain texts have the same tokens under both settings, others do not or are not ASCII") {
  std::mt19937 random(7);
  constexpr std::string_view parts[] = {"'",  "\\", "\"", "e", "E'", "$$", "$a$", "--",
                                        "/*", "*/", "\n", ";", "x",  " ",  "u&'", "1"};
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (size_t k = random() % 14; k-- > 0;) text += parts[random() % std::size(parts)];
    const auto standard = tokens(text, Strings::standard), escaping = tokens(text, Strings::escaping);
    bool is_same = standard.size() == escaping.size();
    for (size_t k = 0; is_same && k < standard.size(); ++k) {
      is_same = standard[k].begin == escaping[k].begin && standard[k].end == escaping[k].end &&
                standard[k].is_terminated == escaping[k].is_terminated;
    }
    INFO(text);
    CHECK(is_plain(text) == is_same);
  }
}
