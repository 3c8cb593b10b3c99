#include "key_rotation.h"

#include <algorithm>
#include <chrono>

#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/control/credentials.h"

namespace ringfence::control {

namespace {

// A batch holds the row that each change locks: it is short.
constexpr int batch_rows = 100;
constexpr int batch_statement_s = 10;
constexpr unsigned pause_ms = 2;  // Between batches, for changes that wait.
constexpr unsigned retry_ms = 1'000;
constexpr int retries_max = 10;  // Of a store that answers, and refuses.
constexpr int passes_max = 3;
constexpr int progress_step = 10;  // Percent between two events.
constexpr int all_percent = 100;

}  // namespace

KeyRotation::KeyRotation(const RotationOptions& options, KeyKeeper& keeper, store::KeyRotation rotation)
    : options_(options), keeper_(keeper), rotation_(std::move(rotation)), told_percent_(percent()) {
  thread_ = std::thread([this] { run(); });
}

KeyRotation::~KeyRotation() {
  is_stopping_ = true;
  {
    const std::lock_guard guard(connection_lock_);
    if (connection_) connection_->interrupt();
  }
  thread_.join();
}

bool KeyRotation::wait(unsigned ms) {
  const uint64_t until_ns = mono_ns() + ms * ns_per_ms;
  while (!is_stopping_ && mono_ns() < until_ns)
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(ms, 50U)));
  return !is_stopping_;
}

int KeyRotation::percent() const {
  if (rotation_.total <= 0) return 0;
  const int64_t done = (rotation_.moved + rotation_.left_out) * all_percent / rotation_.total;
  return static_cast<int>(std::clamp<int64_t>(done, 0, all_percent - 1));
}

Result<void> KeyRotation::connect() {
  if (connection_ && connection_->is_open()) return {};
  auto made = store::Connection::open(options_.dsn, "ringfence key rotation");
  if (!made) return unexpected(std::move(made.error()));
  {
    const std::lock_guard guard(connection_lock_);
    connection_ = std::move(*made);
  }
  if (auto bounded = store::ControlRecords(*connection_).bound(batch_statement_s); !bounded) return bounded;
  // Whether the last batch of a connection that broke was committed, the store alone knows.
  auto known = store::KeyMoves(*connection_).latest();
  if (!known) return unexpected(std::move(known.error()));
  if (known->id == rotation_.id) rotation_.moved = known->moved;
  return {};
}

void KeyRotation::run() {
  int refusals = 0;
  while (!is_stopping_) {
    Result<void> done = connect();
    const int64_t before = rotation_.moved;
    if (done) done = work();
    if (done) break;
    if (is_stopping_) return;
    const bool is_away = done.error().fault == Fault::unavailable || done.error().fault == Fault::timeout;
    if (rotation_.moved > before) refusals = 0;
    if (!is_away && ++refusals == retries_max) {
      fail_for_good(done.error().message);
      break;
    }
    log_warning("a key rotation waits", {{"key", rotation_.to_key}, {"reason", done.error().message}});
    if (!wait(retry_ms)) return;
  }
  has_ended_ = !is_stopping_;
}

// ---------------------------------------------------------------- batches

Result<std::string> KeyRotation::batch(const std::function<Result<std::string>(store::KeyMoves&)>& work) {
  store::ControlRecords records(*connection_);
  store::KeyMoves moves(*connection_);
  const store::KeyRotation before = rotation_;
  auto begun = records.begin();
  if (!begun) return unexpected(std::move(begun.error()));
  const auto take_back = [&](Error error) -> Result<std::string> {
    records.roll_back();
    rotation_ = before;
    return unexpected(std::move(error));
  };
  if (records.current_key() != rotation_.to_key)
    return take_back({Fault::conflict, "the store names another current key than " + rotation_.to_key, 0});
  auto done = work(moves);
  if (!done) return take_back(std::move(done.error()));
  if (auto kept = moves.keep(rotation_); !kept) return take_back(std::move(kept.error()));
  if (auto committed = records.commit(); !committed) return take_back(std::move(committed.error()));
  return done;
}

Result<std::string> KeyRotation::move_records(const model::Noun& noun, const std::string& after) {
  return batch([&](store::KeyMoves& moves) -> Result<std::string> {
    const KeyRingPtr ring = keeper_.ring();
    auto page = moves.others(noun, rotation_.to_key, after, batch_rows);
    if (!page) return unexpected(std::move(page.error()));
    rotation_.left_out += page->size;
    for (store::ControlRecord& record : page->rows) {
      if (!options_.believes(record)) continue;
      auto sealed = move_credentials(*ring, rotation_.to_key, noun, record.body);
      if (!sealed) return unexpected(std::move(sealed.error()));
      Authority::seal(record, *ring, rotation_.to_key);
      if (auto moved = moves.move(record); !moved) return unexpected(std::move(moved.error()));
      ++rotation_.moved;
      --rotation_.left_out;
    }
    return page->after;
  });
}

