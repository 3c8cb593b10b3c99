// The input is put around statements with a secret. The secret may not show in the result, nor in that of a
// text that is cut off behind it; and nothing may be replaced that is not in a literal.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ringfence/sql/lex.h"
#include "ringfence/sql/redact.h"

using namespace ringfence::sql;

namespace {

constexpr std::string_view secret = "Zq7hunter2";

void check(const std::string& text) {
  auto out = redact(text);
  if (!out || out->text.find(secret) != std::string::npos) std::abort();
}

// Each secret lies within one literal (SET takes numbers, too), and what is between them is as it was.
void check_rest(std::string_view text, const Redacted& out) {
  Lexer lexer(text);
  Token token = lexer.next();
  std::string made;
  size_t at = 0;
  for (std::string_view one : out.secrets) {
    const auto begin = static_cast<size_t>(one.data() - text.data());
    if (begin < at) std::abort();
    made.append(text.substr(at, begin - at)).append("***");
    at = begin + one.size();
    while (token.kind != TokenKind::end && token.end < at) token = lexer.next();
    const bool is_number = token.kind == TokenKind::integer || token.kind == TokenKind::decimal;
    if (!token.is_string() && token.kind != TokenKind::dollar_string && !is_number) std::abort();
    if (token.begin > begin || at > token.end) std::abort();
  }
  if (out.text != made.append(text.substr(at))) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find('\0') != std::string_view::npos || size > 4096 || text.find(secret) != std::string_view::npos)
    return 0;
  auto out = redact(text);
  if (out && !SecretNames::built_in().may_hold_secret(text)) std::abort();
  if (out) check_rest(text, *out);
  (void)redact_message(text);

  // Before the secret only text that leaves no literal, name or comment open.
  Lexer lexer(text);
  Token token = lexer.next();
  for (; token.kind != TokenKind::end && token.is_terminated; token = lexer.next()) {
  }
  if (token.kind != TokenKind::end || !lexer.comments_are_terminated()) return 0;
  const std::string before = std::string(text) + "\n;";
  const std::string after(text);
  check(before + "alter role a password '" + std::string(secret) + "' " + after);
  check(before + "alter role a password $q$" + std::string(secret) + "$q$" + after);
  check(before + "select f('host=h password=" + std::string(secret) + " x=y')" + after);
  check(before + "select f('postgres://u:" + std::string(secret) + "@h')" + after);
  check(before + "alter role a password '" + std::string(secret));
  return 0;
}
