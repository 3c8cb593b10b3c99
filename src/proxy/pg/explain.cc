#include "ringfence/proxy/pg/explain.h"

#include "message_judge.h"
#include "ringfence/base/utf8.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/sql/analyze.h"
#include "ringfence/sql/lex.h"

namespace ringfence::proxy {

namespace {

// Everything that the decision looked at, not just the first thing that refuses.
void gather(const policy::Access& access, policy::SessionFacts session, std::string_view statement,
            policy::Scratch& scratch, ExplainedStatement& out) {
  if (access.is_unrestricted()) {
    out.findings.push_back(
        {"level admin", "unrestricted: nothing is analysed, and everything passes", false, sql::nowhere});
    return;
  }
  if (!out.facts) {
    out.findings.push_back({out.rule, out.message, true, sql::nowhere});
    return;
  }
  const sql::Facts& facts = *out.facts;
  if (!access.is_granted()) {
    out.findings.push_back({out.rule, out.message, true, sql::nowhere});
    return;
  }
  policy::decide_facts(access, facts, session, &out.findings);
  std::vector<policy::Match> matches;
  policy::decide_text(access, statement, scratch, matches, &out.findings);
  if (access.has_whitelist && !facts.defines.empty() && facts.inner != sql::nowhere) {
    std::vector<policy::Finding> inner;
    policy::decide_text(access, statement_inside(statement, facts), scratch, matches, &inner);
    for (policy::Finding& finding : inner) {
      finding.what = "of the statement that it defines: " + finding.what;
      finding.at = facts.inner;
      out.findings.push_back(std::move(finding));
    }
  }
  if (!facts.executes.empty()) {
    out.findings.push_back(
        {"prepared", "what " + facts.executes + " stands for is decided when it is prepared or declared",
         false, sql::nowhere});
  }
}

// What a session that has sent nothing before does with the text as a Query message.
void judge(StatementCheck& check, std::string_view text, Judgement& out) {
  NoNames names;
  for (;;) {
    judge_message(check, names, {}, text, out);
    if (out.verdict != Verdict::unknown) return;
    check.analysed(out.unanalysed(), sql::analyze(out.unanalysed()));
  }
}

void refuse(ExplainedStatement& statement, const Refusal& refusal, std::string_view text) {
  statement.is_allowed = false;
  statement.sqlstate = refusal.sqlstate;
  statement.rule = refusal.rule;
  statement.message = refusal.message;
  statement.hint = refusal.hint;
  if (refusal.at == std::string_view::npos) return;
  const size_t byte = statement.extent.begin + refusal.at;
  statement.at = TextPlace{byte, position_of(text, byte)};
}

}  // namespace

std::optional<TextPlace> place_in(std::string_view text, sql::Extent statement, sql::Place place) {
  if (place == sql::nowhere) return std::nullopt;
  const size_t in_statement = sql::token_begin(statement.of(text), place);
  if (in_statement == std::string_view::npos) return std::nullopt;
  const size_t byte = statement.begin + in_statement;
  return TextPlace{byte, position_of(text, byte)};
}

Result<Explanation> explain(const policy::Access& access, policy::SessionFacts session,
                            std::string_view text) {
  Explanation out;
  out.is_allowed = access.is_granted();
  std::vector<sql::Extent> extents;
  // A message's body has one byte behind the text.
  if (text.size() + 1 > gated_bytes_max && !access.is_unrestricted()) {
    extents.push_back({0, text.size()});
  } else {
    sql::split_statements(text, [&](sql::Extent extent) {
      if (extents.size() <= explained_statements_max) extents.push_back(extent);
    });
  }
  if (extents.size() > explained_statements_max) {
    return fail(Fault::limit, "the text holds more than " + std::to_string(explained_statements_max) +
                                  " statements; explain it in parts");
  }
  JudgeSpace space{HashKey()};
  StatementCheck check(std::make_shared<StatementJudge>(access, session, space));
  for (sql::Extent extent : extents) {
    const std::string_view statement = extent.of(text);
    ExplainedStatement one;
    one.extent = extent;
    Result<sql::Facts> facts = fail(Fault::malformed, "it is not valid UTF-8");
    if (is_valid_text(statement)) facts = sql::analyze(statement);
    Verdict verdict = check.check_sent(statement);
    if (verdict == Verdict::unknown) {
      check.analysed(std::string(statement), facts);
      verdict = check.check_sent(statement);
    }
    const std::string instead(check.instead());
    if (!instead.empty()) facts = sql::analyze(instead);
    if (facts) one.facts = std::move(*facts);
    else one.no_facts_because = facts.error().message;
    if (verdict != Verdict::pass) refuse(one, check.take_refusal(), text);
    gather(access, session, instead.empty() ? statement : std::string_view(instead), space.scratch, one);
    if (!instead.empty())
      one.findings.push_back(
          {"level read", "READ WRITE is replaced by READ ONLY, with a warning", false, sql::nowhere});
    out.statements.push_back(std::move(one));
  }
  if (access.is_unrestricted()) return out;
  // Statements that pass alone may not pass together, or not at this length.
  Judgement judgement;
  judge(check, text, judgement);
  if (judgement.verdict == Verdict::pass) return out;
  out.is_allowed = false;
  size_t number = 0;
  while (number + 1 < out.statements.size() && out.statements[number].extent.begin != judgement.begin)
    ++number;
  out.refused = number;
  ExplainedStatement& one = out.statements[number];
  const Refusal& refusal = judgement.refusal();
  if (one.is_allowed || one.rule != refusal.rule)
    one.findings.push_back({refusal.rule, refusal.message, true, sql::nowhere});
  refuse(one, refusal, text);
  return out;
}

}  // namespace ringfence::proxy
