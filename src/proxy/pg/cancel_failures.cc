#include "cancel_failures.h"

#include <arpa/inet.h>

#include <string>

namespace ringfence::proxy {

namespace {

std::string_view without_port(std::string_view address) {
  if (address.starts_with("unix:")) return "unix:";
  if (address.starts_with('[')) return address.substr(1, address.find(']') - 1);
  return address.substr(0, address.rfind(':'));
}

}  // namespace

std::string CancelFailures::network_of(std::string_view address) {
  std::string host(without_port(address));
  in6_addr network;
  if (inet_pton(AF_INET6, host.c_str(), &network) != 1 || IN6_IS_ADDR_V4MAPPED(&network)) return host;
  return std::string(reinterpret_cast<const char*>(&network), 8);
}

CancelFailures::Place& CancelFailures::place_of(std::string_view address) {
  return places_[keyed_hash(key_, network_of(address)) % places_.size()];
}

bool CancelFailures::note(std::string_view address, uint64_t second) {
  Place& place = place_of(address);
  if (place.second != static_cast<uint32_t>(second)) place = {static_cast<uint32_t>(second), 0};
  return ++place.count <= wrong_cancels_per_second;
}

void CancelFailures::take_back(std::string_view address, uint64_t second) {
  Place& place = place_of(address);
  if (place.second == static_cast<uint32_t>(second) && place.count > 0) --place.count;
}

}  // namespace ringfence::proxy
