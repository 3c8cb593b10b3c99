// A session's connection to its target's server, for as long as the session has it, and its place among the
// target's sessions.
//
// What always holds: the session counts at its target from count_at() until the lease ends or the connection
// is given back; a client can cancel by the connection's key only while the connection is its session's.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "upstream.h"

namespace ringfence::proxy {

class PgSession;

class ServerLease {
 public:
  // The shard outlives it.
  explicit ServerLease(PgShardState& shard) : shard_(shard) {}
  ~ServerLease();
  ServerLease(const ServerLease&) = delete;
  ServerLease& operator=(const ServerLease&) = delete;

  // Once. Gives how many others there are.
  uint32_t count_at(const Target& target);
  void take(Upstream upstream) { server_ = std::move(upstream); }
  bool has_server() const { return server_.has_value(); }
  // While it has one.
  Upstream& server() { return *server_; }
  const Upstream& server() const { return *server_; }
  net::Stream& stream() { return *server_->stream; }
  // Of a target with a pool; null otherwise.
  WarmTicket* ticket() const { return server_ ? server_->ticket.get() : nullptr; }

  // A key by which the client may cancel what `session` runs, for the client. Fails where there is no
  // randomness.
  Result<std::string> make_cancel_key(PgSession& session, bool is_long);
  void forget_cancel_key(const PgSession& session);

  // The connection goes back to its pool, whose next session may have it.
  void give_back();
  // It ends with its session: a warm one that its session had no use for.
  ring::Task<void> discard();

 private:
  PgShardState& shard_;
  std::optional<Upstream> server_;
  std::shared_ptr<std::atomic<uint32_t>> target_sessions_;
  bool has_cancel_key_ = false;
};

}  // namespace ringfence::proxy
