// The half of a conversation that decides: what a restricted session sends is held until it is whole, judged,
// and passed or replaced.
#include "conversation.h"

#include <algorithm>

#include "message_text.h"
#include "ringfence/pg/parse.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/sql/split.h"
#include "unseen.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;

bool Conversation::is_gated(char type) {
  return type == from_client::query || type == from_client::parse || type == from_client::function_call ||
         type == from_client::execute;
}

bool Conversation::is_to_be_decided(const pg::FrameSegment& segment) {
  if (is_gated(segment.type)) return true;
  if (segment.type != from_client::bind) return false;
  if (is_name_to_be_settled(segment)) return true;
  // Planning runs functions, so what was prepared under other policies is judged before it is bound.
  if (gate_generation_ != 0) return true;
  if (guard_.has_end() && is_watched()) return true;
  return may_hold() && may_hold_bind(segment);
}

void Conversation::use_judge(std::shared_ptr<StatementJudge> judge, std::string_view nonce) {
  ++gate_generation_;
  if (gate_) gate_->use(std::move(judge));
  else if (!judge->access().is_unrestricted()) gate_ = std::make_unique<Gate>(std::move(judge), nonce);
}

namespace {
// Whether it belongs to a group that ends with Sync.
bool is_of_group(char type) {
  switch (type) {
    case from_client::parse:
    case from_client::bind:
    case from_client::describe:
    case from_client::close:
    case from_client::execute: return true;
    default: return false;
  }
}
}  // namespace

bool Conversation::must_know_names(char type) const {
  if (is_in_group_) return false;
  // The name of a statement that was refused stays with what had it: what runs by that name has to be
  // recorded.
  const bool is_doubtful = queue_.may_have_hidden_names(pg::Unseen::trigger) && queue_.named_may_change();
  if (gate_generation_ == 0 && !may_hold() && !queue_.has_refusal() && !is_doubtful) return false;
  const bool begins = is_of_group(type) || type == from_client::query || type == from_client::function_call;
  return begins && queue_.names_may_change() && !queue_.is_idle();
}

void Conversation::note_group(char type) {
  if (is_of_group(type)) is_in_group_ = true;
  else if (type == from_client::sync || type == from_client::query || type == from_client::function_call)
    is_in_group_ = false;
}

void Conversation::hold(const pg::FrameSegment& segment) {
  if (!is_message_gated_) {
    gate_->from_client().pass(segment.end);
  } else if (segment.body_length > gated_bytes_max) {
    // It will be refused; none of it is needed.
    gate_->from_client().replace(segment.begin, segment.end, {});
  } else {
    gate_->from_client().hold(segment.begin, segment.end);
  }
}

void Conversation::hold_cut_header() {
  if (!client_.held_header().empty()) gate_->from_client().hold_tail();
}

bool Conversation::admit(char type, ByteView body, uint32_t body_length) {
  if (rare_) rare_->changes.clear();
  if (body_length > gated_bytes_max && (type == from_client::execute || type == from_client::function_call)) {
    // None of it went on, and it stands for nothing that could be refused by itself.
    break_off(Fault::limit,
              "an Execute or FunctionCall message is longer than a restricted session may send");
    return true;
  }
  switch (type) {
    case from_client::query: return admit_query(body, body_length);
    case from_client::parse: return admit_parse(body, body_length);
    case from_client::execute: return admit_execute(body);
    case from_client::bind: return admit_bind(body, body_length);
    default: return admit_function_call(body, body_length);
  }
}

namespace {

// Whether the server takes the bytes for those of UTF-8, by which statements are judged: in another encoding
// the same bytes may be another name, which a rule is about. A server without an encoding compares bytes, as
// rules do.
bool is_read_as_utf8(pg::Encoding client, pg::Encoding server) {
  static const pg::Encoding none = pg::Encoding::named("SQL_ASCII");
  return server == none || (client == none ? server : client).is_utf8();
}

Refusal foreign_text() {
  return {std::string(pg::sqlstate::insufficient_privilege), "analysis",
          "the statement has other bytes than ASCII and is not sent in UTF-8, by which statements are judged "
          "here",
          "SET client_encoding TO 'UTF8', or write them as U&'\\00E9'.", 0};
}

}  // namespace

