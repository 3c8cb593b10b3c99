// One client's connection to a PostgreSQL target, from its first byte to its last.
//
// A session's life, in the order of this file's functions: live → log_in (pg_login.h) → converse (two pumps
// until either ends) → part (tell the client why, close). It is owned by its shard and removed when live()
// ends.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "client_end.h"
#include "conversation.h"
#include "goodbye.h"
#include "message_reader.h"
#include "pg_shard_state.h"
#include "recorder.h"
#include "server_lease.h"
#include "session_access.h"
#include "session_volume.h"
#include "watch.h"
#include "watched_session.h"

namespace ringfence::proxy {

struct LoginResult;

enum class Side : uint8_t { client, server };
inline Side other(Side side) { return side == Side::client ? Side::server : Side::client; }

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
  // Passes a cancel request to the server; gives a task to wait for.
  ring::Task<void> cancel();
  // Its client asks: what is parked ends without the server.
  ring::Task<void> cancel_by_client();

  bool is_logged_in() const override { return conversation_.has_value(); }
  const Uuid& id() const override { return id_; }
  model::SessionInfo info() const override;
  // Adds it to those that are asked for, if it is one of this target's and credential's and has sent what was
  // not looked at.
  void join_watch(const std::string& target, const std::string& user,
                  std::vector<WatchRound::Asked>& out) const;
  void compare_watch(const WatchRound::Asked& asked);

 private:
  // Login.
  ring::Task<void> log_in();
  void take_over(LoginResult done);

  // The watch of its target (pg_session_watch.cc).
  bool can_be_watched() const;
  void contradicted_by_watch(std::string_view shown);

  bool renew_access();

  // Holds (pg_session_hold.cc).
  class ClientWatch;
  ring::Task<bool> park(net::Receive& receive, net::Chunk& chunk, Advance why);
  ring::Task<bool> send_before_waiting();
  bool start_analysis(const Hold& hold);
  void describe_hold(Hold& hold, HeldStatement statement);
  void note_transaction_while_held();
  void resume(Hold& hold);
  net::Chunk take_read_ahead(Side from);

  // The target's pool (pg_session_pool.cc).
  bool can_give_back() const;
  bool keeps_back(ByteView bytes);
  ring::Task<void> reset_server();
  void break_off_reset(std::string reason);
  bool is_reset() const;
  std::string reset_failure() const;
  void part_from_server();

  // Its name (pg_session_naming.cc).
  struct Naming {
    enum class State : uint8_t { due, sending, sent };
    Naming(PgSession& session, std::string application_name,
           OwnAnswer::Kind kind = OwnAnswer::Kind::to_naming);
    std::string message;
    OwnAnswer answer;
    State state = State::due;
    bool is_over = false;  // Answered, or the session is over.
    ring::Event sent;
    std::vector<ring::Event*> waiters;  // For the answer.
    ring::CallbackTimer timer;
  };
  void name_again();
  void name_is_late();
  ring::Task<void> name_alone();
  ring::Task<bool> send_naming(ByteView* along);
  bool has_to_name(ByteView bytes) const;
  bool is_being_named() const;
  bool take_naming(net::Chunk& chunk);
  void fail_naming(std::string_view reason);
  void end_naming();
  ring::Task<bool> wait_until_named();

  // Conversation (pg_session.cc).
  ring::Task<void> converse();
  ring::Task<void> wind_up();
  EndReason broken_by(Side from) const;
  void after_answers();
  void check_idle();
  void end_within(uint64_t ms);
  ring::Task<void> part();
  ring::Task<void> linger();

  // Pumps (pg_session_pump.cc).
  ring::Task<void> pump(Side from);
  // How a pump goes on: with the next chunk, not at all, when a sync has brought the chunk's records to the
  // disk, or when the other task has run, which says whether it does.
  enum class Way : uint8_t { next, over, syncs, aside };
  using Aside = std::optional<ring::Task<bool>>;
  Way take_turn(Side from, net::Receive& receive, Aside& aside);
  net::Chunk& pending_chunk(Side from);
  Way pass_pending(Side from, net::Receive& receive, Aside& aside);
  Way pass_accepted(Side from, net::Receive& receive, net::Chunk chunk, Aside& aside);
  Way pass_durable(net::Receive& receive, bool is_durable, Aside& aside);
  Way pass_on(Side from, net::Receive& receive, net::Chunk chunk, Aside& aside);
  ring::Task<bool> wait_until_accepted(Side from, net::Receive& receive, net::Chunk chunk, size_t at,
                                       Advance advance);
  ring::Task<bool> pass_named(net::Chunk chunk, ByteView bytes, bool has_body);
  ring::Task<bool> wait_until_sent(Side from, net::Chunk chunk, net::Send sending);
  ring::Task<bool> send_and_splice(Side from, net::Chunk chunk, ByteView bytes);
  bool after_sent(Side from, bool is_sent);
  net::Stream& stream(Side side) { return side == Side::client ? *client_.stream : lease_.stream(); }
  Advance inspect(Side from, ByteView bytes, size_t& at);
  enum class Until : uint8_t { it_has_answered, it_ends };
  ring::Task<bool> wait_for_server(Until until);
  void wake_client_pump();
  bool note_durable(bool is_durable);
  ring::Task<bool> send_so_far(ByteView chunk);
  void count(Side from, size_t bytes);
  void note_client_end(bool is_orderly);
  void after_sent_to_client(bool is_sent);
  void end_server_pump();
  // Nothing more is read of this side.
  bool is_over(Side from) const {
    return from == Side::client && (server_pump_is_over_ || end_reason_ != nullptr);
  }

