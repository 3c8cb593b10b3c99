// What the API asks of a target's server: by the target's record and credentials, on threads of its own, a
// few at once. No shard waits for a server, and no server for more than a few of these.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ringfence/control/answer.h"
#include "ringfence/control/events.h"
#include "ringfence/control/in_force.h"
#include "ringfence/control/plane_records.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/workers.h"

namespace ringfence::control {

class TargetDesk {
 public:
  static constexpr unsigned at_once_max = 2;

  // A target that is asked: of the store or of the configuration, enabled or not.
  using Job = std::function<Answer(const TargetFacts& target)>;
  // Of the configuration, by id or name; nothing: it declares none.
  using Declared = std::function<std::optional<TargetFacts>(const std::string& which)>;
  // As RecordDirectory has it.
  using Done = std::function<void(Answer)>;

  // What is referred to outlives it. `events` is of the home shard's thread; `declared` is called there.
  // `records`: null, there is no store.
  TargetDesk(ring::Shard& home, const Events& events, PlaneRecords* records, Declared declared)
      : home_(home), events_(events), records_(records), declared_(std::move(declared)) {}

  // On the home shard's thread. The job runs on a thread of the desk, and bounds its time itself. The trail
  // gets an event with the action, the target, who asked, and how the job ended: `invalid` and `unavailable`
  // are failures, and so is a body whose member `ok` is false; `message` says why. When too many run, the
  // answer is `unavailable` at once.
  struct Question {
    std::string action;  // Of the event.
    std::string about;   // What of the target, for the event; empty: the target itself.
    Job job;
  };
  void ask(const std::string& which, Question question, Actor actor, Done done);

 private:
  struct Asked {
    std::string which;
    Question question;
    Actor actor;
    Done done;
  };
  void run(const std::shared_ptr<Asked>& asked, std::shared_ptr<const TargetFacts> target);
  void end(const Asked& asked, const TargetFacts* target, const Answer& answer);

  ring::Shard& home_;
  const Events& events_;
  PlaneRecords* records_;
  Declared declared_;
  unsigned running_ = 0;
  ring::Workers workers_{at_once_max, at_once_max};  // The last member: its threads use the others.
};

}  // namespace ringfence::control