Gate::Verdict Conversation::judge_text(ByteView statement, bool may_change) {
  const auto is_beyond_ascii = [](char c) { return (c & 0x80) != 0; };
  if (!is_read_as_utf8(client_encoding_, queue_.encodings().server) &&
      std::any_of(statement.begin(), statement.end(), is_beyond_ascii)) {
    gate_->refusal() = foreign_text();
    return Gate::Verdict::refused;
  }
  const Gate::Verdict verdict = may_change ? gate_->check_sent(statement) : gate_->check(statement);
  if (verdict == Gate::Verdict::unknown) rare().text_to_analyse = statement;
  return verdict;
}

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

// One statement by its own text, and what it executes by name. `is_kept`: it will be executed later.
Gate::Verdict Conversation::judge(ByteView statement, bool is_kept) {
  const Gate::Verdict verdict = judge_text(statement, !is_text_doubtful_);
  if (verdict != Gate::Verdict::pass) return verdict;
  note_change(statement);
  gate_->rules().push_back(gate_->allowed_by());
  const sql::Facts* facts = gate_->facts();
  const pg::Unseen unseen_before = traits_.unseen;
  note_unseen(statement, facts);
  if (may_hold() && !is_prepare(facts)) wish_hold(gate_->decision().hold_ms, gate_->decision().hold_rule);
  if (facts == nullptr) return Gate::Verdict::pass;
  traits_.calls_named = traits_.calls_named || gate_->calls_named();
  traits_.ends_transaction = traits_.ends_transaction || ends_transaction(facts->control);
  const bool is_behind_change = std::exchange(
      changes_names_, changes_names_ || !facts->defines.empty() || !facts->drops.empty() || facts->drops_all);
  if (facts->executes.empty()) return Gate::Verdict::pass;
  // What the name stands for by then is not foreseen.
  if (may_hold() && is_behind_change) return refuse_unknown();
  if (settle_used_name(*facts, is_kept, is_behind_change, unseen_before) != Gate::Verdict::pass) {
    return Gate::Verdict::refused;
  }
  auto prepared = facts->is_portal ? pg::Ref<pg::Prepared>() : queue_.foreseen_statement(facts->executes);
  if (facts->is_portal) {
    if (auto portal = queue_.foreseen_portal(facts->executes)) prepared = portal->statement;
  }
  // What the name stands for when it is executed another time is not known.
  traits_.calls_named = traits_.calls_named || is_kept || !prepared || prepared->traits.calls_named;
  traits_.ends_transaction = traits_.ends_transaction || (prepared && prepared->traits.ends_transaction);
  if (prepared) {
    // What is fetched was asked for when the cursor was made, unless that was under other policies.
    const bool is_asked_for_now = !facts->is_portal || prepared->gate_generation != gate_generation_;
    const Gate::Verdict verdict_on_it = judge_again(*prepared);
    if (verdict_on_it == Gate::Verdict::pass && is_asked_for_now) wish_hold(*prepared);
    return verdict_on_it;
  }
  // What was prepared under these policies was judged then.
  return gate_generation_ == 0 && !may_hold() ? Gate::Verdict::pass : refuse_unknown();
}

Gate::Verdict Conversation::refuse_call_with_end() {
  gate_->refusal() = Gate::call_with_end();
  return Gate::Verdict::refused;
}

Gate::Verdict Conversation::refuse_unknown() {
  gate_->refusal() = Gate::unknown_text();
  return Gate::Verdict::refused;
}

