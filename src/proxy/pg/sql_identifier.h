// The name that an SQL identifier stands for, as the server keeps it.
#pragma once

#include <string>

#include "ringfence/pg/server_name.h"
#include "ringfence/sql/lex.h"

namespace ringfence::proxy {

inline bool is_identifier(const sql::Token& token) {
  return token.kind == sql::TokenKind::word || token.kind == sql::TokenKind::quoted_identifier ||
         token.kind == sql::TokenKind::unicode_identifier;
}

// `token` is an identifier that `lexer` has just given; behind U&"…" it is told by the lexer's next tokens
// whether UESCAPE follows. In the server's encoding, folded, and cut at a character's edge; an unknown name
// where it cannot be told what the server makes of it, or where the server refuses it.
std::string kept_identifier(const sql::Lexer& lexer, const sql::Token& token,
                            const pg::NameEncodings& encodings);

}  // namespace ringfence::proxy
