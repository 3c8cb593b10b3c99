// A session's connection to its target's server, for as long as the session has it, and its place among the
// target's sessions.
//
// What always holds: the session counts at its target from count_at() until the lease ends or the connection
// is given back; a client can cancel by the connection's key only while the connection is its session's; a
// connection is given back only when the server has said that it discarded the session's state.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "lease_naming.h"
#include "server_reset.h"
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
  net::Stream& stream() { return *server_->stream; }
  // Of a target with a pool; null otherwise.
  WarmTicket* ticket() const { return server_ ? server_->ticket.get() : nullptr; }

  // A key by which the client may cancel what `session` runs, for the client. Fails where there is no
  // randomness.
  Result<std::string> make_cancel_key(PgSession& session, bool is_long);
  void forget_cancel_key(const PgSession& session);
  // Passes a cancel request to the server, and waits until it has acted.
  ring::Task<void> cancel();
  // The same. False: it may yet act.
  ring::Task<bool> cancel_surely();

  LeaseNaming& naming() { return naming_; }
  // Of a naming that goes before bytes: see ServerNaming::send(). False: the connection is lost.
  ring::Task<bool> name(ByteView* along);
  // A cancel request would meet our own statement instead of the client's. False: there is nothing to cancel.
  ring::Task<bool> wait_until_named();

  // Whether the server discards all that the session may have left with it, when told.
  bool can_be_reset() const;
  // Asks the server; its answer is the reset's to take.
  ring::Task<void> start_reset();
  ServerReset* reset() const { return reset_.get(); }
  void break_off_reset(std::string reason);
  // The client's end goes to the server, and the connection ends with its session.
  void note_goodbye(bool is_alone);

  // Nothing comes from the server any more, or is wanted.
  void note_over();
  bool is_over() const { return is_over_; }
  // The session is over: the connection goes back to its pool, or ends.
  void part();
  // The same before the session has begun: a warm one that its session had no use for.
  ring::Task<void> discard();

 private:
  void give_back();

  PgShardState& shard_;
  std::optional<Upstream> server_;
  std::shared_ptr<std::atomic<uint32_t>> target_sessions_;
  LeaseNaming naming_;
  std::unique_ptr<ServerReset> reset_;  // Once the server is asked to discard the session's state.
  bool has_cancel_key_ = false;
  bool is_over_ = false;
  // A cancel request, or the client's Terminate, went to the server or may yet go there.
  bool is_spoilt_ = false;
};

}  // namespace ringfence::proxy