// What was prepared under other policies than those in force now.
Gate::Verdict Conversation::judge_again(pg::Prepared& prepared) {
  if (prepared.gate_generation == gate_generation_) return Gate::Verdict::pass;
  const pg::StatementText& text = prepared.statement;
  Gate::Verdict verdict = Gate::Verdict::pass;
  if (text.is_truncated || text.is_redacted || !text.raw().empty()) {
    return refuse_unknown();
  }
  pg::CallTraits traits;
  if (prepared.rare) prepared.rare->hold.reset();
  // What the server has.
  const ByteView statement = prepared.instead().empty() ? ByteView(text.text) : prepared.instead();
  sql::split_statements(statement, [&](sql::Extent extent) {
    if (verdict != Gate::Verdict::pass) return;
    verdict = judge_text(extent.of(statement));
    if (verdict != Gate::Verdict::pass) return;
    const sql::Facts* facts = gate_->facts();
    if (facts == nullptr) return;  // Unrestricted.
    traits.calls_named = gate_->calls_named() || !facts->executes.empty();
    traits.runs_by_name = traits.runs_by_name || !facts->executes.empty();
    traits.unseen = std::max(traits.unseen, facts->executes.empty() ? unseen_by(*facts, extent.of(statement),
                                                                                gate_->server_version())
                                                                    : pg::Unseen::code);
    traits.ends_transaction = ends_transaction(facts->control);
  });
  prepared.traits = traits;
  prepared.traits.is_unseen_known = gate_->facts() != nullptr;
  if (verdict == Gate::Verdict::pass) {
    prepared.gate_generation = gate_generation_;
    prepared.rule = gate_->allowed_by();
    if (may_hold()) note_holds(prepared, text.text, false);
  }
  // The message at hand does not show the text.
  if (verdict == Gate::Verdict::refused) {
    gate_->refusal().at = ByteView::npos;
    gate_->refusal().position = 0;
  }
  return verdict;
}

bool Conversation::has_room_for_refused(size_t text_bytes, size_t statements) {
  // What cannot be written at once is kept for later; there is no more waiting.
  if (waiting_ && waiting_->is_dropped) return true;
  // Made valid, a byte may become three; it stands there once as it was, and once sealed. They are several
  // records, and what is asked for is the room of one: those that find none behind it are kept for later.
  const size_t texts = std::min<size_t>(text_bytes * 5, size_t{limits_.statement_bytes_max} * 5 * statements);
  const size_t rest = (recorder_.start_bytes(0, 0, 0) + Recorder::blocked_bytes_max) * (statements + 1);
  return recorder_.has_room(std::min(texts + rest, audit::record_bytes_max));
}

void Conversation::record_refused(ByteView statement, uint64_t full_bytes, char type, const Refusal* refusal,
                                  const MessagePart& place) {
  pg::StatementText text;
  take_statement_text(statement, full_bytes, limits_.statement_bytes_max, text);
  recorder_.blocked(text, type, refusal, gate_->access(), now_.us, place);
  ++statements_;
}

bool Conversation::admit_query(ByteView body, uint32_t body_length) {
  const ByteView text = text_of(body);
  Gate::Verdict verdict = Gate::Verdict::pass;
  size_t refused_begin = 0;
  size_t count = 0;
  begin_judging();
  if (body_length > gated_bytes_max) {
    gate_->refusal() = Gate::too_long(gated_bytes_max);
    verdict = Gate::Verdict::refused;
  } else {
    const Refusal* refusal = refused_while_waiting();
    // Nothing of what is too much is judged: it would be again after each wait. So many take two bytes each
    // at least.
    if (text.size() > 2 * statements_per_query_max) {
      size_t all = 0;
      sql::split_statements(text, [&](sql::Extent) { ++all; });
      if (all > statements_per_query_max) {
        counters_.limits_reached.add();
        gate_->refusal() = Gate::too_many(statements_per_query_max);
        verdict = Gate::Verdict::refused;
      }
    }
    sql::split_statements(text, [&](sql::Extent extent) {
      ++count;
      if (verdict != Gate::Verdict::pass || refusal != nullptr) return;
      const bool was_held = waiting_ && waiting_->timeout_ms != 0;
      verdict = judge(extent.of(text));
      if (verdict == Gate::Verdict::pass && is_watched() && !guard_.allows(traits_))
        verdict = refuse_call_with_end();
      if (!was_held || verdict != Gate::Verdict::pass) refused_begin = extent.begin;
    });
    if (refusal != nullptr) {
      verdict = Gate::Verdict::refused;
      gate_->refusal() = *refusal;
      refused_begin = waiting_->begin;
    }
  }
  if (verdict == Gate::Verdict::pass && is_asked_for()) {
    waiting_->begin = refused_begin;
    note_held_text(text, text_length(body, body_length));
    return false;
  }
  if (verdict == Gate::Verdict::unknown) {
    if (!waiting_) waiting_ = std::make_unique<Waiting>();
    waiting_->begin = refused_begin;
  }
  if (verdict != Gate::Verdict::refused) return verdict == Gate::Verdict::pass;
  const Refusal refusal = gate_->refusal();
  const bool is_listed = count > 0 && count <= statements_per_refusal_max;
  if (!has_room_for_refused(text.size(), is_listed ? count + 1 : 1)) return false;
  if (is_listed) {
    pg::StatementText whole;
    MessagePart place;
    if (count > 1) {
      take_statement_text(text, text_length(body, body_length), limits_.statement_bytes_max, whole);
      place.message = recorder_.message(whole, from_client::query, now_.us);
    }
    sql::split_statements(text, [&](sql::Extent extent) {
      const bool is_the_one = extent.begin == refused_begin;
      place.begin = extent.begin;
      record_refused(extent.of(text), extent.end - extent.begin, from_client::query,
                     is_the_one ? &refusal : nullptr, place);
    });
  } else {
    record_refused(text.substr(refused_begin), text_length(body, body_length) - refused_begin,
                   from_client::query, &refusal);
  }
  const uint32_t position = refusal.at == ByteView::npos ? 0 : position_of(text, refused_begin + refusal.at);
  rare().replacement = gate_->replace(Gate::Instead::query, refusal, position);
  queue_.push_query(pg::unrecorded_statement | gate_->refusals(), 1, rare_->replacement.size(), now_.ns);
  guard_.close();
  return true;
}

