#include "ringfence/control/questions.h"

#include <utility>

namespace ringfence::control {

namespace {

PolicyAnswer shutting_down() { return {PolicyAnswer::Kind::unavailable, "the appliance is shutting down"}; }

}  // namespace

void Questions::ask(std::string question, std::string by, std::function<void(PolicyAnswer)> done) {
  if (is_closed_) {
    done(shutting_down());
    return;
  }
  proxy::SnapshotPtr snapshot = snapshot_;
  if (!snapshot) {
    done({PolicyAnswer::Kind::unavailable, "the appliance is starting"});
    return;
  }
  const bool is_taken =
      worker_.post([this, snapshot, done, question = std::move(question), by = std::move(by)] {
        if (is_closed_) home_.deliver([done] { done(shutting_down()); });
        else answer(*snapshot, question, by, done);
      });
  if (!is_taken) done({PolicyAnswer::Kind::unavailable, "too many questions wait for an answer; try again"});
}

void Questions::answer(const proxy::Snapshot& snapshot, const std::string& question, const std::string& by,
                       std::function<void(PolicyAnswer)> done) {
  Answered made = answerer_(snapshot, question, by);
  home_.deliver([this, done = std::move(done), made = std::move(made)] {
    if (made.event) events_.publish(*made.event);
    done(made.answer);
  });
}

}  // namespace ringfence::control
