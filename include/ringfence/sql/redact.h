// Takes passwords and connection secrets out of statement text before it goes to the trail.
//
// What is replaced by `***`:
// - a string literal or quoted identifier after a word that contains "passw" (PASSWORD 'x', password = 'x',
//   OPTIONS (password 'x')), comments between them or not;
// - inside any literal: the value of password=…, sslpassword=…, "password": …, and everything after
//   a nested PASSWORD '…';
// - inside any literal: the password of scheme://user:password@host;
// - behind an operator, IN or LIKE after such a word, and what is put together with that by ||;
// - every literal among the arguments of a function whose name contains "passw", "crypt" or "hmac" (pgcrypto's), and behind such a
//   call inside a literal;
// - every literal of an INSERT in which such a word stands before it, and of an UPDATE that sets a list with it;
// - in a body between dollar quotes, the same again; in a comment, name=value pairs and URLs;
// - after a literal that ends in, or formats, a password (format('… PASSWORD %L', 'x'), '… PASSWORD ' || 'x'): the
//   literals that follow in the statement;
// - whole literals whose escapes or continuation lines hide such a word, and U&'' literals always.
//
// Over-redaction is accepted, under-redaction is a bug. The text may be cut off anywhere: an unterminated literal is
// redacted to the end of the text. Parameters of Bind are not text and not covered.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ringfence::sql {

// Whether the text holds anything that redact() would look at. One pass, no allocation; most texts have nothing.
bool needs_redaction(std::string_view text);

// The text with its secrets replaced, or nothing if none was found. Linear time.
std::optional<std::string> redact(std::string_view text);

}  // namespace ringfence::sql
