// What must hold between values of one kind: each alone may be valid, and all together not.
#pragma once

#include <string>
#include <vector>

#include "ringfence/model/listener.h"
#include "ringfence/model/pg_target.h"
#include "ringfence/model/tcp_target.h"
#include "ringfence/model/user.h"

namespace ringfence::model {

inline constexpr size_t listeners_max = 64;
// Each user with a password costs a key derivation of milliseconds at every load.
inline constexpr size_t users_max = 10'000;
inline constexpr size_t targets_max = 10'000;

// What is wrong with each of them, and names that stand twice. Paths begin with "users[0]", "targets[0]",
// "listeners[0]".
Defects defects(const std::vector<User>& users);
Defects defects(const std::vector<PgTarget>& targets);
Defects defects(const std::vector<Listener>& listeners);
// Paths begin with "tcp_targets[0]".
Defects defects(const std::vector<TcpTarget>& targets);
// What must hold between them: targets of two types have names of their own, and a listener of protocol tcp
// names one of type tcp. Paths begin with "tcp_targets[0]" and "listeners[0]".
Defects defects_between(const std::vector<PgTarget>& targets, const std::vector<TcpTarget>& tcp_targets,
                        const std::vector<Listener>& listeners);

// A place that somebody listens on, and the path of the setting that says so.
struct ListeningPlace {
  std::string address;  // An IP address, or a Unix socket's path.
  uint16_t port = 0;    // 0: any free one, which is never taken.
  std::string path;
};
std::vector<ListeningPlace> places(const std::vector<Listener>& listeners);
// Places that stand twice.
Defects taken_twice(const std::vector<ListeningPlace>& places);

}  // namespace ringfence::model
