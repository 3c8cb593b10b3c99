// The way to the server of a client that is let in: a connection of the target's pool or a new one, with the
// settings pinned by which the server reads texts (pinned_settings.h). While the server is being reached the
// client is watched: when it leaves, all of this ends, and its place is another's.
#pragma once

#include <string>
#include <vector>

#include "applicant.h"
#include "ringfence/proxy/core/opening.h"
#include "session_access.h"
#include "upstream.h"

namespace ringfence::proxy {

// Of the target. Sessions count there, and in a pool its other connections too.
UpstreamRefusal too_many_connections(const Target& target);

class ServerReach {
 public:
  // Its time begins here. `leftover`: what the client has sent so far; what it sends meanwhile comes behind.
  ServerReach(Applicant& applicant, const SessionAccess& access, std::string& leftover);

  // The client may be gone afterwards; nothing is pending on its stream.
  ring::Task<tl::expected<Upstream, UpstreamRefusal>> run(std::vector<pg::StartupParameter> parameters);

 private:
  class ClientWatch;
  using Reaching = ring::Task<tl::expected<Upstream, UpstreamRefusal>>;
  Reaching open_pinned(std::vector<pg::StartupParameter> parameters);
  // `is_to_learn`: it may be left again for another one.
  Reaching open_pooled(std::vector<pg::StartupParameter> parameters, bool is_to_learn);
  Reaching open_beside_pool(const std::vector<pg::StartupParameter>& parameters);
  // Counts at the server until it has closed.
  ring::Task<void> leave(Upstream upstream);

  Applicant& applicant_;
  PgShardState& shard_;
  const SessionAccess& access_;
  const Target& target_;
  const Credential credential_;
  std::string& leftover_;
  Opening opening_;
};

}  // namespace ringfence::proxy
