#include "ringfence/model/text_rules.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <cctype>

#include "ringfence/base/utf8.h"

namespace ringfence::model {

namespace {

constexpr size_t identifier_max = 63;  // NAMEDATALEN - 1.
constexpr size_t host_max = 253;
constexpr size_t socket_path_max = sizeof(sockaddr_un::sun_path) - 1;
// A directory of sockets leaves room for "/.s.PGSQL.65535".
constexpr size_t socket_directory_max = socket_path_max - 15;
constexpr size_t path_bytes_max = 4096;
constexpr size_t tag_bytes_max = 64;

}  // namespace

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string check_simple_name(std::string_view name, size_t size_max) {
  if (!name.empty() && name.size() <= size_max && std::all_of(name.begin(), name.end(), is_name_character))
    return "";
  return "is \"" + make_valid_text(name) + "\"; use 1 to " + std::to_string(size_max) +
         " letters, digits, `.`, `_` or `-`";
}

std::string check_identifier(std::string_view name) {
  if (!name.empty() && name.size() <= identifier_max && is_valid_text(name) && !has_control(name)) return "";
  return "is no name that PostgreSQL takes; use 1 to 63 bytes of text without control characters";
}

std::string socket_name(std::string_view address, uint16_t port) {
  const std::string text(address);
  char name[INET6_ADDRSTRLEN] = {};
  in_addr in4{};
  if (inet_pton(AF_INET, text.c_str(), &in4) == 1) {
    inet_ntop(AF_INET, &in4, name, sizeof name);
    return std::string(name) + ":" + std::to_string(port);
  }
  in6_addr in6{};
  if (inet_pton(AF_INET6, text.c_str(), &in6) == 1) {
    inet_ntop(AF_INET6, &in6, name, sizeof name);
    return "[" + std::string(name) + "]:" + std::to_string(port);
  }
  return "";
}

std::string check_ip(std::string_view address) {
  if (!socket_name(address, 0).empty()) return "";
  return "is \"" + std::string(address) + "\"; use an IP address, such as 127.0.0.1 or ::1";
}

bool is_loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

std::string check_socket_path(std::string_view path) {
  if (path.starts_with("/") && path.size() <= socket_path_max && !has_control(path)) return "";
  return "must be an absolute path of at most " + std::to_string(socket_path_max) + " bytes";
}

std::string check_host(std::string_view host) {
  if (host.starts_with("/")) {
    if (host.size() <= socket_directory_max && !has_control(host)) return "";
    return "is a socket directory with a name of more than " + std::to_string(socket_directory_max) +
           " bytes; use a shorter path";
  }
  bool is_name =
      !host.empty() && host.size() <= host_max && std::all_of(host.begin(), host.end(), is_name_character);
  if (is_name || check_ip(host).empty()) return "";
  return "is \"" + make_valid_text(host) + "\"; use a host name, an IP address, or a Unix socket's directory";
}

std::string check_absolute(std::string_view path) {
  if (path.starts_with("/") && path.size() <= path_bytes_max && !has_control(path)) return "";
  return "is \"" + make_valid_text(path) + "\"; use an absolute path";
}

std::string check_tag(std::string_view tag) {
  if (!tag.empty() && tag.size() <= tag_bytes_max && is_valid_text(tag) &&
      tag.find_first_of(" ,\t\r\n") == std::string_view::npos)
    return "";
  return "is no tag; use 1 to 64 bytes of text without blanks and commas";
}

std::string check_password(const Secret& password) {
  return password.size() > password_bytes_max ? "is longer than 1024 bytes; use a shorter one" : "";
}

}  // namespace ringfence::model