Result<std::string> KeyRotation::move_stones(const std::string& after) {
  return batch([&](store::KeyMoves& moves) -> Result<std::string> {
    const KeyRingPtr ring = keeper_.ring();
    auto page = moves.other_stones(rotation_.to_key, after, batch_rows);
    if (!page) return unexpected(std::move(page.error()));
    rotation_.left_out += page->size;
    for (store::Tombstone& stone : page->rows) {
      if (keeper_.authority().check(stone) != Authority::Verdict::authentic) continue;
      Authority::seal(stone, *ring, rotation_.to_key);
      if (auto moved = moves.move(stone); !moved) return unexpected(std::move(moved.error()));
      ++rotation_.moved;
      --rotation_.left_out;
    }
    return page->after;
  });
}

Result<void> KeyRotation::move_all() {
  rotation_.left_out = 0;
  const auto each_page = [&](const auto& move_page) -> Result<void> {
    std::string after;
    do {
      auto next = move_page(after);
      if (!next) return unexpected(std::move(next.error()));
      after = std::move(*next);
      tell_progress();
      if (!wait(pause_ms)) return fail(Fault::closed, "the appliance stops");
    } while (!after.empty());
    return {};
  };
  for (const model::Noun* noun : model::nouns()) {
    auto moved = each_page([&](const std::string& after) { return move_records(*noun, after); });
    if (!moved) return moved;
  }
  return each_page([&](const std::string& after) { return move_stones(after); });
}

// ---------------------------------------------------------------- begin and end

Result<void> KeyRotation::work() {
  // The store has the new key as its current one already; a kill may have come between the two.
  auto active = keeper_.change([&](KeyRing& ring) { return ring.activate(rotation_.to_key, wall_us()); });
  if (!active) return unexpected(std::move(active.error()));
  bool is_complete = rotation_.state == "completed";
  for (int pass = 0; !is_complete; ++pass) {
    if (pass == passes_max)
      return fail(Fault::conflict, "somebody keeps writing rows by another key than " + rotation_.to_key);
    if (auto moved = move_all(); !moved) return moved;
    auto completed = complete();
    if (!completed) return unexpected(std::move(completed.error()));
    is_complete = *completed;
  }
  // Before the old key goes. Other nodes do so when they see the ring, and at each start.
  if (auto moved = keeper_.move_data_keys(); !moved) return moved;
  auto retired = keeper_.change([](KeyRing& ring) -> Result<void> {
    ring.retire(wall_us());
    return {};
  });
  if (!retired) return unexpected(std::move(retired.error()));
  options_.tell(event_of({.action = "key_rotation_completed",
                          .key_id = rotation_.to_key,
                          .target = "",
                          .target_type = "control_store",
                          .progress = all_percent,
                          .message = std::to_string(rotation_.moved) + " rows moved, " +
                                     std::to_string(rotation_.left_out) + " were not believed and stay",
                          .started_by = rotation_.started_by},
                         nullptr));
  log_info("keys were rotated", {{"key", rotation_.to_key},
                                 {"moved", std::to_string(rotation_.moved)},
                                 {"left_out", std::to_string(rotation_.left_out)}});
  return {};
}

Result<bool> KeyRotation::complete() {
  bool is_complete = false;
  auto done = batch([&](store::KeyMoves& moves) -> Result<std::string> {
    auto others = moves.count_other(rotation_.to_key);
    if (!others) return unexpected(std::move(others.error()));
    is_complete = *others <= rotation_.left_out;
    if (is_complete) rotation_.state = "completed";
    return std::string();
  });
  if (!done) return unexpected(std::move(done.error()));
  return is_complete;
}

void KeyRotation::fail_for_good(const std::string& why) {
  log_error("a key rotation failed", {{"key", rotation_.to_key}, {"reason", why}});
  options_.tell(event_of({.action = "key_rotation_failed",
                          .key_id = rotation_.to_key,
                          .target = "",
                          .target_type = "control_store",
                          .progress = percent(),
                          .severity = audit::Severity::error,
                          .outcome = audit::Outcome::failure,
                          .message = why,
                          .started_by = rotation_.started_by},
                         nullptr));
  rotation_.state = "failed";
  rotation_.message = why;
  if (!connection_ || !connection_->is_open()) return;
  if (auto kept = store::KeyMoves(*connection_).keep(rotation_); !kept)
    log_error("the store does not keep that a key rotation failed", {{"reason", kept.error().message}});
}

void KeyRotation::tell_progress() {
  const int now = percent();
  if (now / progress_step <= told_percent_ / progress_step) return;
  told_percent_ = now;
  options_.tell(event_of({.action = "key_rotation_progress",
                          .key_id = rotation_.to_key,
                          .target = "",
                          .target_type = "control_store",
                          .progress = now,
                          .started_by = rotation_.started_by},
                         nullptr));
}

}  // namespace ringfence::control
