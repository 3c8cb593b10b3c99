// The server connection of a session whose target has a pool: where it comes from, and whether it can go back
// there.
#include "pg_session.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/sqlstate.h"
#include "warm_pool.h"

namespace ringfence::proxy {

using ring::Task;

namespace {

// The client's name for itself is set once the connection is the session's; connections of all users are the
// same without it.
std::string take_application_name(std::vector<pg::StartupParameter>& parameters) {
  for (pg::StartupParameter& parameter : parameters) {
    if (parameter.name == "application_name")
      return std::exchange(parameter.value, std::string(warm_application_name));
  }
  return {};
}

}  // namespace

// `is_to_learn`: it may be left again for another one (pg_session_pin.cc).
Task<tl::expected<Upstream, UpstreamRefusal>> PgSession::open_pooled(
    const Credential& credential, Opening& opening, std::vector<pg::StartupParameter> parameters,
    bool is_to_learn) {
  WarmPool& pool = *shard_.warm;
  const std::string application_name = take_application_name(parameters);
  std::string kind = kind_of(*target_, credential, parameters);
  std::optional<Upstream> warm = pool.take_fresh(*target_, kind, application_name);
  if (!warm) {
    auto sending = send_unsent();
    const bool is_sent = co_await sending;
    if (!is_sent) co_return tl::unexpected<UpstreamRefusal>(UpstreamRefusal());
    auto taking = pool.take(*target_, kind, application_name, opening);
    warm = co_await taking;
  }
  if (warm) {
    pool.note_wish(*target_, login_level_, parameters);
    shard_.core.counters.pool_hits.add();
    shard_.core.counters.pool_in_use.add();
    co_return std::move(*warm);
  }
  if (!is_to_learn) shard_.core.counters.pool_misses.add();
  auto making_room = pool.make_room(*target_, opening);
  const bool has_room = co_await making_room;
  if (!has_room && !opening.is_over()) co_return tl::unexpected<UpstreamRefusal>(connections_max_reached());
  tl::expected<Upstream, UpstreamRefusal> upstream = tl::unexpected<UpstreamRefusal>(UpstreamRefusal());
  for (int i = 0; i < pool_tries_max; ++i) {
    std::vector<pg::StartupParameter> sent = parameters;
    auto making = open_upstream(shard_, *target_, credential, opening, std::move(sent));
    upstream = co_await making;
    // The server has no room: one that waits there makes some.
    if (upstream || upstream.error().sqlstate != pg::sqlstate::too_many_connections) break;
    auto freeing = pool.free_one(*target_, opening);
    const bool is_free = co_await freeing;
    if (!is_free) break;
  }
  if (!upstream) co_return std::move(upstream);
  pool.note_wish(*target_, login_level_, parameters);
  std::unique_ptr<WarmTicket> ticket =
      make_ticket(*target_, login_level_, std::move(parameters), std::move(kind), *upstream->greeting,
                  shard_.core.shard.now_ns());
  auto greeting = greeting_of(*ticket, application_name);
  greeting->leftover = std::move(upstream->greeting->leftover);
  greeting->transaction_status = upstream->greeting->transaction_status;
  greeting->name_due = application_name;
  upstream->greeting = std::move(greeting);
  upstream->ticket = std::move(ticket);
  shard_.core.counters.pool_in_use.add();
  co_return std::move(upstream);
}

// Whether nothing of this session is on its way, and nothing is left with the server but what it discards
// when told.
bool PgSession::can_give_back() const {
  return server_ && server_->ticket && !end_reason_ && !pending_end_ && !is_draining_ && hold_ == nullptr &&
         !was_cancelled_ && !server_pump_is_over_ && !goodbye_went_out_ && !is_being_named() &&
         conversation_->is_at_rest() && shard_.warm->fits(*server_);
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
  forget_cancel_key();
  if (idle_timer_) idle_timer_->cancel();
  // The answer to a name that is asked for behind this would be the next session's.
  end_naming();
  reset_ = std::make_unique<Reset>(server_->ticket->settings);
  auto random = crypto::random_array<8>();
  if (!random) {
    break_off_reset("the machine has no randomness to give");
    co_return;
  }
  uint64_t seed = 0;
  std::memcpy(&seed, random->data(), sizeof seed);
  std::string messages = reset_messages(seed);
  net::Send sending(*server_->stream, messages);
  Result<void> sent = co_await sending;
  if (!sent) server_->stream->shutdown();
}

// Without a reason it is our own doing.
void PgSession::break_off_reset(std::string reason) {
  if (server_pump_is_over_) return;
  reset_->is_broken_off = true;
  if (reset_->reason.empty()) reset_->reason = std::move(reason);
  server_->stream->shutdown();
}

bool PgSession::is_reset() const {
  return reset_ && reset_->answer.state() == OwnAnswer::State::done &&
         server_->ticket->settings.are_as_at_login() && !reset_->is_broken_off && !end_reason_;
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
  const std::string_view name = server_->ticket->settings.first_differing();
  return name.empty() ? "the server reports too many settings"
                      : "the setting " + std::string(name.substr(0, 64)) + " is not as at the login";
}

// When both pumps are over: the connection goes back, or ends with its session.
void PgSession::part_from_server() {
  if (!is_reset()) {
    server_->stream->shutdown();
    if (!server_->ticket) return;
    shard_.core.counters.pool_discards.add();
    if (!reset_) return;
    const std::string failure = reset_failure();
    if (!failure.empty()) shard_.warm->note_failed_reset(server_->ticket->target, failure);
    return;
  }
  shard_.core.counters.pool_in_use.subtract();
  server_->stream->expect_long_bodies(false);
  Upstream upstream = std::move(*server_);
  server_.reset();
  if (shard_.warm->put(std::move(upstream))) shard_.core.counters.pool_returns.add();
  // The target has one session less, and perhaps one more connection that waits.
  target_sessions_->fetch_sub(1);
  target_sessions_.reset();
}

}  // namespace ringfence::proxy
