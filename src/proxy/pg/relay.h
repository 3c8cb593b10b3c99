// A session between its greeting and its end: the conversation, the two pumps that pass it on, and what may
// end it.
//
// What always holds: the relay is over only when both pumps are; until then the session may not go away.
#pragma once

#include <memory>

#include "durable_statements.h"
#include "idle_limit.h"
#include "open_work.h"
#include "pg_login.h"
#include "pump.h"
#include "session_access.h"
#include "session_parts.h"
#include "watched_session.h"

namespace ringfence::proxy {

class Relay {
 public:
  // Once the client has been greeted. The session outlives it.
  Relay(PgSession& session, LoginResult login);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // Until the client's pump is over; then wind_up() until all is.
  ring::Task<void> run();
  ring::Task<void> wind_up();
  // The session ends by our own doing: what runs is cancelled, and both pumps end.
  void break_off();
  // Ends the session as soon as nothing runs and no transaction is open.
  void drain();
  // Other policies are in force. A session without access ends as soon as nothing runs; others look at their
  // next statement.
  void reconsider();
  // The client asks: what is parked ends without the server.
  ring::Task<void> cancel_by_client();
  void describe(model::SessionInfo& out) const;

  SessionParts& parts() const;
  Conversation& conversation() { return conversation_; }
  const Conversation& conversation() const { return conversation_; }
  const SessionAccess& access() const { return access_; }
  // Bytes that were passed on.
  uint64_t bytes_from(Side side) const { return (side == Side::client ? client_ : server_).outlet().bytes(); }

  // For its pumps and what is parked. Nothing more is read of the client.
  bool is_over() const { return parts().lease.is_over() || parts().ending.is_now(); }
  void end(const EndReason& reason);
  void server_has_ended();
  // Before each chunk from the client. False: the session has to end, and why is set.
  bool renew_access();
  bool has_nothing_to_finish() const;
  // Something of the client's may be on its way to the server's connection.
  bool is_sending_to_server() const { return client_.is_sending(); }
  void after_answers();
  // The client's Terminate is not for a connection that is kept: true when `bytes` are that and nothing else.
  bool keeps_back(ByteView bytes);
  IdleLimit& idle() { return idle_; }
  DurableStatements& durable() { return durable_; }
  OpenWork& work() { return work_; }
  // What the watch of its target has to know; null: that is not watched.
  WatchedSession* watched() const { return watched_.get(); }

 private:
  bool can_give_back() const;

  PgSession& session_;
  SessionAccess access_;
  std::unique_ptr<WatchedSession> watched_;  // Where the target is watched. Outlives the conversation.
  Conversation conversation_;
  Pump client_;
  Pump server_;
  OpenWork work_;
  IdleLimit idle_;
  DurableStatements durable_;
};

}  // namespace ringfence::proxy
