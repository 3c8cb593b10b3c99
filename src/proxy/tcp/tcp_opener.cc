#include <utility>

#include "ringfence/base/log.h"
#include "ringfence/base/utf8.h"
#include "ringfence/net/deadline.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/proxy/core/client_tls.h"
#include "ringfence/proxy/core/dial.h"
#include "tcp_opener.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

Task<bool> TcpOpener::run() {
  const Listener* listener = s_.rules();
  if (listener == nullptr || s_.core_.is_draining || !is_within_bounds()) co_return false;
  s_.target_ = listener->target;
  const ClientPlace place = place_of(s_.peer_);
  // It has hung up before anybody could ask who it is.
  if (!place.is_known()) co_return false;
  // Before the handshake, which costs a signature: an address that is let in nowhere.
  if (listener->client_networks.admits(place) && listener->context) {
    auto securing = secure();
    const bool is_secure = co_await securing;
    if (!is_secure) co_return false;
  }
  if (!identify()) co_return false;
  {
    auto waiting = wait_for_trail();
    const bool may_go_on = co_await waiting;
    if (!may_go_on || !is_allowed() || !take_place()) co_return false;
  }
  {
    auto reaching = reach_server();
    const bool is_reached = co_await reaching;
    if (!is_reached) co_return false;
  }
  auto recording = record_connect();
  co_return co_await recording;
}

bool TcpOpener::is_within_bounds() {
  if (s_.core_.all_load() <= s_.snapshot_->limits.connections_max && !s_.listener_->has_too_many())
    return true;
  s_.core_.counters.connections_refused.add();
  return false;
}

Task<bool> TcpOpener::secure() {
  // The snapshot may be another one meanwhile.
  const SnapshotPtr kept = s_.snapshot_;
  net::Deadline deadline(s_.core_.shard, *s_.client_, kept->limits.startup_ms);
  auto accepting = accept_client_tls(s_.core_, s_.client_, *s_.rules(), *kept, {}, s_.peer_);
  net::TlsAccepted accepted = co_await accepting;
  if (deadline.has_passed()) s_.core_.counters.limits_reached.add();
  if (accepted.tls == nullptr) {
    // A certificate that does not hold is a failed login; others are noise that anybody can make.
    s_.identity_.method = "certificate";
    describe();
    if (accepted.result.error().fault == Fault::denied) refuse(accepted.result.error().message);
    co_return false;
  }
  s_.tls_ = accepted.tls;
  co_return !s_.ended_;
}

bool TcpOpener::identify() {
  s_.identity_ = s_.identity_by(*s_.rules());
  describe();
  if (s_.identity_.refusal.empty()) return true;
  refuse(s_.identity_.refusal);
  return false;
}

void TcpOpener::refuse(const std::string& reason) {
  s_.core_.counters.logins_failed.add();
  if (s_.records_.has_room()) deny(Category::authentication, "tcp_auth_failed", Outcome::denied, reason);
}

void TcpOpener::describe() {
  const TcpTarget* target = s_.target();
  const std::string server = s_.server_ ? s_.server_->peer() : "";
  s_.records_.identify(
      {.session_id = s_.id_,
       .user = s_.identity_.user,
       .auth_method = s_.identity_.method,
       .client_addr = s_.peer_,
       .transport = s_.tls_ != nullptr ? std::string_view("tls") : std::string_view(s_.listener_->transport),
       .target = s_.target_,
       .tags = target != nullptr ? &target->tags : nullptr,
       .server_addr = server});
}

// Room for a record, and what the user and the address may add to the trail.
Task<bool> TcpOpener::wait_for_trail() {
  SessionVolume& volume = s_.records_.volume();
  volume.find(s_.core_, s_.snapshot_->limits, s_.identity_.user, s_.peer_);
  if (const uint64_t wait_ns = volume.settle(s_.core_, false); wait_ns > 0) {
    s_.core_.counters.volume_waits.add();
    if (wait_ns > trail_wait_ms * 1'000'000) {
      s_.core_.counters.volume_refusals.add();
      co_return false;
    }
    ring::Event due;
    ring::CallbackTimer timer(s_.core_.shard.timers(), [&due] { due.set(); });
    timer.arm(s_.core_.shard.now_ns() + wait_ns);
    co_await due;
  }
  auto waiting = wait_for_room();
  co_return co_await waiting;
}

// What wakes it is room for some of those who wait: it looks again.
Task<bool> TcpOpener::wait_for_room() {
  const uint64_t end_ns = s_.core_.shard.now_ns() + trail_wait_ms * 1'000'000;
  while (!s_.records_.has_room()) {
    s_.core_.counters.trail_waits.add();
    auto waiting = s_.core_.room.wait();
    const bool was_woken = co_await waiting;
    if (was_woken && s_.core_.shard.now_ns() < end_ns) continue;
    s_.core_.counters.trail_refusals.add();
    co_return false;
  }
  co_return !s_.ended_;
}

