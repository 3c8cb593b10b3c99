// A range of IP addresses, as a rule about clients names it.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringfence::model {

// An IPv6 address, or an IPv4 one by its mapped form (RFC 4291, section 2.5.5.2).
class IpAddress {
 public:
  // "10.1.2.3", "::1". A mapped IPv4 address is the IPv4 address.
  static std::optional<IpAddress> parse(std::string_view text);
  bool is_v4() const;
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  auto operator<=>(const IpAddress&) const = default;

 private:
  std::array<uint8_t, 16> bytes_{};
};

class Network {
 public:
  // "10.0.0.0/8", "2001:db8::/32"; without a length one address. Nothing: it is none, or has bits beyond its
  // length.
  static std::optional<Network> parse(std::string_view text);
  bool contains(const IpAddress& address) const;
  // Of the mapped form: 96 and more for IPv4.
  unsigned bits() const { return bits_; }
  auto operator<=>(const Network&) const = default;

 private:
  IpAddress first_;
  unsigned bits_ = 128;
};

// What is wrong and what to do, or an empty text. Also "unix", which names clients of a Unix socket.
std::string check_network(std::string_view text);
inline constexpr std::string_view unix_network = "unix";

}  // namespace ringfence::model