bool Conversation::admit_parse(ByteView body, uint32_t body_length) {
  begin_judging();
  const size_t name_end = body.find('\0');
  const bool is_too_long = body_length > gated_bytes_max;
  if (name_end == ByteView::npos && !is_too_long) return true;  // The server refuses it.
  const ByteView name = is_too_long && name_end == ByteView::npos ? ByteView() : body.substr(0, name_end);
  const ByteView rest = body.substr(std::min(body.size(), name.size() + 1));
  const ByteView text = text_of(rest);
  Gate::Verdict verdict = Gate::Verdict::pass;
  size_t begin = 0;
  if (is_too_long) {
    gate_->refusal() = Gate::too_long(gated_bytes_max);
    verdict = Gate::Verdict::refused;
  } else {
    if (const Refusal* refusal = refused_while_waiting()) {
      verdict = Gate::Verdict::refused;
      gate_->refusal() = *refusal;
    }
    sql::split_statements(text, [&](sql::Extent extent) {
      if (verdict != Gate::Verdict::pass) return;
      verdict = judge(extent.of(text), true);
      begin = extent.begin;
    });
  }
  if (verdict != Gate::Verdict::refused) return verdict == Gate::Verdict::pass;
  const Refusal refusal = gate_->refusal();
  if (!has_room_for_refused(text.size(), 1)) return false;
  record_refused(text, text_length(rest, static_cast<uint32_t>(body_length - name.size() - 1)),
                 from_client::parse, &refusal);
  const uint32_t position = refusal.at == ByteView::npos ? 0 : position_of(text, begin + refusal.at);
  rare().replacement = gate_->replace(
      name.empty() ? Gate::Instead::parse_unnamed : Gate::Instead::parse_named, refusal, position);
  pg::Ref<pg::Prepared> prepared = pools_.prepared.make();
  prepared->name = name;
  prepared->refusal = gate_->refusals();
  queue_.push_parse(std::move(prepared));
  return true;
}

// What was prepared before the policies changed is judged here, and what may not stand behind other things of
// its group.
bool Conversation::admit_execute(ByteView body) {
  pg::Ref<pg::Portal> portal = queue_.foreseen_portal(text_of(body));
  pg::Ref<pg::Prepared> prepared = portal ? portal->statement : pg::Ref<pg::Prepared>();
  if (prepared && prepared->refusal != 0) return true;
  Gate::Verdict verdict = Gate::Verdict::pass;
  if (const Refusal* refusal = refused_while_waiting()) {
    verdict = Gate::Verdict::refused;
    gate_->refusal() = *refusal;
  } else if (gate_generation_ != 0 || (may_hold() && !prepared)) {
    verdict = prepared ? judge_again(*prepared) : refuse_unknown();
    if (verdict == Gate::Verdict::pass && !is_portal_asked_for(*portal)) return false;
  }
  if (verdict == Gate::Verdict::pass) verdict = settle_portal(portal.get(), text_of(body));
  if (verdict == Gate::Verdict::pass && is_watched() &&
      !guard_.allows(prepared ? prepared->traits : pg::CallTraits{.calls_named = true})) {
    verdict = refuse_call_with_end();
  }
  if (verdict != Gate::Verdict::refused) return verdict == Gate::Verdict::pass;
  return refuse_by_parse(prepared.get(), from_client::execute);
}

