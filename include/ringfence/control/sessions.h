// Listing and ending sessions: asks all data shards, answers on the home shard.
#pragma once

#include <atomic>
#include <vector>

#include "ringfence/control/events.h"
#include "ringfence/control/session_directory.h"
#include "ringfence/proxy/core/shard_core.h"

namespace ringfence::control {

class Sessions final : public SessionDirectory {
 public:
  // Both outlive it. `events` is of the home shard's thread.
  Sessions(ring::Shard& home, const Events& events) : home_(home), events_(events) {}

  // Once, from any thread: these shards run, and answer what they are asked. Until then there are no
  // sessions.
  void serve(std::vector<proxy::ShardCore*> cores);
  // From any thread: they answer no more.
  void stop_serving() { serves_ = false; }

  void list(std::function<void(std::vector<model::SessionInfo>)> done) override;
  // The event session_terminated says whether there was such a session.
  void end(Uuid id, std::string by, std::function<void(bool found)> done) override;

 private:
  template <typename Answer>
  void ask(std::function<Answer(proxy::ShardCore&)> question, std::function<void(std::vector<Answer>)> done);

  ring::Shard& home_;
  const Events& events_;
  std::vector<proxy::ShardCore*> cores_;  // Written before `serves_`.
  std::atomic<bool> serves_{false};
};

}  // namespace ringfence::control
