// One rotation under way: every record, tombstone and sealed secret of the store moves to another key, batch
// by batch, while everything else goes on. Its thread has a connection of its own.
//
// The store has how far it is, in the batch's own transaction. After a kill it begins again with the first
// record and finds those that have moved already by their key.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "key_events.h"
#include "key_keeper.h"
#include "ringfence/store/key_moves.h"

namespace ringfence::control {

struct RotationOptions {
  std::string dsn;
  std::string node;
  // Records that are not believed are left as they are: a new code would make them authentic.
  std::function<bool(const store::ControlRecord&)> believes;
  TellEvent tell;
};

class KeyRotation {
 public:
  // `options` and `keeper` outlive it. It begins at once.
  KeyRotation(const RotationOptions& options, KeyKeeper& keeper, store::KeyRotation rotation);
  ~KeyRotation();  // Stops it where it is.
  KeyRotation(const KeyRotation&) = delete;
  KeyRotation& operator=(const KeyRotation&) = delete;

  // Completed, or given up.
  bool has_ended() const { return has_ended_; }

 private:
  void run();
  Result<void> connect();
  // All batches, and the end.
  Result<void> work();
  Result<void> move_all();
  Result<std::string> move_records(const model::Noun& noun, const std::string& after);
  Result<std::string> move_stones(const std::string& after);
  // Around a batch, in one transaction; gives what `batch` gives.
  Result<std::string> batch(const std::function<Result<std::string>(store::KeyMoves&)>& work);
  // False: rows are left that were not there in the last pass.
  Result<bool> complete();
  void fail_for_good(const std::string& why);
  void tell_progress();
  int percent() const;
  bool wait(unsigned ms);

  const RotationOptions& options_;
  KeyKeeper& keeper_;
  store::KeyRotation rotation_;
  int told_percent_ = 0;
  std::unique_ptr<store::Connection> connection_;
  std::mutex connection_lock_;  // Around the pointer, for the end.
  std::atomic<bool> is_stopping_{false};
  std::atomic<bool> has_ended_{false};
  std::thread thread_;  // The last member: it uses the others.
};

}  // namespace ringfence::control
