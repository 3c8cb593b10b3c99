// Two texts of one shape have the same facts, wherever these are cached by shape. Input: a statement's text,
// or, behind a NUL, the choices by which a grammar makes one.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "../../unit/sql/same_shape.h"
#include "../../unit/sql/statement_grammar.h"
#include "ringfence/sql/analyze.h"
#include "ringfence/sql/shape.h"

using namespace ringfence::sql;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  if (size > 0 && data[0] == 0) {
    size_t at = 1;
    StatementGrammar grammar([&](size_t n) { return at < size ? data[at++] % n : 0; });
    text = grammar.statement();
  }
  if (text.find('\0') != std::string::npos || effort(text) != Effort::small) return 0;
  uint64_t state = size;
  for (size_t i = 0; i < size; ++i) state = state * 31 + data[i];
  const std::string other =
      with_other_constants(text, [&] { return state = state * 6364136223846793005u + 1442695040888963407u; });
  std::string shape, shape_of_other;
  if (!make_shape(text, shape)) return 0;
  const auto must = [&](bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "broken: %s\n%s\n%s\n", what, text.c_str(), other.c_str());
    std::abort();
  };
  // A literal that replaced one may continue in what follows: then the shapes differ, and nothing is claimed.
  if (!make_shape(other, shape_of_other) || shape != shape_of_other) return 0;
  const auto facts = analyze(text);
  const auto facts_of_other = analyze(other);
  if (facts && facts->is_shape_cacheable) {
    must(facts_of_other.has_value(), "one parses, the other does not");
    must(print(*facts) == print(*facts_of_other), "facts differ");
  } else if (facts_of_other) {
    must(!facts_of_other->is_shape_cacheable, "the shape is said to decide only for one");
  }
  return 0;
}
