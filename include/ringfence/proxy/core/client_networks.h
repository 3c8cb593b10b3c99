// Which clients a listener takes by their address, and who they are by it. Immutable.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ringfence/model/listener.h"
#include "ringfence/model/network.h"

namespace ringfence::proxy {

// Where a client is. Neither a Unix socket nor an address: it hung up before anybody could ask.
struct ClientPlace {
  bool is_unix = false;
  std::optional<model::IpAddress> address;
  bool is_known() const { return is_unix || address.has_value(); }
};
// Of a stream's peer(): "10.1.2.3:4711", "[::1]:4711", "unix:".
ClientPlace place_of(std::string_view peer);

class ClientNetworks {
 public:
  ClientNetworks() = default;
  // What is no network is left out; the model has told of it.
  explicit ClientNetworks(const model::Listener& listener);

  // Nobody whose place is not known is admitted, or a user.
  bool admits(const ClientPlace& place) const;
  // By the narrowest network that has the address; null: none has it.
  const std::string* user_of(const ClientPlace& place) const;

 private:
  bool admits_all_ = true;
  bool admits_unix_ = false;
  std::vector<model::Network> admitted_;
  std::optional<std::string> unix_user_;
  std::vector<std::pair<model::Network, std::string>> users_;  // The narrowest first.
};

}  // namespace ringfence::proxy