  // What it adds to the trail (pg_session_volume.cc).
  ring::Task<bool> wait_for_volume(net::Receive& receive, net::Chunk chunk);

  // Long bodies (pg_session_splice.cc).
  bool body_follows(Side from, const net::Receive& receive);
  uint32_t body_to_splice(Side from, uint32_t bytes_min);
  // Whether more can be passed in this direction; `not_begun`: there is no pipe, and the head has not gone
  // out.
  enum class Passed : uint8_t { goes_on, over, not_begun };
  ring::Task<Passed> splice_body(Side from, ByteView head, net::Chunk* chunk);
  bool note_spliced(Side from, const net::Spliced& spliced);

  Now now() const { return {shard_.core.shard.now_ns(), shard_.core.shard.now_us()}; }

  const Limits& limits() const { return snapshot_->limits; }

  PgShardState& shard_;
  ClientEnd client_;
  std::shared_ptr<ListenerFacts> listener_;
  SnapshotPtr snapshot_;  // Of the login.
  SessionVolume volume_;
  Recorder recorder_;
  Uuid id_;
  SessionAccess access_;  // Once it has logged in.
  ServerLease lease_;
  // What came too early: gone when the pumps run.
  struct Leftovers {
    std::string client;
    std::string server;
  };
  std::unique_ptr<Leftovers> leftovers_;

  std::unique_ptr<WatchedSession> watched_;  // Where the target is watched. Outlives the conversation.

  // The conversation.
  std::optional<Conversation> conversation_;
  struct LongBodies {
    bool are_expected = false;
    uint8_t receives_without = 0;
  };
  std::array<LongBodies, 2> long_bodies_;  // By Side.
  bool can_splice_ = false;
  ring::Event server_pump_ended_;
  ring::Event client_pump_may_go_on_;
  bool client_pump_waits_ = false;  // For the server.
  bool server_pump_is_over_ = false;
  bool is_draining_ = false;
  bool was_cancelled_ = false;      // A cancel request went, or may yet go, to the server.
  bool goodbye_went_out_ = false;   // The client's Terminate, to the server.
  std::unique_ptr<Naming> naming_;  // Until the server's connection has its name.
  struct Reset {
    explicit Reset(ReportedSettings& settings) : answer(OwnAnswer::Kind::to_reset, settings) {}
    OwnAnswer answer;
    bool is_late = false;
    bool is_broken_off = false;
    std::string reason;  // Of breaking it off, where that is a failure.
  };
  std::unique_ptr<Reset> reset_;             // Once the server is asked to discard the session's state.
  Hold* hold_ = nullptr;                     // While it is parked.
  std::unique_ptr<std::string> read_ahead_;  // What the client sent meanwhile.
  uint64_t transaction_since_us_ = 0;        // 0: none is open.
  std::unique_ptr<EndReason> end_reason_;
  std::unique_ptr<EndReason> pending_end_;           // As soon as nothing runs.
  std::unique_ptr<ring::CallbackTimer> idle_timer_;  // Where the limits say how long it may be idle.
  std::unique_ptr<ring::CallbackTimer> end_timer_;   // Once it ends.
  uint64_t connected_us_;
  uint64_t active_ns_ = 0;
  uint64_t active_us_ = 0;
  uint64_t durable_statements_ = 0;  // How many statements had started at the last sync.
  // A pump's chunk that its own frame has no room for.
  struct Pending {
    std::optional<DurableWait> sync;  // What it waits for with audit.durability: disk.
    net::Chunk chunk;                 // Accepted after a wait, or waits for the sync.
  };
  std::array<std::unique_ptr<Pending>, 2> pending_;  // By Side.
  uint64_t bytes_to_client_ = 0;
  uint64_t bytes_to_server_ = 0;
};
// A byte more takes the next size that the allocator has, a fifth more for each idle pair.
static_assert(sizeof(PgSession) <= 1'280);

}  // namespace ringfence::proxy
