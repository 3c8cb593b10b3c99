// Texts in the form in which the trail takes them: redacted, valid, and cut where they are too long.
#pragma once

#include <string>
#include <string_view>

#include "ringfence/base/bytes.h"
#include "ringfence/pg/session_objects.h"

namespace ringfence::proxy {

// Puts a statement into the form of the trail: redacted, valid text, at most `bytes_max`. `text` may be a
// prefix of what was sent, whose length is `full_bytes`; then `sha256`, if not empty, is that of all of it.
// Of a text with a secret no digest is kept: it would tell a guess from another.
void take_statement_text(ByteView text, uint64_t full_bytes, size_t bytes_max, pg::StatementText& out,
                         ByteView sha256 = {});

// The same of a Parse's text, which is one statement: where all of it has no room, from the statement's first
// token on.
void take_parsed_text(ByteView text, uint64_t full_bytes, size_t bytes_max, pg::StatementText& out,
                      ByteView sha256);

// In place of a text that was not seen: which names the server was told to run.
pg::StatementText unknown_text(const pg::Portal& portal);

// The server's message as the trail may show it: it may quote a secret that was taken out of the statement.
struct ShownMessage {
  std::string text;
  bool hides = false;  // Something of it is not shown.
};
ShownMessage shown_message(std::string_view message, bool is_about_secret);

// A name that a client chose, as the trail and the admin API show it: without the password that may stand in
// it.
std::string shown_name(std::string_view name);

}  // namespace ringfence::proxy
