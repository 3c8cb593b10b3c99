// A session between its greeting and its end: the conversation, the two pumps that pass it on, and what may
// end it.
//
// What always holds: the relay is over only when both pumps are; until then the session may not go away.
#pragma once

#include <memory>
#include <string>

#include "idle_limit.h"
#include "parked.h"
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

  // All of it.
  ring::Task<void> run();
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
  ShardCore& core() const { return parts().shard.core; }
  Conversation& conversation() { return conversation_; }
  const Conversation& conversation() const { return conversation_; }
  const SessionAccess& access() const { return access_; }
  uint64_t bytes_to_client() const { return server_.bytes(); }
  uint64_t bytes_to_server() const { return client_.bytes(); }

  // For its pumps and what is parked.
  Now now() const { return {parts().now_ns(), parts().now_us()}; }
  // Nothing more is read of the client.
  bool is_over() const { return parts().lease.is_over() || parts().ending.is_now(); }
  void end(const EndReason& reason);
  // What `from` sent breaks the protocol or a limit.
  void break_by(Side from) { end(broken_by(conversation_, from)); }
  // What is received of the server since it waited in its pool comes to `receive` from here on.
  void hand_receive_to(net::Receive& receive);
  void server_has_ended();
  void note_active() { idle_.note_active(parts().now_ns(), parts().now_us()); }
  // The client waits for us.
  void note_waiting() { idle_.note_waiting(parts().now_ns()); }
  // Before each chunk from the client. False: the session has to end, and why is set.
  bool renew_access();
  void after_answers();
  // The client's Terminate is not for a connection that is kept: true when `bytes` are that and nothing else.
  bool keeps_back(ByteView bytes);
  bool can_splice() const { return can_splice_; }
  // All statements that have started are as durable as the configuration wants.
  bool is_durable() const { return conversation_.statements() == durable_statements_; }
  void note_durable() { durable_statements_ = conversation_.statements(); }

  // Null: nothing is any more.
  void set_parked(Parked* parked) { parked_ = parked; }
  bool is_parked() const { return parked_ != nullptr; }
  // What the watch of its target has to know; null: that is not watched.
  WatchedSession* watched() const { return watched_.get(); }
  uint64_t transaction_since_us() const { return transaction_since_us_; }

 private:
  static EndReason broken_by(const Conversation& conversation, Side from);
  ring::Task<void> wind_up();
  bool can_give_back() const;
  // The name of the server's connection.
  void start_naming(std::string_view name, OwnAnswer::Kind kind);
  void name_again();
  void fail_naming(std::string_view reason);

  PgSession& session_;
  SessionAccess access_;
  std::unique_ptr<WatchedSession> watched_;  // Where the target is watched. Outlives the conversation.
  Conversation conversation_;
  Pump client_;
  Pump server_;
  Parked* parked_ = nullptr;
  uint64_t transaction_since_us_ = 0;  // 0: none is open.
  IdleLimit idle_;
  uint64_t durable_statements_ = 0;  // How many statements had started at the last sync.
  bool is_draining_ = false;
  bool can_splice_ = false;
};

}  // namespace ringfence::proxy
