#include "audit/writer_control.h"

#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::audit {

std::string_view name(WriterState state) {
  switch (state) {
    case WriterState::starting: return "starting";
    case WriterState::running: return "running";
    case WriterState::retrying: return "retrying";
    case WriterState::conflict: return "conflict";
    case WriterState::stopped: return "stopped";
  }
  return "unknown";
}

bool WriterControl::is_ended() const { return abandoned_.load() || mono_ns() >= deadline_ns_.load(); }

bool WriterControl::is_stopping() {
  std::lock_guard guard(lock_);
  return stop_requested_;
}

void WriterControl::pause(std::chrono::milliseconds time) {
  turn();
  std::unique_lock guard(lock_);
  wake_.wait_for(guard, time, [&] { return abandoned_.load(); });
}

void WriterControl::set_state(WriterState state, const std::string& reason) {
  {
    std::lock_guard guard(status_lock_);
    if (status_.state == state && status_.reason == reason) return;
    status_.state = state;
    status_.reason = reason;
  }
  if (state == WriterState::running || state == WriterState::stopped) {
    log_info("audit writer", {{"state", std::string(name(state))}});
  } else {
    log_warning("audit writer", {{"state", std::string(name(state))}, {"reason", reason}});
  }
  if (options_.on_state) options_.on_state(state, reason);
}

WriterState WriterControl::state() const {
  std::lock_guard guard(status_lock_);
  return status_.state;
}

void WriterControl::finished() {
  std::lock_guard guard(lock_);
  is_finished_ = true;
  wake_.notify_all();
}

void WriterControl::stop(uint32_t deadline_ms) {
  deadline_ns_ = mono_ns() + deadline_ms * uint64_t{1'000'000};
  std::unique_lock guard(lock_);
  stop_requested_ = true;
  wake_.notify_all();
  wake_.wait_for(guard, std::chrono::milliseconds(deadline_ms), [&] { return is_finished_; });
}

void WriterControl::abandon() {
  std::lock_guard guard(lock_);
  abandoned_ = true;
  wake_.notify_all();
}

WriterStatus WriterControl::status() const {
  WriterStatus out;
  {
    std::lock_guard guard(status_lock_);
    out = status_;
  }
  uint64_t oldest = oldest_ns_.load(std::memory_order_relaxed);
  uint64_t now = mono_ns();
  out.turns = turns_.load(std::memory_order_relaxed);
  out.waits_for_store = store_waits_.load() > 0;
  out.lag_ms = oldest == 0 || now < oldest ? 0 : (now - oldest) / 1'000'000;
  return out;
}

}  // namespace ringfence::audit
