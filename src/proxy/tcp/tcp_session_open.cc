// How a raw TCP session comes to be: who its client is, whether it may reach the target, and the server.
#include <utility>

#include "ringfence/audit/json.h"
#include "ringfence/base/log.h"
#include "ringfence/base/utf8.h"
#include "ringfence/net/deadline.h"
#include "ringfence/net/tls_accept.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/proxy/core/dial.h"
#include "tcp_session.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

Task<bool> TcpSession::open() {
  const Listener* listener = rules();
  if (listener == nullptr || core_.is_draining || !is_within_bounds()) co_return false;
  target_ = listener->target;
  // Before the handshake, which costs a signature: an address that is let in nowhere.
  const bool is_admitted = listener->client_networks.admits(address_of(peer_));
  if (is_admitted && listener->context) {
    auto securing = secure();
    const bool is_secure = co_await securing;
    if (!is_secure) co_return false;
  }
  if (!identify()) co_return false;
  {
    auto waiting = wait_for_trail();
    const bool has_room = co_await waiting;
    if (!has_room) co_return false;
  }
  if (!authorize()) co_return false;
  {
    auto reaching = reach_server();
    const bool is_reached = co_await reaching;
    if (!is_reached) co_return false;
  }
  auto recording = record_connect();
  co_return co_await recording;
}

bool TcpSession::is_within_bounds() {
  const bool is_over_listener =
      listener_->connections_max > 0 &&
      listener_->connections.load(std::memory_order_relaxed) > listener_->connections_max;
  if (core_.all_load() <= snapshot_->limits.connections_max && !is_over_listener) return true;
  core_.counters.connections_refused.add();
  return false;
}

Task<bool> TcpSession::secure() {
  const Listener* listener = rules();
  net::TlsAccepting how{listener->context, core_.tls_buffers, &core_.counters.client_tls.legs, nullptr};
  if (listener->context->gives_tickets()) how.ticket_keys = snapshot_->ticket_keys;
  net::Deadline deadline(core_.shard, *client_, snapshot_->limits.startup_ms);
  auto accepting = net::accept_tls(client_, std::move(how), {});
  net::TlsAccepted accepted = co_await accepting;
  if (deadline.has_passed()) core_.counters.limits_reached.add();
  if (accepted.tls == nullptr) {
    core_.counters.client_tls.fail(accepted.failure);
    const Error& error = accepted.result.error();
    log_debug("TLS handshake failed",
              {{"client", peer_}, {"listener", listener_->name}, {"reason", error.message}});
    // A certificate that does not hold is a failed login; others are noise that anybody can make.
    identity_.method = "certificate";
    describe();
    if (error.fault == Fault::denied) refuse(error.message);
    co_return false;
  }
  tls_ = accepted.tls;
  core_.counters.client_tls.done.add();
  if (tls_->engine().is_resumed()) core_.counters.client_tls.resumed.add();
  co_return !ended_;
}

bool TcpSession::identify() {
  std::optional<net::TlsPeerNames> names;
  if (tls_ != nullptr && tls_->engine().has_peer_certificate()) names = tls_->engine().peer_names();
  identity_ = proxy::identify(*snapshot_, *rules(), {address_of(peer_), names ? &*names : nullptr});
  describe();
  if (identity_.refusal.empty()) return true;
  refuse(identity_.refusal);
  return false;
}

// The first one is an event at once, those like it are counted.
void TcpSession::refuse(std::string_view reason) {
  core_.counters.logins_failed.add();
  if (!records_.has_room()) return;
  const bool is_first = core_.failures.is_first({Category::authentication,
                                                 "tcp_auth_failed",
                                                 peer_,
                                                 make_valid_text(identity_.user),
                                                 std::string(reason),
                                                 {}});
  if (!is_first) {
    core_.counters.failures_counted.add();
    return;
  }
  auto failed = records_.event("tcp_auth_failed", Severity::warning, Outcome::denied, core_.shard.now_us());
  failed.text(Tag::reason, reason);
  records_.publish(std::move(failed));
}

void TcpSession::describe() {
  const TcpTarget* target = this->target();
  const std::string server = server_ ? server_->peer() : "";
  records_.identify(
      {.session_id = id_,
       .user = identity_.user,
       .auth_method = identity_.method,
       .client_addr = peer_,
       .transport = tls_ != nullptr ? std::string_view("tls") : std::string_view(listener_->transport),
       .target = target_,
       .tags = target != nullptr ? &target->tags : nullptr,
       .server_addr = server});
}

