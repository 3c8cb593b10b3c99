#include "ringfence/control/target_desk.h"

#include "ringfence/model/json_fields.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace ringfence::control {

using audit::Outcome;
using audit::Severity;
using audit::Tag;

namespace {

bool has_worked(const Answer& answer) {
  if (answer.kind != Answer::Kind::ok || !answer.body.is_object()) return false;
  const auto found = answer.body.find("ok");
  return found == answer.body.end() || *found == true;
}

std::string reason_of(const Answer& answer) {
  if (!answer.message.empty() || !answer.body.is_object()) return answer.message;
  const std::string stage = model::text_in(answer.body, "stage"),
                    message = model::text_in(answer.body, "message");
  return stage.empty() || message.empty() ? stage + message : stage + ": " + message;
}

}  // namespace

void TargetDesk::ask(const std::string& which, Question question, Actor actor, Done done) {
  auto asked = std::make_shared<Asked>(Asked{which, std::move(question), std::move(actor), std::move(done)});
  if (running_ == at_once_max) {
    end(*asked, nullptr,
        unavailable(std::to_string(at_once_max) + " servers are asked already; try again in a moment"));
    return;
  }
  if (auto declared = declared_(which)) {
    run(asked, std::make_shared<const TargetFacts>(std::move(*declared)));
    return;
  }
  if (records_ == nullptr) {
    end(*asked, nullptr, refusal(Answer::Kind::not_found, "there is no such target"));
    return;
  }
  ++running_;
  records_->find_target(which, [this, asked](Answer answer, std::shared_ptr<const TargetFacts> target) {
    --running_;
    if (target) run(asked, std::move(target));
    else end(*asked, nullptr, answer);
  });
}

void TargetDesk::run(const std::shared_ptr<Asked>& asked, std::shared_ptr<const TargetFacts> target) {
  const bool is_taken = running_ < at_once_max && workers_.post([this, asked, target] {
    const Answer answer = asked->question.job(*target);
    home_.deliver([this, asked, target, answer] {
      --running_;
      end(*asked, target.get(), answer);
    });
  });
  if (is_taken) ++running_;
  else end(*asked, target.get(), unavailable("too many servers are asked already; try again in a moment"));
}

void TargetDesk::end(const Asked& asked, const TargetFacts* target, const Answer& answer) {
  const bool is_good = has_worked(answer);
  audit::EventBuilder event = new_event(asked.question.action, is_good ? Severity::info : Severity::warning,
                                        is_good ? Outcome::success : Outcome::failure);
  event.text(Tag::user_name, asked.actor.name)
      .text(Tag::auth_method, asked.actor.method)
      .text(Tag::client_addr, asked.actor.client_addr)
      .text(Tag::entity_type, "target")
      .text(Tag::entity_id, target != nullptr ? to_string(target->id) : asked.which);
  if (target != nullptr) event.text(Tag::target, target->is_tcp ? target->tcp.name : target->postgres.name);
  if (!asked.question.about.empty())
    event.text(Tag::metadata, model::canonical_json({{"about", asked.question.about}}));
  if (const std::string reason = reason_of(answer); !reason.empty()) event.text(Tag::reason, reason);
  events_.publish(event);
  asked.done(answer);
}

}  // namespace ringfence::control
