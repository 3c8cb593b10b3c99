// How far the way to a server has come, and by which places: for people who want to know why it fails.
// Sessions keep none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/proxy/core/dial.h"

namespace ringfence::proxy {

enum class OpeningStage : uint8_t {
  resolve,       // No host has an address.
  connect,       // No address answers.
  tls,           // The handshake, or what the server's certificate says.
  authenticate,  // The server does not let the user in.
  startup,       // The server does not begin the session: no such database, too many connections.
  query,         // A first query.
};
std::string_view name_of(OpeningStage stage);

struct OpeningStory {
  struct Place {
    std::string host;     // As the target names it.
    std::string address;  // "10.0.0.1:5432"; empty: the name was not resolved.
    std::string error;    // Empty: it answers.
  };
  static constexpr size_t places_max = 64;

  OpeningStage stage = OpeningStage::resolve;  // The last one that was begun.
  std::vector<Place> places;

  void note(Place place);
};

// As dial_hosts(), and tells where it has been. `story`: null, nobody wants to know.
ring::Task<Result<Dialled>> dial_hosts_told(ShardCore& core, const std::vector<std::string>& hosts,
                                            uint16_t port, std::string socket, Opening& opening,
                                            OpeningStory* story);

}  // namespace ringfence::proxy
