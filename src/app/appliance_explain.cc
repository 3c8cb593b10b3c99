// Questions to the policies as they are in force, for the admin API.

#include "appliance.h"
#include "explain.h"
#include "ringfence/base/utf8.h"
#include "ringfence/proxy/core/authorization.h"
#include "ringfence/sql/redact.h"

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

admin::PolicyAnswer shutting_down() { return {503, "the appliance is shutting down"}; }

// The question and its answer, as the trail has them.
void describe(const Answer& answer, size_t statement_bytes_max, const std::string& by,
              audit::EventBuilder& out, audit::ClearTexts& hidden) {
  using audit::Tag;
  const Question& question = answer.question;
  const proxy::Explanation& explanation = answer.explanation;
  std::string permission = "query";
  std::string reason = "explained to " + by;
  if (!explanation.statements.empty()) {
    const auto& one = explanation.statements[explanation.refused.value_or(0)];
    if (one.facts) permission = one.facts->kind;
    if (!one.is_allowed) {
      out.text(Tag::rule, one.rule);
      reason += ": " + one.message;
    }
  }
  const std::optional<sql::Redacted> redacted = sql::redact(question.statement);
  const std::string text = make_valid_text(redacted ? redacted->text : question.statement);
  out.text(Tag::user_name, question.user).text(Tag::target, question.target);
  out.text(Tag::entity_type, "target").text(Tag::entity_id, question.target);
  out.text(Tag::statement, text_prefix(text, statement_bytes_max));
  out.integer(Tag::statement_bytes, static_cast<int64_t>(question.statement.size()));
  if (text.size() > statement_bytes_max) out.boolean(Tag::statement_truncated, true);
  if (redacted && !redacted->secrets.empty())
    hidden.add(Tag::statement, text_prefix(question.statement, statement_bytes_max),
               crypto::view_of(crypto::sha256(question.statement)));
  out.text(Tag::decision, explanation.is_allowed ? "allow" : "refuse").text(Tag::reason, reason);
  out.text(Tag::metadata, proxy::describe(answer.access, {explanation.is_allowed, permission, {}}));
}

}  // namespace

void Appliance::explain(std::string question, std::string by, std::function<void(admin::PolicyAnswer)> done) {
  if (phase_ == Phase::draining) {
    done(shutting_down());
    return;
  }
  proxy::SnapshotPtr snapshot = explained_;
  if (!snapshot) {
    done({503, "the appliance is starting"});
    return;
  }
  ring::Shard* home = admin_shard_.get();
  const bool is_taken =
      explainer_->post([this, home, snapshot, done, question = std::move(question), by = std::move(by)] {
        // Whoever stops the process does not wait for questions that have only waited so far.
        if (phase_ == Phase::draining) {
          home->post([done] { done(shutting_down()); });
          return;
        }
        Result<Question> asked = parse_question(question);
        Result<Answer> answered =
            asked ? answer(std::move(*asked), known_of(*snapshot)) : unexpected(std::move(asked).error());
        admin::PolicyAnswer told =
            answered ? admin::PolicyAnswer{200, to_json(*answered)} : problem_of(answered.error());
        std::optional<audit::EventBuilder> checked;
        if (answered) {
          const bool is_allowed = answered->explanation.is_allowed;
          checked = event("permission_check", audit::Severity::info,
                          is_allowed ? audit::Outcome::success : audit::Outcome::denied,
                          audit::Category::authorization);
          audit::ClearTexts hidden;
          describe(*answered, snapshot->limits.statement_bytes_max, by, *checked, hidden);
          seal(*checked, hidden);
        }
        home->deliver([this, done, told, checked] {
          if (checked) publish(admin_producer(), *checked);
          done(told);
        });
      });
  if (!is_taken) done({503, "too many questions wait for an answer; try again"});
}

}  // namespace ringfence::app
