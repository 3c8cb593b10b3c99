// The test's end of a socket whose other end is a stream's: it blocks, with patience.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>

#include "noise.h"
#include "ringfence/net/listener.h"

namespace net_test {

using ringfence::ByteView;

enum class Kind { unix_socket, tcp };
inline constexpr Kind kinds[] = {Kind::unix_socket, Kind::tcp};

// Two connected sockets.
inline void make_pair_of(Kind kind, int (&ends)[2]) {
  using namespace ringfence::net;
  if (kind == Kind::unix_socket) {
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    return;
  }
  int listening = listen(numeric_address("127.0.0.1", 0).value(), "x").value();
  Address address = local_address(listening);
  ends[1] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::connect(ends[1], address.get(), address.size) == 0);
  ends[0] = ::accept(listening, nullptr, nullptr);
  ::close(listening);
}

class Far {
 public:
  explicit Far(int fd) : fd_(fd) {
    timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  ~Far() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // As if the process had been killed with bytes unread: a reset.
  void reset() {
    struct linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  void end() { ::shutdown(fd_, SHUT_WR); }
  bool send(ByteView bytes) {
    while (!bytes.empty()) {
      ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // One byte of urgent data (TCP).
  bool send_urgent(char byte) { return ::send(fd_, &byte, 1, MSG_NOSIGNAL | MSG_OOB) == 1; }
  // Up to `size` bytes, fewer at the end of the stream.
  std::string read(size_t size) {
    std::string out;
    while (out.size() < size) {
      char piece[65536];
      ssize_t got = ::recv(fd_, piece, std::min(sizeof piece, size - out.size()), 0);
      if (got <= 0) break;
      out.append(piece, static_cast<size_t>(got));
    }
    return out;
  }

 private:
  int fd_;
};

}  // namespace net_test
