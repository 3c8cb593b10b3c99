#include "message_judge.h"

#include <algorithm>

#include "ringfence/proxy/core/bounds.h"
#include "unseen.h"

namespace ringfence::proxy {

namespace {

bool ends_transaction(sql::Control control) {
  switch (control) {
    case sql::Control::commit:
    case sql::Control::rollback:
    case sql::Control::prepare_transaction:
    case sql::Control::commit_prepared:
    case sql::Control::rollback_prepared: return true;
    default: return false;
  }
}

// It runs nothing.
bool is_prepare(const sql::Facts* facts) {
  return facts != nullptr && !facts->defines.empty() && !facts->is_portal;
}

bool is_beyond_ascii(char c) { return (c & 0x80) != 0; }

// Whether the text is kept as it was sent.
bool is_kept_whole(const pg::StatementText& text) {
  return !text.is_truncated && !text.is_redacted && text.raw().empty();
}

}  // namespace

bool is_read_as_utf8(pg::Encoding client, pg::Encoding server) {
  static const pg::Encoding none = pg::Encoding::named("SQL_ASCII");
  return server == none || (client == none ? server : client).is_utf8();
}

UsedNames::Use NoNames::use(const sql::Facts&, const Judgement& so_far, pg::Unseen unseen_before,
                            bool is_behind_change) {
  return {.unseen = is_behind_change ? so_far.inner_unseen : pg::Unseen::trigger,
          .is_doubtful = unseen_before == pg::Unseen::code};
}

// ---------------------------------------------------------------- a message

// So many take two bytes each at least.
bool MessageJudge::has_too_many(ByteView text) const {
  if (text.size() <= 2 * statements_per_query_max) return false;
  size_t all = 0;
  sql::split_statements(text, [&](sql::Extent) { ++all; });
  return all > statements_per_query_max;
}

void MessageJudge::judge_query(ByteView text, uint32_t body_length) {
  out_.start();
  if (body_length > gated_bytes_max) {
    out_.refuse(Refusal::too_long(gated_bytes_max));
    return;
  }
  // Nothing of what is too much is judged: it would be again after each wait.
  if (has_too_many(text)) {
    out_.has_too_many = true;
    out_.refuse(Refusal::too_many(statements_per_query_max));
    return;
  }
  sql::split_statements(text, [&](sql::Extent extent) {
    out_.statements.push_back({extent, {}});
    if (out_.verdict != Verdict::pass) return;
    const bool was_held = out_.hold() != nullptr;
    out_.verdict = judge(extent.of(text), false, &out_.statements.back());
    if (out_.verdict == Verdict::pass && is_watched() && !in_.guard.allows(out_.traits))
      out_.refuse(Refusal::call_with_end());
    if (!was_held || out_.verdict != Verdict::pass) out_.begin = static_cast<uint32_t>(extent.begin);
  });
}

void MessageJudge::refuse_query(ByteView text, const Refusal& why, uint32_t begin) {
  out_.start();
  out_.has_too_many = has_too_many(text);
  if (!out_.has_too_many)
    sql::split_statements(text, [&](sql::Extent extent) { out_.statements.push_back({extent, {}}); });
  out_.refuse(why);
  out_.begin = begin;
}

void MessageJudge::judge_parse(ByteView text, uint32_t body_length) {
  out_.start();
  if (body_length > gated_bytes_max) {
    out_.refuse(Refusal::too_long(gated_bytes_max));
    return;
  }
  sql::split_statements(text, [&](sql::Extent extent) {
    if (out_.verdict != Verdict::pass) return;
    out_.statements.push_back({extent, {}});
    out_.verdict = judge(extent.of(text), true, &out_.statements.back());
    out_.begin = static_cast<uint32_t>(extent.begin);
  });
}

// ---------------------------------------------------------------- a statement

Verdict MessageJudge::judge_text(ByteView statement, bool may_change) {
  if (!in_.is_read_as_utf8 && std::any_of(statement.begin(), statement.end(), is_beyond_ascii))
    return out_.refuse(Refusal::foreign_text());
  const Verdict verdict = may_change ? check_.check_sent(statement) : check_.check(statement);
  if (verdict == Verdict::unknown) out_.rare().unanalysed = statement;
  if (verdict == Verdict::refused) out_.refuse(check_.take_refusal());
  return verdict;
}

// One statement by its own text, and what it executes by name. `is_kept`: it will be executed later.
// `noted`: null where it is not one of the message's.
Verdict MessageJudge::judge(ByteView statement, bool is_kept, Judgement::Statement* noted) {
  const Verdict verdict = judge_text(statement, !in_.is_text_doubtful);
  if (verdict != Verdict::pass) return verdict;
  if (noted != nullptr) {
    noted->rule = check_.allowed_by();
    if (const std::string_view instead = check_.instead(); !instead.empty()) {
      out_.rare().changes.push_back({out_.statements.size() - 1, statement, std::string(instead)});
    }
  }
  const sql::Facts* facts = check_.facts();
  const pg::Unseen unseen_before = out_.traits.unseen;
  note_unseen(statement, facts);
  if (may_hold() && !is_prepare(facts))
    out_.wish_hold(check_.decision().hold_ms, check_.decision().hold_rule);
  if (facts == nullptr) return Verdict::pass;
  out_.traits.calls_named = out_.traits.calls_named || check_.calls_named();
  out_.traits.ends_transaction = out_.traits.ends_transaction || ends_transaction(facts->control);
  const bool is_behind_change =
      std::exchange(out_.changes_names, out_.changes_names || !facts->defines.empty() ||
                                            !facts->drops.empty() || facts->drops_all);
  if (facts->executes.empty()) return Verdict::pass;
  return judge_use(*facts, is_kept, unseen_before, is_behind_change);
}

// What the statement executes by name.
Verdict MessageJudge::judge_use(const sql::Facts& facts, bool is_kept, pg::Unseen unseen_before,
                                bool is_behind_change) {
  // What the name stands for by then is not foreseen.
  if (may_hold() && is_behind_change) return out_.refuse(Refusal::unknown_text());
  const bool is_portal = facts.is_portal;
  pg::CallTraits& traits = out_.traits;
  traits.runs_by_name = traits.runs_by_name || is_kept;
  const UsedNames::Use use = names_.use(facts, out_, unseen_before, is_behind_change);
  if (use.fetched) out_.fetched = use.fetched;
  out_.inner_unseen = std::max(out_.inner_unseen, names_.resolved(use.unseen));
  traits.unseen = std::max(traits.unseen, names_.resolved(use.unseen));
  if (use.is_doubtful) return out_.refuse(Refusal::doubtful_name(is_portal, facts.executes));
  const pg::Ref<pg::Prepared>& prepared = use.prepared;
  // What the name stands for when it is executed another time is not known.
  traits.calls_named = traits.calls_named || is_kept || !prepared || prepared->traits.calls_named;
  traits.ends_transaction = traits.ends_transaction || (prepared && prepared->traits.ends_transaction);
  if (!prepared) {
    // What was prepared under these policies was judged then.
    return in_.generation == 0 && !may_hold() ? Verdict::pass : out_.refuse(Refusal::unknown_text());
  }
  // What is fetched was asked for when the cursor was made, unless that was under other policies.
  const bool is_asked_for_now = !is_portal || prepared->gate_generation != in_.generation;
  const Verdict verdict = judge_again(*prepared);
  if (verdict == Verdict::pass && is_asked_for_now) wish_hold(*prepared);
  return verdict;
}

void MessageJudge::note_unseen(ByteView statement, const sql::Facts* facts) {
  const pg::Unseen inside = names_.resolved(
      facts != nullptr ? unseen_by(*facts, statement, check_.server_version()) : unseen_by_words(statement));
  out_.inner_unseen = std::max(out_.inner_unseen, inside);
  // PREPARE runs nothing, and DECLARE only plans.
  const bool is_definition = facts != nullptr && !facts->defines.empty();
  if (!is_definition || (facts->is_portal && inside == pg::Unseen::code))
    out_.traits.unseen = std::max(out_.traits.unseen, inside);
}

// ---------------------------------------------------------------- what was prepared before

Verdict MessageJudge::judge_bound(pg::Prepared& prepared) {
  if (!prepared.executes_by_name) {
    const Verdict verdict = judge_again(prepared);
    if (verdict == Verdict::pass) wish_hold(prepared);
    return verdict;
  }
  const pg::StatementText& text = prepared.statement;
  if (!is_kept_whole(text)) return out_.refuse(Refusal::unknown_text());
  Verdict verdict = Verdict::pass;
  sql::split_statements(text.text, [&](sql::Extent extent) {
    if (verdict == Verdict::pass) verdict = judge(extent.of(text.text), false, nullptr);
  });
  if (verdict == Verdict::refused) out_.refusal().at = ByteView::npos;
  return verdict;
}

Verdict MessageJudge::judge_again(pg::Prepared& prepared) {
  if (prepared.gate_generation == in_.generation) return Verdict::pass;
  const pg::StatementText& text = prepared.statement;
  if (!is_kept_whole(text)) return out_.refuse(Refusal::unknown_text());
  Verdict verdict = Verdict::pass;
  pg::CallTraits traits;
  if (prepared.rare) prepared.rare->hold.reset();
  // What the server has.
  const ByteView statement = prepared.instead().empty() ? ByteView(text.text) : prepared.instead();
  sql::split_statements(statement, [&](sql::Extent extent) {
    if (verdict != Verdict::pass) return;
    verdict = judge_text(extent.of(statement), false);
    if (verdict != Verdict::pass) return;
    const sql::Facts* facts = check_.facts();
    if (facts == nullptr) return;  // Unrestricted.
    traits.calls_named = check_.calls_named() || !facts->executes.empty();
    traits.runs_by_name = traits.runs_by_name || !facts->executes.empty();
    traits.unseen = std::max(traits.unseen, facts->executes.empty() ? unseen_by(*facts, extent.of(statement),
                                                                                check_.server_version())
                                                                    : pg::Unseen::code);
    traits.ends_transaction = ends_transaction(facts->control);
  });
  prepared.traits = traits;
  prepared.traits.is_unseen_known = check_.facts() != nullptr;
  if (verdict == Verdict::pass) {
    prepared.gate_generation = in_.generation;
    prepared.rule = check_.allowed_by();
    if (may_hold()) note_holds(prepared, text.text, false);
  }
  if (verdict == Verdict::refused) out_.refusal().forget_place();
  return verdict;
}

void MessageJudge::note_holds(pg::Prepared& prepared, ByteView text, bool is_inner) {
  sql::split_statements(text, [&](sql::Extent extent) {
    if (check_.check(extent.of(text)) != Verdict::pass) {
      prepared.gate_generation = ~uint32_t{0};  // To be judged when it is bound.
      return;
    }
    const policy::Decision& decision = check_.decision();
    const sql::Facts* facts = check_.facts();
    if (facts != nullptr && !facts->executes.empty() && !facts->is_portal) prepared.executes_by_name = true;
    if (decision.hold_ms == 0 || (is_prepare(facts) && !is_inner)) return;
    prepared.make_rare().hold = {decision.hold_ms, decision.hold_rule};
  });
}

}  // namespace ringfence::proxy
