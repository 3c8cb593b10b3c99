#include "answer_question.h"

#include "explain.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/utf8.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/proxy/core/authorization.h"
#include "ringfence/proxy/core/find_access.h"
#include "ringfence/sql/redact.h"

namespace ringfence::app {

namespace {

Known known_of(const proxy::Snapshot& snapshot) {
  Known out;
  out.roles_of = [&snapshot](const std::string& name) -> const std::vector<std::string>* {
    const proxy::User* user = snapshot.find_user(name);
    return user == nullptr ? nullptr : &user->roles;
  };
  out.access_of = [&snapshot](const Question& question) -> std::optional<policy::Access> {
    const proxy::TargetPlace target = proxy::pg_place(snapshot, question.target);
    if (target.tags == nullptr) return std::nullopt;
    const proxy::User* user = question.user.empty() ? nullptr : snapshot.find_user(question.user);
    return proxy::find_access(snapshot, question.roles, target,
                              user == nullptr ? nullptr : proxy::deciding_grant(snapshot, *user, target));
  };
  out.idle_grants = [&snapshot](const Question& question) {
    return proxy::grants_without_effect(snapshot, question.user, question.target);
  };
  return out;
}

control::PolicyAnswer problem_of(const Error& error) {
  using Kind = control::PolicyAnswer::Kind;
  switch (error.fault) {
    case Fault::malformed: return {Kind::malformed, error.message};
    case Fault::unavailable: return {Kind::unavailable, error.message};
    default: return {Kind::not_answered, error.message};
  }
}

// For an event made by new_event(): what was redacted in it, sealed. Its new id is in the seal.
void seal(audit::EventBuilder& event, const audit::ClearTexts& texts, const audit::TextSealer& sealer) {
  using audit::Tag;
  const Uuid id = control::new_event_id(wall_us());
  const audit::SealedTexts sealed = sealer.for_event(texts, id);
  event.id(id)
      .text(Tag::redacted, texts.names())
      .text(Tag::redacted_digest, sealed.digests)
      .bytes(Tag::sealed, sealed.sealed);
}

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

control::Answered answer_question(const proxy::Snapshot& snapshot, const std::string& question,
                                  const std::string& by, const audit::TextSealer* sealer) {
  Result<Question> asked = parse_question(question);
  Result<Answer> answered =
      asked ? answer(std::move(*asked), known_of(snapshot)) : unexpected(std::move(asked).error());
  if (!answered) return {problem_of(answered.error()), {}};
  const bool is_allowed = answered->explanation.is_allowed;
  audit::EventBuilder checked = control::new_event(
      "permission_check", audit::Severity::info,
      is_allowed ? audit::Outcome::success : audit::Outcome::denied, audit::Category::authorization);
  audit::ClearTexts hidden;
  describe(*answered, snapshot.limits.statement_bytes_max, by, checked, hidden);
  if (sealer != nullptr && !hidden.is_empty()) seal(checked, hidden, *sealer);
  return {{control::PolicyAnswer::Kind::answered, to_json(*answered)}, std::move(checked)};
}

}  // namespace ringfence::app
