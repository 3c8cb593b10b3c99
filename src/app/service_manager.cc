#include "service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "ringfence/base/clock.h"

namespace ringfence::app {

void notify_ready() { sd_notify(0, "READY=1"); }

void notify_reloading() {
  // The time is what Type=notify-reload asks for (systemd 253); older ones ignore it.
  sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(mono_ns() / 1000)).c_str());
}

void notify_stopping() { sd_notify(0, "STOPPING=1"); }

void notify_alive() { sd_notify(0, "WATCHDOG=1"); }

void notify_status(std::string_view status) {
  std::string line = "STATUS=";
  // A line end would begin another assignment.
  for (char c : status) line.push_back(c == '\n' || c == '\r' ? ' ' : c);
  sd_notify(0, line.c_str());
}

std::optional<uint64_t> watchdog_ns() {
  uint64_t us = 0;
  if (sd_watchdog_enabled(0, &us) <= 0 || us == 0) return std::nullopt;
  return us * 1000;
}

Result<std::vector<InheritedSocket>> inherited_sockets() {
  char** names = nullptr;
  int count = sd_listen_fds_with_names(1, &names);
  if (count < 0) return fail_errno(-count, "LISTEN_FDS");
  std::vector<InheritedSocket> out;
  for (int i = 0; i < count; ++i) {
    InheritedSocket socket;
    socket.name = names[i];
    socket.fd = SD_LISTEN_FDS_START + i;
    std::free(names[i]);
    out.push_back(std::move(socket));
  }
  std::free(names);
  for (InheritedSocket& socket : out) {
    if (sd_is_socket(socket.fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
      return fail(Fault::malformed,
                  "systemd passed \"" + socket.name +
                      "\", which is no listening stream socket; use ListenStream= with Accept=no");
    }
    socket.address = net::local_address(socket.fd);
    // As our own: the ring waits for it either way.
    ::fcntl(socket.fd, F_SETFL, ::fcntl(socket.fd, F_GETFL) & ~O_NONBLOCK);
  }
  return out;
}

Result<std::optional<int>> take_inherited(std::vector<InheritedSocket>& sockets, const std::string& name,
                                          const net::Address& address) {
  std::string wanted = to_string(address);
  std::string elsewhere;
  for (auto socket = sockets.begin(); socket != sockets.end(); ++socket) {
    if (socket->name != name) continue;
    if (to_string(socket->address) == wanted) {
      int fd = socket->fd;
      sockets.erase(socket);
      return std::optional<int>(fd);
    }
    elsewhere = to_string(socket->address);
  }
  if (elsewhere.empty()) return std::optional<int>();
  return fail(Fault::conflict, "the socket unit listens on " + elsewhere + " for the listener \"" + name +
                                   "\", the configuration says " + wanted + "; change one of them");
}

}  // namespace ringfence::app
