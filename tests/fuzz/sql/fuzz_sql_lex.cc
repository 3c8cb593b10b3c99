// Tokens and statements have to be in order, not empty, and within the text; the statements hold every token
// but the separating semicolons.
#include <cstdint>
#include <cstdlib>

#include "ringfence/sql/lex.h"
#include "ringfence/sql/split.h"

using namespace ringfence::sql;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find('\0') != std::string_view::npos) return 0;

  StatementSplitter splitter(text);
  auto statement = splitter.next();
  Lexer lexer(text);
  size_t end = 0;
  for (Token token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
    if (token.begin < end || token.end <= token.begin || token.end > size) std::abort();
    end = token.end;
    if (statement && token.begin >= statement->end) {
      const size_t previous_end = statement->end;
      statement = splitter.next();
      if (statement && statement->begin < previous_end) std::abort();
    }
    const bool is_inside = statement && token.begin >= statement->begin && token.end <= statement->end;
    // The lexer-free way may end a statement before the `;` of a literal that is never closed.
    if (!is_inside && lexer.text_of(token) != ";" && token.is_terminated) std::abort();
  }
  if (statement && splitter.next()) std::abort();
  return 0;
}
