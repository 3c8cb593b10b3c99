// The cancel requests that come to one shard. Each is looked up in this shard's table, then in those of all
// others at once.
//
// What always holds: a request with a right key is passed on, however many with wrong ones come beside it,
// and from wherever. What others send costs no more than one question at a time: those that come while one is
// out, and those of an address that has sent too many wrong ones, are asked together by the next. Whoever
// asks learns nothing of the outcome, as with PostgreSQL; the connection stays open until the server has
// acted, which libpq waits for.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cancel_failures.h"
#include "ringfence/pg/startup.h"
#include "ringfence/proxy/core/log_pause.h"
#include "ringfence/ring/task.h"
#include "ringfence/ring/timers.h"

namespace ringfence::proxy {

class PgSession;
struct PgShardState;

class CancelDesk {
 public:
  explicit CancelDesk(PgShardState& shard);
  CancelDesk(const CancelDesk&) = delete;
  CancelDesk& operator=(const CancelDesk&) = delete;

  // Until the server has acted on it, or nobody has the key. `address`: of whoever asks, as net::to_string()
  // has it.
  ring::Task<void> serve(pg::CancelRequest wanted, std::string address);

 private:
  // What the other shards are asked for. They read `wanted` alone; the rest is of the shard that asks.
  struct Request {
    pg::CancelRequest wanted;
    bool is_found = false;
    ring::Event answered;
  };
  struct Round {
    std::vector<std::shared_ptr<Request>> requests;
    size_t open = 0;  // Shards that have not answered.
  };
  using RoundPtr = std::shared_ptr<Round>;

  // On the shard that asks.
  void enlist(std::shared_ptr<Request> request, bool is_paced);
  void ask();
  ring::Task<void> ask_one(PgShardState* peer, RoundPtr round);
  void heard(Round& round);
  void acted(Request& request);
  void note_wrong(std::string_view address);
  // On the shard that is asked.
  static void look(PgShardState* peer, PgShardState* home, RoundPtr round);
  static ring::Task<void> act(PgShardState* peer, PgShardState* home, PgSession* session,
                              std::shared_ptr<Request> request);
  static ring::Task<void> tell(PgShardState* peer, PgShardState* home, RoundPtr round,
                               std::vector<size_t> found);
  // Posted even where the mailbox is full for a moment. False: it stayed full.
  static ring::Task<bool> deliver(PgShardState* from, PgShardState* to, std::function<void()> job);

  PgShardState& shard_;
  CancelFailures failures_;
  LogPause log_pause_;
  std::vector<std::shared_ptr<Request>> waiting_;  // For the next round.
  std::vector<std::shared_ptr<Request>> paced_;    // For the pause before.
  ring::CallbackTimer pause_;
  bool is_asking_ = false;
};

}  // namespace ringfence::proxy
