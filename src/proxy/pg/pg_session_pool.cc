// The server connection of a session whose target has a pool: where it comes from, and whether it can go back
// there.
#include "pg_session.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/sqlstate.h"
#include "warm_pool.h"

namespace ringfence::proxy {

using ring::Task;

// Whether nothing of this session is on its way, and nothing is left with the server but what it discards
// when told.
bool PgSession::can_give_back() const {
  return lease_.ticket() != nullptr && !end_reason_ && !pending_end_ && !is_draining_ && hold_ == nullptr &&
         !was_cancelled_ && !server_pump_is_over_ && !goodbye_went_out_ && !is_being_named() &&
         conversation_->is_at_rest() && shard_.warm->fits(lease_.server());
}

// The client's Terminate is not for a connection that is kept: true when `bytes` are that and nothing else.
bool PgSession::keeps_back(ByteView bytes) {
  if (!conversation_->client_said_goodbye()) return false;
  if (bytes == goodbye && can_give_back()) return true;
  // Behind its end a session needs no name any more.
  if (bytes == goodbye && naming_ && naming_->state == Naming::State::due) end_naming();
  goodbye_went_out_ = true;
  return false;
}

// Asks the server to discard the session's state; its answer comes by the other pump. From here on no cancel
// request finds the connection.
Task<void> PgSession::reset_server() {
  lease_.forget_cancel_key(*this);
  if (idle_timer_) idle_timer_->cancel();
  // The answer to a name that is asked for behind this would be the next session's.
  end_naming();
  reset_ = std::make_unique<Reset>(lease_.ticket()->settings);
  auto random = crypto::random_array<8>();
  if (!random) {
    break_off_reset("the machine has no randomness to give");
    co_return;
  }
  uint64_t seed = 0;
  std::memcpy(&seed, random->data(), sizeof seed);
  std::string messages = reset_messages(seed);
  net::Send sending(lease_.stream(), messages);
  Result<void> sent = co_await sending;
  if (!sent) lease_.stream().shutdown();
}

// Without a reason it is our own doing.
void PgSession::break_off_reset(std::string reason) {
  if (server_pump_is_over_) return;
  reset_->is_broken_off = true;
  if (reset_->reason.empty()) reset_->reason = std::move(reason);
  lease_.stream().shutdown();
}

bool PgSession::is_reset() const {
  return reset_ && reset_->answer.state() == OwnAnswer::State::done &&
         lease_.ticket()->settings.are_as_at_login() && !reset_->is_broken_off && !end_reason_;
}

// Why a reset did not make the connection fit to be kept; empty: nothing is wrong with it.
std::string PgSession::reset_failure() const {
  if (is_reset() || reset_->is_broken_off) return reset_->reason;
  switch (reset_->answer.state()) {
    case OwnAnswer::State::open:
      return reset_->is_late ? "the server did not answer in time" : "the connection is lost";
    case OwnAnswer::State::failed: return reset_->answer.reason();
    case OwnAnswer::State::done: break;
  }
  const std::string_view name = lease_.ticket()->settings.first_differing();
  return name.empty() ? "the server reports too many settings"
                      : "the setting " + std::string(name.substr(0, 64)) + " is not as at the login";
}

// When both pumps are over: the connection goes back, or ends with its session.
void PgSession::part_from_server() {
  if (!is_reset()) {
    lease_.stream().shutdown();
    if (!lease_.ticket()) return;
    shard_.core.counters.pool_discards.add();
    if (!reset_) return;
    const std::string failure = reset_failure();
    if (!failure.empty()) shard_.warm->note_failed_reset(lease_.ticket()->target, failure);
    return;
  }
  lease_.give_back();
}

}  // namespace ringfence::proxy
