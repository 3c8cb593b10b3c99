// BEGIN READ WRITE for a session that is held read-only: the same statement with READ ONLY.
//
// Drivers send it for good after one read-only use (SQLAlchemy, psycopg, pg-promise, pgjdbc), although they
// only read.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ringfence::sql {

// A longer statement is left alone: what goes on in its place is recorded beside it.
inline constexpr size_t read_only_form_bytes_max = 1'024;

// Of a statement that is nothing but BEGIN, START TRANSACTION, SET TRANSACTION or SET SESSION CHARACTERISTICS
// AS TRANSACTION, with modes and comments: each WRITE behind READ becomes "ONLY ". As many bytes, so that
// places in the text stay. Nothing where the statement is another one, or has no READ WRITE. Whether the
// grammar takes what comes of it is for analyze() to say.
std::optional<std::string> read_only_form(std::string_view statement);

}  // namespace ringfence::sql
