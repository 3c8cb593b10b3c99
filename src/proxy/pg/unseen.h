// What a statement may run that its text does not show: see pg/name_doubt.h.
#pragma once

#include <cstdint>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/pg/name_doubt.h"
#include "ringfence/sql/facts.h"

namespace ringfence::proxy {

// Stands for any version of the server.
inline constexpr int newest_server_version = 99;

// Of a statement, or of what PREPARE and DECLARE define; what a name stands for is not looked at.
// Names say nothing of types: what may be an operator, a cast or a function of somebody's own counts as a
// relation does.
pg::Unseen unseen_by(const sql::Facts& facts, ByteView statement, int server_version);

// The same of one statement or several by their words alone, where nothing is decided: `none`, `ends`, or
// more, of which it is not told how much. What is not known counts.
pg::Unseen unseen_by_words(ByteView text);

// Whether a parameter's type may be somebody's own: its constraints, or a cast of it, may run anything.
bool has_own_type(const std::vector<uint32_t>& types);

// Whether a message of that text leaves the session's settings as they are.
bool keeps_settings(ByteView text);

}  // namespace ringfence::proxy