// Room for a record, and what the user and the address may add to the trail.
Task<bool> TcpSession::wait_for_trail() {
  const uint64_t now_ns = core_.shard.now_ns();
  const Limits& limits = snapshot_->limits;
  records_.charge_to(
      core_.user_meters.find(identity_.user, limits.volume_per_user, now_ns),
      peer_.starts_with("unix:")
          ? nullptr
          : core_.address_meters.find(audit::address_of_peer(peer_), limits.volume_per_address, now_ns));
  if (const uint64_t wait_ns = records_.settle(now_ns); wait_ns > 0) {
    core_.counters.volume_waits.add();
    if (wait_ns > trail_wait_ms * 1'000'000) {
      core_.counters.volume_refusals.add();
      co_return false;
    }
    ring::Event due;
    ring::CallbackTimer timer(core_.shard.timers(), [&due] { due.set(); });
    timer.arm(now_ns + wait_ns);
    co_await due;
  }
  if (!records_.has_room()) {
    core_.counters.trail_waits.add();
    auto waiting = core_.room.wait();
    const bool has_room = co_await waiting;
    if (!has_room) core_.counters.trail_refusals.add();
    if (!has_room) co_return false;
  }
  co_return !ended_;
}

// Nobody sees what passes, so that a policy that gives less than everything gives nothing here.
bool TcpSession::authorize() {
  const auto access = accesses_.find(identity_.user, target_, snapshot_, core_.snapshot);
  const TcpTarget* target = this->target();
  const bool is_granted = target != nullptr && access->is_unrestricted();
  auto found = records_.access(*access, target_, is_granted, core_.shard.now_us());
  if (is_granted) found.text(Tag::reason, "unrestricted access");
  else if (target == nullptr) found.text(Tag::reason, "no such target");
  else if (!access->is_granted()) found.text(Tag::reason, "no policy gives access");
  else
    found.text(Tag::reason,
               "a raw TCP target takes level admin without rules alone: what passes cannot be decided");
  records_.publish(std::move(found));
  if (!is_granted) return false;
  target_sessions_ = target->sessions;
  const uint32_t others = target_sessions_->fetch_add(1, std::memory_order_relaxed);
  if (target->connections_max == 0 || others < target->connections_max) return true;
  core_.counters.connections_refused.add();
  auto failed = records_.event("tcp_connect", Severity::warning, Outcome::denied, core_.shard.now_us());
  failed.text(Tag::reason,
              "the target has its connections_max of " + std::to_string(target->connections_max));
  records_.publish(std::move(failed));
  return false;
}

Task<bool> TcpSession::reach_server() {
  const TcpTarget* target = this->target();
  Opening opening(core_.shard, snapshot_->limits.connect_ms);
  opening_ = &opening;
  auto dialling = dial_hosts(core_, target->hosts, target->port, {}, opening);
  auto dialled = co_await dialling;
  opening_ = nullptr;
  if (dialled) server_ = std::move(dialled->stream);
  if (ended_) co_return false;
  if (dialled) {
    describe();
    co_return true;
  }
  core_.counters.upstream_failures.add();
  log_warning("no connection to a target's server",
              {{"target", target_}, {"reason", dialled.error().message}});
  auto failed = records_.event("tcp_connect", Severity::error, Outcome::failure, core_.shard.now_us());
  failed.text(Tag::reason, "server: " + dialled.error().message);
  records_.publish(std::move(failed));
  co_return false;
}

// What the trail does not have does not happen: on the disk too, where that is asked for.
Task<bool> TcpSession::record_connect() {
  if (!records_.has_room()) {
    auto waiting = core_.room.wait();
    const bool has_room = co_await waiting;
    if (!has_room) core_.counters.trail_refusals.add();
    if (!has_room || ended_) co_return false;
  }
  auto done = records_.event("tcp_connect", Severity::info, Outcome::success, core_.shard.now_us());
  if (tls_ != nullptr) {
    const net::TlsEngine& engine = tls_->engine();
    std::string out = "{";
    if (engine.has_peer_certificate()) {
      out += "\"client_certificate\":";
      audit::append_json_string(out, make_valid_text(engine.peer_names().dn));
      out += ",";
    }
    out += "\"tls_cipher\":\"" + std::string(engine.cipher()) +
           "\",\"tls_resumed\":" + (engine.is_resumed() ? "true" : "false") + ",\"tls_version\":\"" +
           std::string(engine.version()) + "\"}";
    done.text(Tag::metadata, out);
  }
  records_.publish(std::move(done));
  relay_ = std::make_unique<Relay>(*this);
  if (core_.disk_sync.is_needed()) {
    DurableWait sync(core_.disk_sync);
    const bool is_durable = co_await sync;
    if (!is_durable && !ended_) end("the disk does not take the record of the connection");
  }
  co_return true;
}

}  // namespace ringfence::proxy