// Behind the end of a transaction in its group: its planning may call what it names. And what is held is held
// here, where its parameters are known.
bool Conversation::admit_bind(ByteView body, uint32_t body_length) {
  auto names = pg::parse_bind_names(body);
  const bool is_too_long = body_length > gated_bytes_max;
  if (!names && !is_too_long) return true;  // The server refuses it.
  gate_->rules().clear();
  changes_names_ = false;
  pg::Ref<pg::Prepared> prepared =
      names ? queue_.foreseen_statement(names->statement) : pg::Ref<pg::Prepared>();
  if (prepared && prepared->refusal != 0 && !is_too_long) return true;
  Gate::Verdict verdict = Gate::Verdict::pass;
  if (const Refusal* refusal = refused_while_waiting()) {
    verdict = Gate::Verdict::refused;
    gate_->refusal() = *refusal;
  } else if (is_watched() && guard_.has_end() &&
             !(prepared && guard_.allows({.calls_named = prepared->traits.calls_named}))) {
    verdict = refuse_call_with_end();
  } else if (is_too_long) {
    verdict = Gate::Verdict::refused;
    gate_->refusal() = Gate::too_long(gated_bytes_max);
  } else if ((may_hold() || gate_generation_ != 0) && !prepared) {
    verdict = refuse_unknown();
  } else if (may_hold()) {
    verdict = settle_bound_name(prepared, names->statement);
    if (verdict == Gate::Verdict::pass) verdict = judge_prepared(*prepared);
    if (verdict == Gate::Verdict::pass && is_asked_for()) {
      note_held_bind(*prepared, body);
      return false;
    }
  } else {
    verdict = settle_bound_name(prepared, names->statement);
    if (verdict == Gate::Verdict::pass && gate_generation_ != 0) verdict = judge_again(*prepared);
  }
  if (verdict != Gate::Verdict::refused) return verdict == Gate::Verdict::pass;
  if (!refuse_by_parse(prepared.get(), from_client::execute)) return false;
  if (!names) return true;
  // The server skips what follows; the portal is there for what executes it, which has no record then.
  pg::Ref<pg::Portal> portal = pools_.portals.make();
  portal->name = names->portal;
  portal->statement_name = names->statement;
  portal->statement = pools_.prepared.make();
  portal->statement->refusal = gate_->refusals();
  queue_.push_bind(std::move(portal));
  return true;
}

// A Bind or an Execute is refused, of what was prepared as far as that is known. False: no room in the trail.
bool Conversation::refuse_by_parse(pg::Prepared* prepared, char type) {
  Refusal refusal = gate_->refusal();
  refusal.at = ByteView::npos;  // The message at hand does not show the text.
  static const pg::StatementText no_text;
  const pg::StatementText& text = prepared != nullptr ? prepared->statement : no_text;
  if (!has_room_for_refused(text.text.size() + text.raw().size(), 1)) return false;
  recorder_.blocked(text, type, &refusal, gate_->access(), now_.us);
  ++statements_;
  rare().replacement = gate_->replace(Gate::Instead::parse_named, refusal, 0);
  pg::Ref<pg::Prepared> marker = pools_.prepared.make();
  marker->refusal = gate_->refusals();
  marker->name = "rf_";
  queue_.push_parse(std::move(marker));
  return true;
}

bool Conversation::admit_function_call(ByteView body, uint32_t body_length) {
  Reader in(body);
  const uint32_t oid = in.u32();
  auto refusal = gate_->check_call(oid);
  if (!refusal) return true;
  // What is no FunctionCall is told so first, as the server does.
  if (!pg::parse_function_call(body)) refusal = Gate::malformed_call();
  const std::string text = "FunctionCall " + std::to_string(oid);
  if (!has_room_for_refused(text.size(), 1)) return false;
  record_refused(text, text.size(), from_client::function_call, &*refusal);
  rare().replacement = gate_->replace(Gate::Instead::function_call, *refusal, 0);
  queue_.push_function_call(pg::unrecorded_statement | gate_->refusals(), pg::frame_header_size + body_length,
                            now_.ns);
  return true;
}

}  // namespace ringfence::proxy
