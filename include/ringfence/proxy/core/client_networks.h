// Which clients a listener takes by their address, and who they are by it. Immutable.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ringfence/model/listener.h"
#include "ringfence/model/network.h"

namespace ringfence::proxy {

class ClientNetworks {
 public:
  ClientNetworks() = default;
  // What is no network is left out; the model has told of it.
  explicit ClientNetworks(const model::Listener& listener);

  // Nothing: a Unix socket's peer.
  bool admits(const std::optional<model::IpAddress>& address) const;
  // By the narrowest network that has the address; null: none has it.
  const std::string* user_of(const std::optional<model::IpAddress>& address) const;

 private:
  bool admits_all_ = true;
  bool admits_unix_ = false;
  std::vector<model::Network> admitted_;
  std::optional<std::string> unix_user_;
  std::vector<std::pair<model::Network, std::string>> users_;  // The narrowest first.
};

// Of a stream's peer(), "10.1.2.3:4711" or "[::1]:4711"; nothing: a Unix socket's.
std::optional<model::IpAddress> address_of(std::string_view peer);

}  // namespace ringfence::proxy
