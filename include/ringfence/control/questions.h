// Questions about the policies in force. They are answered one after the other, on a thread of their own: a
// large statement takes a second, and no login waits for somebody's question.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "ringfence/control/events.h"
#include "ringfence/control/policy_answer.h"
#include "ringfence/proxy/core/snapshot.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/workers.h"

namespace ringfence::control {

// An answer, and the event that says that it was given.
struct Answered {
  PolicyAnswer answer;
  std::optional<audit::EventBuilder> event;
};

class Questions {
 public:
  // Answers a question by the policies of a snapshot; on the thread of the questions. `by` says who asked.
  using Answerer = std::function<Answered(const proxy::Snapshot& snapshot, const std::string& question,
                                          const std::string& by)>;
  static constexpr size_t waiting_max = 16;

  // `home` and `events` outlive it. `events` is of the home shard's thread.
  Questions(ring::Shard& home, const Events& events, Answerer answerer)
      : home_(home), events_(events), answerer_(std::move(answerer)) {}

  // From any thread: what is asked from here on is answered by this snapshot. Until then nothing is.
  void use(proxy::SnapshotPtr snapshot) { snapshot_ = std::move(snapshot); }
  // From any thread: nothing is answered from here on, so that nobody waits for questions that only wait.
  void close() { is_closed_ = true; }

  // On the home shard's thread; `done` as SessionDirectory has it.
  void ask(std::string question, std::string by, std::function<void(PolicyAnswer)> done);

 private:
  void answer(const proxy::Snapshot& snapshot, const std::string& question, const std::string& by,
              std::function<void(PolicyAnswer)> done);

  ring::Shard& home_;
  const Events& events_;
  Answerer answerer_;
  std::atomic<proxy::SnapshotPtr> snapshot_;
  std::atomic<bool> is_closed_{false};
  ring::Workers worker_{1, waiting_max};  // The last member: its thread uses the others.
};

}  // namespace ringfence::control
