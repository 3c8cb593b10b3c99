// One client's connection to a PostgreSQL target, from its first byte to its last.
//
// A session's life, in the order of this file's functions: live → log_in (pg_login.h) → the relay (relay.h),
// until both its pumps have ended → part (tell the client why, close). It is owned by its shard and removed
// when live() ends.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "pg_shard_state.h"
#include "relay.h"
#include "session_parts.h"

namespace ringfence::proxy {

class ConsoleSession;

class PgSession final : public Session {
 public:
  PgSession(PgShardState& shard, std::unique_ptr<net::Stream> client,
            std::shared_ptr<ListenerFacts> listener);
  ~PgSession() override;

  // All of it; then the shard removes the session.
  static ring::Task<void> live(PgShardState& shard, PgSession& session);

  // Ends it from our side: the client is told why, the server's running statement is cancelled.
  void end(const EndReason& reason);
  void end_by(const EndOrder& order) override;
  // Ends it as soon as nothing runs and no transaction is open.
  void drain() override;
  // Other policies are in force.
  void reconsider() override;
  // Its client asks: what is parked ends without the server.
  ring::Task<void> cancel_by_client();

  bool is_logged_in() const override { return relay_.has_value(); }
  const Uuid& id() const override { return parts_.id; }
  model::SessionInfo info() const override;

  // For its relay, and the watch of its target.
  SessionParts& parts() { return parts_; }
  // Only of a session that is logged in.
  Relay& relay() { return *relay_; }
  // What the client does not take until then it never will.
  void end_within(uint64_t ms);

 private:
  // Gives the console's session that goes on in its place; null: it goes on itself, if it has logged in.
  ring::Task<std::unique_ptr<ConsoleSession>> log_in();
  ring::Task<void> part();
  ring::Task<void> say_why(const EndReason& reason);
  void record_end(const EndReason* reason, bool was_ended_by_server);
  ring::Task<void> linger();

  SessionParts parts_;
  std::optional<Relay> relay_;                      // Once it has logged in.
  std::unique_ptr<ring::CallbackTimer> end_timer_;  // Once it ends.
  uint64_t connected_us_;
};
// Of an idle session: what it keeps in one piece, its relay, its lease and its pumps among it. A byte more
// takes the next size that the allocator has, a fifth more for each idle pair. The login is gone by then.
static_assert(sizeof(PgSession) <= 1'280);
// The same of what a restricted session has beside.
static_assert(sizeof(Gate) <= 192);

}  // namespace ringfence::proxy
