#include "ringfence/proxy/pg/explain.h"

#include "conversation.h"
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

// Takes what a conversation writes down, and notes which of its statements was refused.
class Witness final : public audit::RecordSpace {
 public:
  char* reserve(size_t size_max) override {
    room_.resize(std::max(size_max, room_.size()));
    return room_.data();
  }
  uint64_t publish(audit::RecordKind, size_t size, uint64_t) override {
    Reader in(ByteView(room_).substr(0, size));
    bool is_statement = true;
    while (in.remaining() > 0) {
      const auto tag = static_cast<audit::Tag>(in.u16());
      const ByteView value = in.bytes(in.u32());
      if (tag != audit::Tag::action) continue;
      if (value == "postgres_query_blocked") refused = statements_;
      is_statement = value != "postgres_message";  // The whole text stands before its statements.
    }
    statements_ += is_statement ? 1 : 0;
    return ++records_;
  }
  std::optional<size_t> refused;  // Its number in the message.

 private:
  std::string room_;
  size_t statements_ = 0;
  uint64_t records_ = 0;
};

struct MessageRefusal {
  size_t statement;
  Refusal refusal;
};

// What a session does with the text as a Query message.
std::optional<MessageRefusal> refuse_message(std::shared_ptr<StatementJudge> judge, std::string_view text) {
  Witness witness;
  ShardCounters counters;
  TrailDoor door{witness, counters, IdSource(0)};
  Recorder recorder(door);
  pg::ObjectPools pools{HashKey()};
  const Limits limits;
  Conversation conversation(recorder, pools, counters, limits, std::make_unique<Gate>(std::move(judge), ""));
  std::string message;
  pg::append_query(message, text);
  size_t at = 0;
  while (conversation.client_bytes(message, at, {}) == Advance::wait_analysis) {
    conversation.analysed(sql::analyze(conversation.text_to_analyse()));
  }
  if (!witness.refused) return std::nullopt;
  return MessageRefusal{*witness.refused, conversation.last_refusal()};
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
  auto judge = std::make_shared<StatementJudge>(access, session, space);
  Gate gate(judge, "");
  for (sql::Extent extent : extents) {
    const std::string_view statement = extent.of(text);
    ExplainedStatement one;
    one.extent = extent;
    Result<sql::Facts> facts = fail(Fault::malformed, "it is not valid UTF-8");
    if (is_valid_text(statement)) facts = sql::analyze(statement);
    Gate::Verdict verdict = gate.check_sent(statement);
    if (verdict == Gate::Verdict::unknown) {
      gate.analysed(std::string(statement), facts);
      verdict = gate.check_sent(statement);
    }
    const std::string instead(gate.instead());
    if (!instead.empty()) facts = sql::analyze(instead);
    if (facts) one.facts = std::move(*facts);
    else one.no_facts_because = facts.error().message;
    if (verdict != Gate::Verdict::pass) refuse(one, gate.refusal(), text);
    gather(access, session, instead.empty() ? statement : std::string_view(instead), space.scratch, one);
    if (!instead.empty())
      one.findings.push_back(
          {"level read", "READ WRITE is replaced by READ ONLY, with a warning", false, sql::nowhere});
    out.statements.push_back(std::move(one));
  }
  if (access.is_unrestricted()) return out;
  // Statements that pass alone may not pass together, or not at this length.
  if (auto refused = refuse_message(std::move(judge), text)) {
    out.is_allowed = false;
    out.refused = std::min(refused->statement, out.statements.size() - 1);
    ExplainedStatement& one = out.statements[*out.refused];
    if (one.is_allowed || one.rule != refused->refusal.rule) {
      one.findings.push_back({refused->refusal.rule, refused->refusal.message, true, sql::nowhere});
    }
    refuse(one, refused->refusal, text);
  }
  return out;
}

}  // namespace ringfence::proxy
