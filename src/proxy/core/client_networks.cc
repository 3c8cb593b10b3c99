#include "ringfence/proxy/core/client_networks.h"

#include <algorithm>

namespace ringfence::proxy {

ClientNetworks::ClientNetworks(const model::Listener& listener) : admits_all_(listener.networks.empty()) {
  for (const std::string& text : listener.networks) {
    if (text == model::unix_network) admits_unix_ = true;
    else if (const auto network = model::Network::parse(text)) admitted_.push_back(*network);
  }
  for (const auto& [text, user] : listener.network_users) {
    if (text == model::unix_network) unix_user_ = user;
    else if (const auto network = model::Network::parse(text)) users_.emplace_back(*network, user);
  }
  std::stable_sort(users_.begin(), users_.end(),
                   [](const auto& a, const auto& b) { return a.first.bits() > b.first.bits(); });
}

bool ClientNetworks::admits(const ClientPlace& place) const {
  if (!place.is_known()) return false;
  if (admits_all_) return true;
  if (place.is_unix) return admits_unix_;
  return std::any_of(admitted_.begin(), admitted_.end(),
                     [&](const model::Network& network) { return network.contains(*place.address); });
}

const std::string* ClientNetworks::user_of(const ClientPlace& place) const {
  if (place.is_unix) return unix_user_ ? &*unix_user_ : nullptr;
  if (!place.address) return nullptr;
  const auto found = std::find_if(users_.begin(), users_.end(),
                                  [&](const auto& rule) { return rule.first.contains(*place.address); });
  return found == users_.end() ? nullptr : &found->second;
}

ClientPlace place_of(std::string_view peer) {
  if (peer.starts_with("unix:")) return {true, std::nullopt};
  peer = peer.substr(0, peer.rfind(':'));
  if (peer.starts_with('[') && peer.ends_with(']')) peer = peer.substr(1, peer.size() - 2);
  // A link-local address has its interface behind it (RFC 4007, section 11).
  return {false, model::IpAddress::parse(peer.substr(0, peer.find('%')))};
}

}  // namespace ringfence::proxy
