// What systemd and the appliance tell each other: states, watchdog, listening sockets. The only user of
// libsystemd.
//
// Without a service manager every function does nothing, so that the program runs the same from a shell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/result.h"
#include "ringfence/net/address.h"

namespace ringfence::app {

// sd_notify(3). `status` is one line for people, shown by systemctl status.
void notify_ready();
void notify_reloading();  // notify_ready() ends it.
void notify_stopping();
void notify_alive();
void notify_status(std::string_view status);

// How long this process may be silent before it is killed (WatchdogSec=); nothing when it is not watched.
std::optional<uint64_t> watchdog_ns();

// A listening socket that a socket unit opened (LISTEN_FDS), under its FileDescriptorName=.
struct InheritedSocket {
  std::string name;
  int fd = -1;
  net::Address address;
};
// Those of this process, once: the environment that names them is taken away. Anything but a listening stream
// socket is an error.
Result<std::vector<InheritedSocket>> inherited_sockets();
// Takes the one of this name and address out of the list; nothing when systemd passed none of the name. An
// error when it listens elsewhere than the configuration says: one of the two is wrong, and only a person
// knows which.
Result<std::optional<int>> take_inherited(std::vector<InheritedSocket>& sockets, const std::string& name,
                                          const net::Address& address);

}  // namespace ringfence::app
