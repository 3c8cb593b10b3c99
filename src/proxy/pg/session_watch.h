// A session's part in the watch of its target (watch.h).
#pragma once

#include <string>
#include <vector>

#include "watch.h"

namespace ringfence::proxy {

class Relay;

// Adds the session to those that are asked for, if it is one of this target's and credential's and has sent
// what was not looked at.
void join_watch(Relay& relay, const std::string& target, const std::string& user,
                std::vector<WatchRound::Asked>& out);
// May end the session.
void compare_watch(Relay& relay, const WatchRound::Asked& asked);

}  // namespace ringfence::proxy
