#include "tcp_session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ringfence/net/deadline.h"
#include "ringfence/proxy/core/bounds.h"
#include "tcp_opener.h"

namespace ringfence::proxy {

using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

TcpSession::TcpSession(ShardCore& core, AccessCache& accesses, std::unique_ptr<net::Stream> client,
                       std::shared_ptr<ListenerFacts> listener)
    : core_(core),
      accesses_(accesses),
      client_(std::move(client)),
      listener_(std::move(listener)),
      snapshot_(core.snapshot),
      id_(core.door.ids.uuid(core.shard.now_us())),
      peer_(client_->peer()),
      connected_{core.shard.now_ns(), core.shard.now_us()},
      records_(core.door),
      activity_(connected_),
      timer_(core.shard.timers(), [this] { look(); }) {
  core_.counters.connections_open.add();
  listener_->connections.fetch_add(1, std::memory_order_relaxed);
}

TcpSession::~TcpSession() {
  if (target_sessions_) target_sessions_->fetch_sub(1, std::memory_order_relaxed);
  listener_->connections.fetch_sub(1, std::memory_order_relaxed);
  core_.counters.connections_open.subtract();
}

Task<void> TcpSession::live(TcpSession& session) {
  bool is_open = false;
  {
    TcpOpener opener(session);
    auto opening = opener.run();
    is_open = co_await opening;
  }
  if (is_open) {
    auto relaying = session.relay();
    co_await relaying;
  }
  session.close();
  session.core_.remove(session);
}

// ---------------------------------------------------------------- both directions

TcpSession::Relay::Relay(TcpSession& s)
    : session(s),
      to_server(s.core_, *s.client_, *s.server_, false, s.activity_),
      to_client(s.core_, *s.server_, *s.client_, true, s.activity_) {}

Task<void> TcpSession::Relay::run(TcpPump& pump, TcpPump& other, ring::Event& ended) {
  {
    auto running = pump.run();
    co_await running;
  }
  const bool is_to_server = &pump == &to_server;
  if (pump.end() != TcpPump::End::input_ended && broken == nullptr) broken = &pump;
  // What a server has said before it hung up still reaches the client; for nobody there is nothing to wait.
  const bool other_may_go_on =
      pump.end() == TcpPump::End::input_ended || (is_to_server && pump.end() == TcpPump::End::output_failed);
  if (!other_may_go_on && other.end() == TcpPump::End::none) session.cut(true);
  session.look();
  // The very last act: the session may go away by it.
  ended.set();
}

Task<void> TcpSession::relay() {
  core_.counters.sessions_open.add();
  core_.counters.sessions_total.add();
  activity_ = {core_.shard.now_ns(), core_.shard.now_us()};
  look();
  if (core_.is_draining) drain();
  if (core_.look() != snapshot_) reconsider();
  Relay& both = *relay_;
  ring::spawn(both.run(both.to_client, both.to_server, both.to_client_ended));
  ring::spawn(both.run(both.to_server, both.to_client, both.to_server_ended));
  co_await both.to_server_ended;
  co_await both.to_client_ended;
  timer_.cancel();
  record_disconnect();
  core_.counters.sessions_open.subtract();
}

void TcpSession::close() {
  timer_.cancel();
  client_->shutdown();
  if (server_) server_->shutdown();
}

// ---------------------------------------------------------------- bounds

void TcpSession::look() {
  if (relay_ == nullptr || ended_) return;
  TcpPump& up = relay_->to_server;
  TcpPump& down = relay_->to_client;
  const uint64_t now_ns = core_.shard.now_ns();
  // A receiver that takes what its socket has is not quiet, however slow it is. Both are asked.
  const bool up_goes_on = up.has_progressed(), down_goes_on = down.has_progressed();
  if (up_goes_on || down_goes_on) activity_ = {now_ns, core_.shard.now_us()};
  const TcpTarget* target = this->target();
  const uint64_t idle_ms = quiet_ms();
  const uint64_t duration_ms = target != nullptr ? target->duration_ms : 0;
  uint64_t due_ns = ~uint64_t{0};
  if (idle_ms > 0) due_ns = activity_.ns + idle_ms * 1'000'000;
  if (idle_ms > 0 && now_ns >= due_ns) {
    if (!is_draining_) core_.counters.limits_reached.add();
    end(is_draining_ ? "the appliance is shutting down"
                     : "no byte has passed for " + std::to_string(idle_ms) + " ms");
    return;
  }
  const uint64_t end_ns = connected_.ns + duration_ms * 1'000'000;
  if (duration_ms > 0 && now_ns >= end_ns) {
    core_.counters.limits_reached.add();
    end("the session has lasted the " + std::to_string(duration_ms) + " ms that its target allows");
    return;
  }
  if (duration_ms > 0) due_ns = std::min(due_ns, end_ns);
  // Sooner than it is due, so that progress is seen against what was unsent then.
  uint64_t step_ms = idle_ms > 0 ? idle_ms / 2 + 1 : 0;
  if (is_draining_) step_ms = step_ms > 0 ? std::min(step_ms, drain_quiet_ms) : drain_quiet_ms;
  if (step_ms > 0) due_ns = std::min(due_ns, now_ns + step_ms * 1'000'000);
  if (due_ns == ~uint64_t{0}) timer_.cancel();
  else timer_.arm(due_ns);
}

// How long it may be quiet now; 0: for ever.
uint64_t TcpSession::quiet_ms() const {
  const TcpTarget* target = this->target();
  uint64_t ms = target != nullptr && target->idle_ms > 0 ? target->idle_ms : snapshot_->limits.idle_ms;
  const auto at_most = [&ms](uint64_t bound) { ms = ms == 0 ? bound : std::min(ms, bound); };
  const TcpPump& up = relay_->to_server;
  const TcpPump& down = relay_->to_client;
  if (up.end() != TcpPump::End::none || down.end() != TcpPump::End::none) at_most(half_closed_idle_ms);
  // What is on its way is bounded by limits.drain_ms.
  if (is_draining_ && !up.holds_bytes() && !down.holds_bytes()) at_most(drain_quiet_ms);
  return ms;
}

void TcpSession::drain() {
  is_draining_ = true;
  if (relay_ == nullptr) {
    end("the appliance is shutting down");
    return;
  }
  look();
}

// By its certificate and its address, and the snapshot that it has.
TcpIdentity TcpSession::identity_by(const Listener& listener) const {
  std::optional<net::TlsPeerNames> names;
  if (tls_ != nullptr && tls_->engine().has_peer_certificate()) names = tls_->engine().peer_names();
  return identify(*snapshot_, listener, {place_of(peer_), names ? &*names : nullptr});
}

// Identity and access are found anew: a network rule may name another user now.
void TcpSession::reconsider() {
  if (ended_) return;
  if (relay_ == nullptr) return;  // It looks once more when it is open.
  const Uuid target_id = target() != nullptr ? target()->id : Uuid{};
  snapshot_ = core_.snapshot;
  const Listener* listener = rules();
  if (listener == nullptr || !listener->is_tcp() || listener->target != target_ || target() == nullptr ||
      target()->id != target_id) {
    end("the listener leads to another target now");
    return;
  }
  const TcpIdentity now = identity_by(*listener);
  if (!now.refusal.empty() || now.user != identity_.user) {
    end("the client is not this user any more by the present configuration");
    return;
  }
  if (!accesses_.find(identity_.user, target_, snapshot_, core_.snapshot)->is_unrestricted()) {
    end("the present policies give no access to the target any more");
    return;
  }
  look();
}

// ---------------------------------------------------------------- ending

// While it is being opened the session may be gone when this returns.
void TcpSession::end(std::string reason) {
  if (ended_) return;
  ended_ = std::move(reason);
  timer_.cancel();
  // Of a session that is quiet nothing is on its way, so that the end is a good one.
  const bool is_quiet = core_.shard.now_ns() - activity_.ns >= drain_quiet_ms * 1'000'000;
  cut(!is_quiet || relay_ == nullptr || relay_->to_server.holds_bytes() || relay_->to_client.holds_bytes());
  if (Opening* opening = opening_) opening->abandon();
}

// `is_in_the_middle`: a peer that has not got all must not take the end for a good one.
void TcpSession::cut(bool is_in_the_middle) {
  if (is_in_the_middle && relay_ != nullptr) {
    relay_->to_server.lose_unsent();
    relay_->to_client.lose_unsent();
  }
  for (net::Stream* stream : {client_.get(), server_.get()}) {
    if (stream == nullptr) continue;
    if (is_in_the_middle) stream->reset();
    else stream->shutdown();
  }
}

std::string TcpSession::reason_of_end(bool& is_failure) const {
  is_failure = false;
  if (ended_) return *ended_;
  const auto with_error = [](std::string text, int error) {
    return error != 0 ? text + ": " + std::strerror(error) : text;
  };
  const TcpPump* broken = relay_->broken;
  if (broken == nullptr) return "both sides have ended";
  const bool is_to_server = broken == &relay_->to_server;
  const bool is_input = broken->end() == TcpPump::End::input_failed;
  is_failure = is_input != is_to_server;
  if (is_input)
    return with_error(is_to_server ? "the client's connection broke" : "the server's connection broke",
                      broken->error());
  return with_error(is_to_server ? "the server took no more of what the client sent"
                                 : "the client took no more of what the server sent",
                    broken->error());
}

void TcpSession::record_disconnect() {
  bool is_failure = false;
  const std::string reason = reason_of_end(is_failure);
  auto done = records_.event("tcp_disconnect", ended_ || is_failure ? Severity::warning : Severity::info,
                             is_failure ? Outcome::failure : Outcome::success, core_.shard.now_us());
  done.integer(Tag::duration_us, static_cast<int64_t>(core_.shard.now_us() - connected_.us));
  done.integer(Tag::bytes_to_client, static_cast<int64_t>(relay_->to_client.bytes()));
  done.integer(Tag::bytes_to_server, static_cast<int64_t>(relay_->to_server.bytes()));
  done.text(Tag::reason, reason);
  records_.publish(std::move(done));
}

model::SessionInfo TcpSession::info() const {
  model::SessionInfo out;
  out.id = id_;
  out.protocol = "tcp";
  out.user = identity_.user;
  out.target = target_;
  out.client_addr = peer_;
  out.shard = core_.options.index;
  out.state = "active";
  out.connected_at_us = connected_.us;
  out.last_activity_us = activity_.us;
  out.tls = tls_ != nullptr;
  out.bytes_to_client = relay_->to_client.bytes();
  out.bytes_to_server = relay_->to_server.bytes();
  return out;
}

}  // namespace ringfence::proxy
