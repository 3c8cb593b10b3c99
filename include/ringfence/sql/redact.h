// Takes secrets out of statement text before it goes to the trail.
//
// What is replaced by `***` is the content of literals, or a part of it, and nothing else: never a keyword, a
// name, an operator or a comment, whatever stands before it. Literals are cut as PostgreSQL cuts them with
// standard_conforming_strings on. The names and words that betray a secret are one table (secret_names.h).
// Replaced are
// - a literal after a secret's name: PASSWORD 'x', password = 'x', SET app.jwt_secret TO 'x',
//   secret_key := 'x', OPTIONS (token 'x'); in IN lists and calls behind it, and what || adds to it;
// - an INSERT's values at the places of such columns, an UPDATE's of a list;
// - the literals among the arguments of pgcrypto's functions that take keys;
// - what follows a literal that ends in such a name, or formats it: '… PASSWORD ' || 'x',
//   format('… PASSWORD %L', 'x');
// - inside any other literal: values of such names (password=…, "token": "…"), passwords of URIs,
//   Authorization headers, the passwords of command lines (curl -u, mysql -p), PEM keys
//   (secret_shapes.h); and, since it may hold statements, whatever the rules above find in it, at any
//   depth up to 32. Escapes, U& literals and strings of several lines are read for that.
//
// The text may be cut off anywhere: what is left of a secret is replaced. A secret that is no literal (a
// comment, a name, a bare word) stays.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/sql/secret_names.h"

namespace ringfence::sql {

struct Redacted {
  std::string text;
  // What was taken out, as it stood in the text; in the text's order. The views are into the text given.
  std::vector<std::string_view> secrets;
  // Bit n: the parameter $n+1 stands where a literal would have been replaced; up to $64.
  uint64_t parameters = 0;
};

// The text with its secrets replaced, or nothing if it has none and takes none as a parameter. Linear time.
std::optional<Redacted> redact(std::string_view text, const SecretNames& names = SecretNames::in_use());
// The same of a text in words that may quote a statement, or its pieces: a server's message.
std::optional<Redacted> redact_message(std::string_view message,
                                       const SecretNames& names = SecretNames::in_use());

}  // namespace ringfence::sql
