// How many wrong cancel requests each address has sent in the current second. Fixed in size: whoever has many
// addresses fills places, and nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "ringfence/base/keyed_hash.h"
#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

class CancelFailures {
 public:
  explicit CancelFailures(const HashKey& key) : key_(key) {}

  // One more of this address, as net::to_string() has it. False: that is more than a second may have.
  bool note(std::string_view address, uint64_t second);
  // It was not a wrong one.
  void take_back(std::string_view address, uint64_t second);

  // What an address is counted by: without its port, and of IPv6 the network that one customer has (64 bits).
  static std::string network_of(std::string_view address);

 private:
  struct Place {
    uint32_t second = 0;
    uint32_t count = 0;
  };
  Place& place_of(std::string_view address);

  HashKey key_;
  std::array<Place, cancel_places> places_;
};

}  // namespace ringfence::proxy
