// Questions to the policies as they are in force, for the admin API.
#include <thread>

#include "appliance.h"
#include "explain.h"

namespace ringfence::app {

namespace {

Known known_of(const proxy::Snapshot& snapshot) {
  Known out;
  out.policies = snapshot.policies;
  out.roles_of = [&snapshot](const std::string& name) -> const std::vector<std::string>* {
    const proxy::User* user = snapshot.find_user(name);
    return user == nullptr ? nullptr : &user->roles;
  };
  out.tags_of = [&snapshot](const std::string& name) -> const std::vector<std::string>* {
    const proxy::Target* target = snapshot.find_target(name);
    return target == nullptr ? nullptr : &target->tags;
  };
  return out;
}

admin::PolicyAnswer problem_of(const Error& error) {
  switch (error.fault) {
    case Fault::malformed: return {400, error.message};
    case Fault::unavailable: return {503, error.message};
    default: return {422, error.message};
  }
}

}  // namespace

void Appliance::explain(std::string question, std::string by, std::function<void(admin::PolicyAnswer)> done) {
  proxy::SnapshotPtr snapshot = explained_;
  if (!snapshot) {
    done({503, "the appliance is starting"});
    return;
  }
  ring::Shard* home = admin_shard_.get();
  const bool is_taken = explainer_->post([this, home, snapshot, done, question = std::move(question), by = std::move(by)] {
    Result<Question> asked = parse_question(question);
    Result<Answer> answered = asked ? answer(std::move(*asked), known_of(*snapshot)) : unexpected(std::move(asked).error());
    admin::PolicyAnswer told = answered ? admin::PolicyAnswer{200, to_json(*answered)} : problem_of(answered.error());
    (void)by;
    // The mailbox is bounded; an answer is worth waiting for.
    while (!home->post([done, told] { done(told); })) std::this_thread::yield();
  });
  if (!is_taken) done({503, "too many questions wait for an answer; try again"});
}

}  // namespace ringfence::app
