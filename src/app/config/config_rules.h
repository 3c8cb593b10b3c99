// What values must be like, beyond their type. Each rule gives what is wrong and what to do, or an empty
// text.
#pragma once

#include <string>
#include <string_view>

namespace ringfence::app {

// Letters, digits, `.`, `_`, `-`; 1 to `size_max` of them.
std::string check_simple_name(std::string_view name, size_t size_max);
// As PostgreSQL names roles and databases: 1 to 63 bytes of valid text without control characters.
std::string check_identifier(std::string_view name);
// An IP address.
std::string check_ip(std::string_view address);
// Of this machine alone.
bool is_loopback(std::string_view address);
// A Unix socket's absolute path that the kernel takes.
std::string check_socket_path(std::string_view path);
// A host name, an IP address, or a Unix socket's directory.
std::string check_host(std::string_view host);
std::string check_absolute(std::string_view path);
// postgres:// or postgresql://.
std::string check_store_url(std::string_view url);
// The URL without its password, for people.
std::string without_password(std::string_view url);
// The machine's name with whatever a node's name may not hold replaced by `-`.
std::string default_node_name();

}  // namespace ringfence::app
