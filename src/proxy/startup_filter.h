// Which of a client's startup parameters reach the server: an allow-list. Others are refused by name.
#pragma once

#include <string>
#include <vector>

#include "ringfence/pg/startup.h"

namespace ringfence::proxy {

// The keys for the upstream's startup packet, without user and database; `application_name` names the human.
// Fault::denied names the parameter that is not allowed.
Result<std::vector<pg::StartupParameter>> upstream_parameters(const pg::StartupMessage& startup,
                                                              std::string_view user);

// "ringfence/alice: psql", at most 63 bytes of printable ASCII, as the server keeps it.
std::string upstream_application_name(std::string_view user, std::string_view client_application);
// What a client that has such a name, which RESET brings back, is called in the trail.
std::string_view client_application_name(std::string_view user, std::string_view upstream_application);

}  // namespace ringfence::proxy
