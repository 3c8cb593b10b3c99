// Questions to the trail. They are answered one after the other, on a thread of their own with a connection
// of its own: neither sessions nor changes wait for somebody who reads.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "ringfence/control/events.h"
#include "ringfence/control/trail_directory.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/workers.h"

namespace ringfence::control {

class TrailQuestions final : public TrailDirectory {
 public:
  static constexpr size_t waiting_max = 32;

  // Both outlive it. `events` is of the home shard's thread.
  TrailQuestions(ring::Shard& home, const Events& events) : home_(home), events_(events) {}

  // From any thread, once: what is asked from here on is answered out of this store.
  void serve(std::string reader_dsn);
  // From any thread: nothing is answered from here on.
  void close() { is_closed_ = true; }

  void list(audit::TrailRequest request, Actor actor, Done done) override;
  void read(audit::TrailPart part, Uuid id, Actor actor, Done done) override;

 private:
  using Reading = std::function<Result<Answer>(audit::TrailReader&)>;
  void ask(Reading reading, audit::EventBuilder viewed, Done done);
  Answer answer(const Reading& reading);

  ring::Shard& home_;
  const Events& events_;
  std::string dsn_;  // Written before `serves_`.
  std::atomic<bool> serves_{false};
  std::atomic<bool> is_closed_{false};
  std::unique_ptr<audit::TrailReader> reader_;  // Of the worker's thread.
  ring::Workers worker_{1, waiting_max};        // The last member: its thread uses the others.
};

}  // namespace ringfence::control
