// What makes a server connection the same to a session as another one, and what it takes along.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "upstream.h"

namespace ringfence::proxy {

// What the server shows of a connection that waits, and what RESET brings back in a session that has it.
inline constexpr std::string_view warm_application_name = "ringfence";

// A session's level names a credential; a connection that is made before any session came has the target's
// own.
Credential credential_of(const Target& target, std::optional<policy::Level> level);

// A digest of all that makes two connections differ for a session: target, places, database, credential, TLS,
// startup parameters. Not reversible; of the password nothing else is kept.
std::string kind_of(const Target& target, const Credential& credential,
                    const std::vector<pg::StartupParameter>& parameters);

// Of a connection that was just logged in with these parameters.
std::unique_ptr<WarmTicket> make_ticket(const Target& target, std::optional<policy::Level> level,
                                        std::vector<pg::StartupParameter> parameters, std::string kind,
                                        const ServerGreeting& greeting, uint64_t now_ns);

// The connection's own target, if the connection is as this snapshot, the one in force, would have it; else
// null.
const Target* target_of(const Snapshot& snapshot, const WarmTicket& ticket);

// When it is too old to be kept, in ns of the shard's clock.
uint64_t end_of(const WarmTicket& ticket);

// What the client of a new session is told of a connection that was logged in earlier.
std::unique_ptr<ServerGreeting> greeting_of(const WarmTicket& ticket, std::string_view application_name);

}  // namespace ringfence::proxy
