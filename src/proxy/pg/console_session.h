// A session of the console: the virtual database `ringfence`, which operators use by psql. It takes over the
// connection of a client who has logged in, and has no server.
//
// A session's life, in the order of this file's functions: live → serve (messages one after the other,
// console_talk.h) → part (tell the client why, close). It is owned by its shard and removed when live() ends.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "console_desk.h"
#include "console_talk.h"
#include "pg_login.h"
#include "session_parts.h"

namespace ringfence::proxy {

class ConsoleSession final : public Session {
 public:
  // Of a session that has logged in for the console; it has nothing left then.
  ConsoleSession(SessionParts& from, LoginResult login, uint64_t connected_us);
  ~ConsoleSession() override;

  // All of it; then the shard removes the session.
  static ring::Task<void> live(ConsoleSession& session);

  const Uuid& id() const override { return id_; }
  bool is_logged_in() const override { return true; }
  model::SessionInfo info() const override;
  void end_by(const EndOrder& order) override;
  void drain() override;
  void reconsider() override;

 private:
  ring::Task<void> serve();
  // False: the session is over.
  ring::Task<bool> serve_one();
  ring::Task<void> part();
  ring::Task<void> say_why();
  void record_end();
  void end(EndReason reason);
  void watch_idle();
  void note_idle();
  ShardCore& core() const { return shard_.core; }

  PgShardState& shard_;
  ClientEnd client_;
  std::shared_ptr<ListenerFacts> listener_;
  SnapshotPtr snapshot_;  // Of the login.
  Recorder recorder_;
  Uuid id_;
  ConsoleUser user_;
  uint64_t connected_us_;
  uint64_t active_us_;
  std::unique_ptr<ConsoleSeat> seat_;
  net::Gather in_;
  ConsoleDesk desk_;
  ConsoleTalk talk_;
  std::optional<EndReason> ending_;
  ring::CallbackTimer timer_;  // Of the idle time, then of the end.
  bool is_busy_ = false;       // A message is being answered.
  bool said_goodbye_ = false;
};

}  // namespace ringfence::proxy