// Nobody sees what passes, so that a policy that gives less than everything gives nothing here.
bool TcpOpener::is_allowed() {
  s_.snapshot_ = s_.core_.look();
  const Listener* listener = s_.rules();
  if (listener == nullptr || !listener->is_tcp() || listener->target != s_.target_ || !identify())
    return false;
  const auto access = s_.accesses_.find(s_.identity_.user, s_.target_, s_.snapshot_, s_.core_.snapshot);
  if (s_.target() != nullptr && access->is_unrestricted()) return true;
  const std::string target = "target \"" + make_valid_text(s_.target_) + "\": ";
  deny(Category::authorization, "access_denied", Outcome::denied,
       target +
           (s_.target() == nullptr ? "there is no such target"
            : !access->is_granted()
                ? "no policy or grant gives access"
                : "a raw TCP target takes level admin without rules, controls and quotas alone: what passes "
                  "cannot be decided"));
  return false;
}

bool TcpOpener::take_place() {
  const TcpTarget* target = s_.target();
  s_.target_sessions_ = target->sessions;
  const uint32_t others = s_.target_sessions_->fetch_add(1, std::memory_order_relaxed);
  if (target->connections_max == 0 || others < target->connections_max) return true;
  s_.core_.counters.connections_refused.add();
  deny(Category::authentication, "tcp_connect", Outcome::denied,
       "the target has its connections_max of " + std::to_string(target->connections_max));
  return false;
}

// The first one is an event at once, those like it are counted.
void TcpOpener::deny(Category category, std::string_view action, Outcome outcome, std::string reason) {
  const bool is_first = s_.core_.failures.is_first(
      {category, action, s_.peer_, make_valid_text(s_.identity_.user), reason, {}});
  if (!is_first) {
    s_.core_.counters.failures_counted.add();
    return;
  }
  const uint64_t now_us = s_.core_.shard.now_us();
  if (category == Category::authorization) {
    const auto access = s_.accesses_.find(s_.identity_.user, s_.target_, s_.snapshot_, s_.core_.snapshot);
    auto denied = s_.records_.access(*access, s_.target_, false, now_us);
    denied.text(Tag::reason, reason);
    s_.records_.publish(std::move(denied));
    return;
  }
  auto failed = s_.records_.event(action, outcome == Outcome::denied ? Severity::warning : Severity::error,
                                  outcome, now_us);
  failed.text(Tag::reason, reason);
  s_.records_.publish(std::move(failed));
  if (outcome == Outcome::denied) return;
  log_warning("no connection to a target's server", {{"target", s_.target_}, {"reason", reason}});
}

Task<bool> TcpOpener::reach_server() {
  const TcpTarget* target = s_.target();
  // The target is the snapshot's, which may be another one meanwhile.
  const SnapshotPtr kept = s_.snapshot_;
  Opening opening(s_.core_.shard, kept->limits.connect_ms);
  s_.opening_ = &opening;
  auto dialling = dial_hosts(s_.core_, target->hosts, target->port, {}, opening);
  auto dialled = co_await dialling;
  s_.opening_ = nullptr;
  if (dialled) {
    s_.server_ = std::move(dialled->stream);
    describe();
  }
  if (s_.ended_) {
    if (dialled) record_failed(*s_.ended_);
    co_return false;
  }
  if (dialled) co_return true;
  s_.core_.counters.upstream_failures.add();
  deny(Category::authentication, "tcp_connect", Outcome::failure, "server: " + dialled.error().message);
  co_return false;
}

// The server has seen a connection that nothing passed on.
void TcpOpener::record_failed(std::string_view reason) {
  auto failed =
      s_.records_.event("tcp_connect", Severity::warning, Outcome::failure, s_.core_.shard.now_us());
  failed.text(Tag::reason, reason);
  s_.records_.publish(std::move(failed));
}

// What the trail does not have does not happen: on the disk too, where that is asked for.
Task<bool> TcpOpener::record_connect() {
  {
    auto waiting = wait_for_room();
    const bool has_room = co_await waiting;
    if (!has_room || !is_allowed()) {
      record_failed(s_.ended_   ? *s_.ended_
                    : !has_room ? std::string("the audit trail has no room")
                                : std::string("the client has no access any more"));
      co_return false;
    }
  }
  const auto access = s_.accesses_.find(s_.identity_.user, s_.target_, s_.snapshot_, s_.core_.snapshot);
  auto granted = s_.records_.access(*access, s_.target_, true, s_.core_.shard.now_us());
  granted.text(Tag::reason, "unrestricted access");
  s_.records_.publish(std::move(granted));
  auto done = s_.records_.event("tcp_connect", Severity::info, Outcome::success, s_.core_.shard.now_us());
  if (s_.tls_ != nullptr) done.text(Tag::metadata, describe_tls(s_.tls_->engine()));
  s_.records_.publish(std::move(done));
  s_.relay_ = std::make_unique<TcpSession::Relay>(s_);
  if (s_.core_.disk_sync.is_needed()) {
    DurableWait sync(s_.core_.disk_sync);
    const bool is_durable = co_await sync;
    if (!is_durable && !s_.ended_) s_.end("the disk does not take the record of the connection");
  }
  co_return true;
}

}  // namespace ringfence::proxy
