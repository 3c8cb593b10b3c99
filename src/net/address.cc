#include "ringfence/net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cstring>

namespace ringfence::net {

std::string to_string(const Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.storage.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address.storage);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(in.sin_port));
  }
  if (address.storage.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address.storage);
    inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(in.sin6_port));
  }
  if (address.is_unix()) {
    const auto& un = reinterpret_cast<const sockaddr_un&>(address.storage);
    size_t offset = offsetof(sockaddr_un, sun_path);
    if (address.size <= offset) return "unix:";
    return "unix:" + std::string(un.sun_path, strnlen(un.sun_path, address.size - offset));
  }
  return "unknown";
}

Address peer_address(int fd) {
  Address out;
  out.size = sizeof out.storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&out.storage), &out.size) != 0) out = {};
  return out;
}

Address local_address(int fd) {
  Address out;
  out.size = sizeof out.storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&out.storage), &out.size) != 0) out = {};
  return out;
}

Result<Address> numeric_address(std::string_view host, uint16_t port) {
  Address out;
  std::string text(host);
  auto& in4 = reinterpret_cast<sockaddr_in&>(out.storage);
  if (inet_pton(AF_INET, text.c_str(), &in4.sin_addr) == 1) {
    in4.sin_family = AF_INET;
    in4.sin_port = htons(port);
    out.size = sizeof in4;
    return out;
  }
  auto& in6 = reinterpret_cast<sockaddr_in6&>(out.storage);
  if (inet_pton(AF_INET6, text.c_str(), &in6.sin6_addr) == 1) {
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    out.size = sizeof in6;
    return out;
  }
  return fail(Fault::not_found, "\"" + text + "\" is no IP address");
}

Result<Address> unix_address(std::string_view path) {
  Address out;
  auto& un = reinterpret_cast<sockaddr_un&>(out.storage);
  if (path.size() >= sizeof un.sun_path) {
    return fail(Fault::limit, "the socket path \"" + std::string(path) + "\" has " +
                                  std::to_string(path.size()) + " bytes; the system allows " +
                                  std::to_string(sizeof un.sun_path - 1));
  }
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.data(), path.size());
  out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return out;
}

Result<std::vector<Address>> resolve(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  int rc = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (rc != 0) return fail(Fault::not_found, "host name \"" + host + "\": " + gai_strerror(rc));
  std::vector<Address> out;
  for (addrinfo* entry = found; entry != nullptr && out.size() < 16; entry = entry->ai_next) {
    Address address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    out.push_back(address);
  }
  freeaddrinfo(found);
  if (out.empty()) return fail(Fault::not_found, "host name \"" + host + "\" has no address");
  return out;
}

}  // namespace ringfence::net
