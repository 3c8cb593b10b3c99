// Whether kernel and library could encrypt in the kernel; see KernelTls for what is made of that.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ringfence/net/tls.h"

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

namespace ringfence::net {

namespace {

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// The kernel takes the protocol on a connected socket only, so there has to be one.
int try_upper_layer() {
  Socket listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Socket client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  bool is_listening = ::bind(listening.fd(), generic, size) == 0 && ::listen(listening.fd(), 1) == 0 &&
                      ::getsockname(listening.fd(), generic, &size) == 0;
  if (!is_listening || ::connect(client.fd(), generic, size) != 0) return errno;
  return ::setsockopt(client.fd(), IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 ? 0 : errno;
}

}  // namespace

KernelTls probe_kernel_tls() {
  KernelTls out;
  int error = try_upper_layer();
  out.kernel = error == 0;
  out.kernel_reason = error == ENOENT ? "the kernel has no tls module loaded" : error != 0 ? std::strerror(error) : "";
#ifndef OPENSSL_NO_KTLS
  out.library = true;
#endif
  return out;
}

}  // namespace ringfence::net
