// What the texts of the model must be like. Each rule gives what is wrong and what to do, or an empty text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringfence/model/secret.h"

namespace ringfence::model {

inline constexpr size_t password_bytes_max = 1024;

// Letters, digits, `.`, `_`, `-`; 1 to `size_max` of them.
std::string check_simple_name(std::string_view name, size_t size_max);
// As PostgreSQL names roles and databases: 1 to 63 bytes of valid text without control characters.
std::string check_identifier(std::string_view name);
// An IP address.
std::string check_ip(std::string_view address);
// Of this machine alone.
bool is_loopback(std::string_view address);
// "127.0.0.1:5432", "[::1]:5432": the same text for each way to write an address; empty for what is none.
std::string socket_name(std::string_view address, uint16_t port);
// A Unix socket's absolute path that the kernel takes.
std::string check_socket_path(std::string_view path);
// A host name, an IP address, or a Unix socket's directory.
std::string check_host(std::string_view host);
std::string check_absolute(std::string_view path);
// 1 to 64 bytes of text without blanks and commas.
std::string check_tag(std::string_view tag);
std::string check_password(const Secret& password);
// A rule for a value that must be there.
template <typename Rule>
std::string check_given(std::string_view value, Rule rule) {
  return value.empty() ? "is missing; add it" : rule(value);
}

// Letters, digits, `.`, `_`, `-`.
bool is_name_character(char c);
bool has_control(std::string_view text);

}  // namespace ringfence::model
