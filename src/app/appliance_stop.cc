// The appliance's end: no new sessions, those that are there finish, the trail is stored.
#include <unistd.h>

#include <future>

#include "appliance.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/net/listener.h"

namespace ringfence::app {

using audit::Outcome;
using audit::Severity;

namespace {

// For those that were told to end when the drain's time is up.
constexpr uint64_t end_grace_ms = 6'000;
constexpr uint32_t trail_stop_ms = 30'000;
constexpr uint64_t admin_stop_ms = 1'000;
// For its thread to come to all that: much longer, on a machine that is busy with something else.
constexpr uint64_t admin_wait_ms = 10'000;
constexpr uint64_t accept_stop_ns = 1'000'000'000;

}  // namespace

// Returns when the kernel accepts no more: whoever was accepted is with a shard before that is told to drain.
// On a socket unit's socket the next ones wait for the next process.
void Appliance::stop_listening() {
  uint64_t deadline = mono_ns() + accept_stop_ns;
  while (mono_ns() < deadline) {
    auto stopped = std::make_shared<std::promise<bool>>();
    auto answer = stopped->get_future();
    bool is_posted = data_shards_[0].shard->post([this, stopped] {
      bool all = true;
      for (Listening& listening : listening_) {
        listening.listener->stop();
        all = all && listening.listener->is_stopped();
      }
      stopped->set_value(all);
    });
    if (is_posted && answer.wait_for(std::chrono::nanoseconds(accept_stop_ns)) == std::future_status::ready &&
        answer.get()) {
      return;
    }
    usleep(1'000);
  }
}

// The server goes when its last connection has gone, and by nothing else: the kernel may still know of one.
void Appliance::stop_admin() {
  auto gone = std::make_shared<std::promise<void>>();
  auto is_gone = gone->get_future();
  admin_shard_->deliver([this, gone] {
    admin_->stop(admin_stop_ms, [this, gone] {
      // Not inside the server's own call.
      admin_shard_->deliver([this, gone] {
        admin_.reset();
        admin_failures_->tell_all();
        gone->set_value();
      });
    });
  });
  const bool has_stopped =
      is_gone.wait_for(std::chrono::milliseconds(admin_wait_ms)) == std::future_status::ready;
  admin_shard_->stop();
  admin_shard_->join();
  if (has_stopped || !admin_) return;
  // The process ends anyway, and what its thread has left is not worth more than the rest of this end.
  log_error("the admin API did not stop in time");
  static_cast<void>(admin_.release());
}

// Before the writer ends; what comes after that stays in the journal until the next start.
void Appliance::tell_admin_failures() {
  auto told = std::make_shared<std::promise<void>>();
  auto is_told = told->get_future();
  admin_shard_->deliver([this, told] {
    admin_failures_->tell_all();
    told->set_value();
  });
  is_told.wait_for(std::chrono::milliseconds(admin_stop_ms));
}

// Only the admin shard asks them, and that has taken requests until here.
void Appliance::forget_those_asked() {
  questions_.reset();
  target_desk_.reset();
  trail_questions_.reset();
  control_.reset();
  budgets_.reset();  // No session spends any more.
  passwords_.reset();
  password_workers_.reset();
}

void Appliance::stop(const std::atomic<bool>& hurry) {
  bool was_running = phase_.exchange(Phase::draining) == Phase::running;
  if (questions_) questions_->close();
  if (trail_questions_) trail_questions_->close();
  if (control_) control_->close();
  if (was_running) log_info("draining", {{"deadline_ms", std::to_string(config_.limits.drain_ms)}});
  if (was_running) stop_listening();
  auto order_all = [this](auto action) {
    for (DataShard& data : data_shards_) {
      if (proxy::ShardCore* core = data.core.get()) data.shard->deliver([core, action] { action(*core); });
    }
  };
  auto drained = [this] {
    for (const DataShard& data : data_shards_) {
      if (data.core && data.core->load() + data.core->pooled() > 0) return false;
    }
    return true;
  };
  auto wait_until_drained = [&](uint64_t ms, bool may_hurry) {
    uint64_t deadline = mono_ns() + ms * 1'000'000;
    while (!drained() && mono_ns() < deadline && !(may_hurry && hurry.load())) usleep(10'000);
  };
  order_all([](proxy::ShardCore& core) { core.drain(); });
  wait_until_drained(config_.limits.drain_ms, true);
  if (!drained()) {
    log_warning("sessions are still open at the end of the drain; ending them");
    order_all([](proxy::ShardCore& core) {
      core.end_all({proxy::EndCause::shutdown, "terminating connection: the appliance is shutting down",
                    "Connect again in a moment."});
    });
    wait_until_drained(end_grace_ms, false);
  }
  if (was_running)
    main_events_.publish(control::new_event("appliance_stopped", Severity::info, Outcome::success));
  if (sessions_) sessions_->stop_serving();
  for (DataShard& data : data_shards_) {
    if (data.shard) data.shard->stop();
  }
  for (DataShard& data : data_shards_) {
    if (data.shard) data.shard->join();
  }
  for (DataShard& data : data_shards_) {
    if (data.core) data.core->tell_failures();
  }
  if (admin_) tell_admin_failures();
  // What their jobs would report to is gone.
  workers_.reset();
  analysts_.reset();
  syncers_.reset();
  if (trail_ && !trail_->stop(trail_stop_ms)) {
    log_warning(
        "the store did not take the whole trail in time; the rest is in the state directory and is written "
        "at "
        "the next start");
  }
  if (admin_) stop_admin();
  forget_those_asked();
  for (size_t i = 0; i < listening_.size(); ++i) {
    const std::string& path = config_.listeners[i].path;
    if (!path.empty() && !listening_[i].is_inherited) ::unlink(path.c_str());
  }
  store_.stop();
  if (was_running) log_info("stopped");
}

}  // namespace ringfence::app
