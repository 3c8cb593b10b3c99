#include "statement_check.h"

#include "ringfence/sql/lex.h"
#include "ringfence/sql/read_only_form.h"

namespace ringfence::proxy {

// Null: it is not to be passed so either.
const policy::Decision* StatementCheck::judge_read_only(std::string_view statement) {
  std::optional<std::string> form = sql::read_only_form(statement);
  if (!form) return nullptr;
  const policy::Decision* decision = judge_->judge(*form);
  if (decision == nullptr || !decision->is_allowed) return nullptr;
  rare().instead = std::move(*form);
  return decision;
}

Verdict StatementCheck::check(std::string_view statement, bool may_change) {
  const policy::Decision* decision = nullptr;
  if (rare_) rare_->instead.clear();
  // What cannot be analysed, or is very long, is not remembered by the judge.
  if (rare_) {
    const auto found = rare_->analysed.find(statement);
    if (found != rare_->analysed.end()) decision = &judge_->judge_analysed(statement, found->second);
  }
  if (decision == nullptr) decision = judge_->judge(statement);
  if (decision == nullptr) return Verdict::unknown;
  if (may_change && !decision->is_allowed && decision->rule == "settings" &&
      access().level == policy::Level::read) {
    const policy::Decision* other = judge_read_only(statement);
    // The judge has forgotten what it said before.
    decision = other != nullptr ? other : judge_->judge(statement);
    if (decision == nullptr) return Verdict::unknown;
  }
  if (decision->is_allowed) return Verdict::pass;
  Refusal refused = Refusal::of(*decision);
  if (decision->at != sql::nowhere) refused.at = sql::token_begin(statement, decision->at);
  if (refused.at != std::string_view::npos) refused.position = position_of(statement, refused.at);
  if (const sql::Facts* facts = judge_->facts()) refused.permission = facts->kind;
  rare().refusal = std::move(refused);
  return Verdict::refused;
}

std::optional<Refusal> StatementCheck::check_call(uint32_t oid) const {
  const policy::Decision decision = judge_->judge_call(oid);
  if (decision.is_allowed) return std::nullopt;
  Refusal refusal = Refusal::of(decision);
  refusal.permission = "function_call";
  return refusal;
}

}  // namespace ringfence::proxy
