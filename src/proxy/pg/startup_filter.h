// What a client's startup packet asks for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/pg/startup.h"

namespace ringfence::proxy {

struct StartupRefusal {
  std::string_view sqlstate;
  std::string message;
  std::string hint;
};

// The settings, as PostgreSQL would apply them: those of `options` first, then the packet's keys, each in its
// order; of one that is named twice the last value counts (postinit.c: process_startup_options). Names are in
// small letters. User, database and `replication` that is false are not among them. Refused: a name that no
// setting has, `replication`, and switches in `options` other than -c and --name=value. Whether the user may
// have them is not looked at here.
tl::expected<std::vector<pg::StartupParameter>, StartupRefusal> requested_settings(
    const pg::StartupMessage& startup);

// As PostgreSQL reads a boolean (bool.c: parse_bool): any unique beginning of a word, without blanks.
// Nothing: it is none.
std::optional<bool> boolean_of(std::string_view value);

}  // namespace ringfence::proxy
