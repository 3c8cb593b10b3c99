#include "config_rules.h"

#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "ringfence/base/utf8.h"
#include "ringfence/net/address.h"

namespace ringfence::app {

namespace {
constexpr size_t identifier_max = 63;  // NAMEDATALEN - 1.
constexpr size_t host_max = 253;
constexpr size_t socket_path_max = sizeof(sockaddr_un::sun_path) - 1;
// A directory of sockets leaves room for "/.s.PGSQL.65535".
constexpr size_t socket_directory_max = socket_path_max - 15;

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
}
bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}
}  // namespace

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

std::string check_ip(std::string_view address) {
  if (net::numeric_address(address, 0)) return "";
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
  if (is_name || net::numeric_address(host, 0)) return "";
  return "is \"" + make_valid_text(host) + "\"; use a host name, an IP address, or a Unix socket's directory";
}

std::string check_absolute(std::string_view path) {
  if (path.starts_with("/") && path.size() <= 4096 && !has_control(path)) return "";
  return "is \"" + make_valid_text(path) + "\"; use an absolute path";
}

std::string check_store_url(std::string_view url) {
  if ((url.starts_with("postgres://") || url.starts_with("postgresql://")) && !has_control(url)) return "";
  return "is neither `embedded` nor a URL that begins with postgres://";
}

std::string without_password(std::string_view url) {
  std::string out(url);
  size_t begin = out.find("://");
  if (begin == std::string::npos) return "(hidden)";
  begin += 3;
  // The last @ before the path: a password may hold one that was not encoded.
  size_t end = out.find_first_of("/?", begin);
  size_t at = out.rfind('@', end);
  size_t colon = out.find(':', begin);
  if (at != std::string::npos && at > begin && colon < at) out.replace(colon, at - colon, ":***");
  // Parameters may hold passwords too (password=, sslpassword=).
  size_t query = out.find('?');
  if (query != std::string::npos) out.replace(query, std::string::npos, "?…");
  return out;
}

std::string default_node_name() {
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') return "ringfence";
  std::string name(host);
  if (name.size() > 64) name.resize(64);
  for (char& c : name) {
    if (!is_name_character(c)) c = '-';
  }
  return name;
}

}  // namespace ringfence::app
