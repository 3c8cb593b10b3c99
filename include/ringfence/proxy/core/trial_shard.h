// A shard for one try to reach a server: what the API and `ringfence check` ask, whose waiting is no
// session's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ringfence/proxy/core/opening_story.h"
#include "ringfence/proxy/core/shard_core.h"
#include "ringfence/ring/workers.h"

namespace ringfence::proxy {

class TrialShard {
 public:
  TrialShard();
  ~TrialShard();
  TrialShard(const TrialShard&) = delete;
  TrialShard& operator=(const TrialShard&) = delete;

  ShardCore& core() { return core_; }
  // Starts the thread, runs the task there, and waits until the task has ended. Once. The task's own Opening
  // bounds the time.
  Result<void> run(std::function<ring::Task<void>()> task);

 private:
  class NoRecords;
  ring::Shard shard_;
  ring::Workers workers_;
  std::unique_ptr<NoRecords> space_;
  ShardCore core_;
};

// Whether one of the hosts takes a connection, as a session of type tcp makes one. Blocks for a little more
// than `connect_ms` at most, but for a resolver that cannot be stopped.
Result<void> try_dial(const std::vector<std::string>& hosts, uint16_t port, uint64_t connect_ms,
                      OpeningStory& story);

}  // namespace ringfence::proxy
