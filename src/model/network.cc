#include "ringfence/model/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "ringfence/base/utf8.h"

namespace ringfence::model {

namespace {

constexpr std::array<uint8_t, 12> mapped_v4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned mapped_bits = 96;

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string whole(text);
  IpAddress out;
  in_addr v4{};
  if (inet_pton(AF_INET, whole.c_str(), &v4) == 1) {
    std::copy(mapped_v4.begin(), mapped_v4.end(), out.bytes_.begin());
    std::memcpy(out.bytes_.data() + mapped_v4.size(), &v4, sizeof v4);
    return out;
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, whole.c_str(), &v6) != 1) return std::nullopt;
  std::memcpy(out.bytes_.data(), &v6, sizeof v6);
  return out;
}

bool IpAddress::is_v4() const { return std::equal(mapped_v4.begin(), mapped_v4.end(), bytes_.begin()); }

std::optional<Network> Network::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto first = IpAddress::parse(text.substr(0, slash));
  if (!first) return std::nullopt;
  Network out;
  out.first_ = *first;
  // Of an address that is written as IPv6 the length counts from its first bit, mapped or not.
  const bool is_v4 = text.find(':') == std::string_view::npos;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || digits.size() > 3)
      return std::nullopt;
    if (bits > (is_v4 ? 32u : 128u)) return std::nullopt;
    out.bits_ = is_v4 ? bits + mapped_bits : bits;
  }
  for (unsigned bit = out.bits_; bit < 128; ++bit) {
    if ((out.first_.bytes()[bit / 8] & (0x80u >> bit % 8)) != 0) return std::nullopt;
  }
  return out;
}

bool Network::contains(const IpAddress& address) const {
  // "::/0" is about IPv6: an IPv4 client is none of its.
  if (bits_ < mapped_bits && address.is_v4()) return false;
  const unsigned whole = bits_ / 8;
  if (!std::equal(first_.bytes().begin(), first_.bytes().begin() + whole, address.bytes().begin()))
    return false;
  if (bits_ % 8 == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff00u >> bits_ % 8);
  return (first_.bytes()[whole] & mask) == (address.bytes()[whole] & mask);
}

std::string check_network(std::string_view text) {
  if (text == unix_network || Network::parse(text)) return "";
  const std::string shown = make_valid_text(text);
  const size_t slash = text.find('/');
  const bool has_address = IpAddress::parse(text.substr(0, slash)).has_value();
  if (has_address && slash != std::string_view::npos) {
    return "is \"" + shown +
           "\": the length is too long, or the address has bits beyond it; write a network by its first "
           "address, such as 10.1.0.0/16";
  }
  return "is \"" + shown + "\"; use a network such as 10.1.0.0/16 or 2001:db8::/32, an IP address, or unix";
}

}  // namespace ringfence::model
