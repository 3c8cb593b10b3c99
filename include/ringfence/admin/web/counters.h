// What the admin shard counts. On its thread only.
#pragma once

#include <array>
#include <cstdint>

#include "ringfence/net/tls.h"

namespace ringfence::admin {

struct AdminCounters {
  uint64_t requests = 0;
  uint64_t responses_by_class[6] = {};  // [2] is 2xx.
  uint64_t authentication_failures = 0;
  uint64_t connections_refused = 0;
  uint64_t answers_late = 0;
  uint64_t streams_stalled = 0;  // Ended because the peer took nothing.
  uint64_t tls_handshakes = 0;
  uint64_t tls_resumed = 0;
  std::array<uint64_t, net::tls_failures> tls_failures{};
  net::TlsLegs tls_legs;
};

}  // namespace ringfence::admin
