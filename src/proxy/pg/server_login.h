// One login at a target's server with a stored credential, from the startup packet to the first
// ReadyForQuery.
//
// What always holds: the password goes to no server that has begun a SCRAM proof and not ended it, and the
// login succeeds only if a server that began one has proved that it knows the password too.
#pragma once

#include <optional>
#include <string>

#include "message_reader.h"
#include "ringfence/pg/messages.h"
#include "ringfence/pg/scram.h"
#include "ringfence/proxy/core/opening_story.h"
#include "upstream.h"

namespace ringfence::proxy {

// What a client is told whose server cannot be used; `reason` is for staff.
UpstreamRefusal server_refusal(std::string_view sqlstate, const Target& target, std::string reason);
// The same as what a function gives that did not reach the server.
tl::unexpected<UpstreamRefusal> unreachable(std::string_view sqlstate, const Target& target,
                                            std::string reason);

class ServerLogin {
 public:
  // What is referred to outlives it. `endpoint_hash`: what SCRAM may bind to; empty: nothing.
  ServerLogin(PgShardState& shard, const Target& target, const Credential& credential, Opening& opening,
              Upstream& upstream, std::string endpoint_hash);

  // `startup`: the startup packet. Fills `upstream`'s key and greeting. Its time is the caller's deadline.
  ring::Task<tl::expected<void, UpstreamRefusal>> run(std::string startup);
  // Where it is, or has failed.
  OpeningStage stage() const;

 private:
  // True when the login is over.
  ring::Task<tl::expected<bool, UpstreamRefusal>> handle(const Message& message);
  ring::Task<Result<void>> authenticate(ByteView body);
  Result<std::string> begin_scram(const pg::AuthenticationRequest& request);
  ring::Task<Result<void>> send(std::string bytes);
  UpstreamRefusal refusal_of(ByteView body);

  PgShardState& shard_;
  const Target& target_;
  const Credential& credential_;
  Opening& opening_;
  Upstream& upstream_;
  std::string endpoint_hash_;
  net::Gather in_;
  std::optional<pg::ScramClient> scram_;
  bool scram_checked_ = false;
  bool is_bound_ = false;
  bool is_authenticated_ = false;
  bool is_no_session_ = false;  // The server gives none, whoever asks.
};

}  // namespace ringfence::proxy
