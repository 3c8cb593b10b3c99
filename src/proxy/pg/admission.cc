#include "admission.h"

#include <algorithm>

#include "exchange.h"
#include "message_text.h"
#include "parameters.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/parse.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;

namespace {

bool is_gated(char type) {
  return type == from_client::query || type == from_client::parse || type == from_client::function_call ||
         type == from_client::execute;
}

}  // namespace

MessageJudge Admission::judge() { return x_.judge(names_); }

bool Admission::is_to_be_decided(const pg::FrameSegment& segment) {
  if (is_gated(segment.type)) return true;
  if (segment.type != from_client::bind) return false;
  if (names_.is_to_be_settled(segment)) return true;
  // Planning runs functions, so what was prepared under other policies is judged before it is bound.
  if (x_.generation != 0) return true;
  if (x_.group.guard().has_end() && x_.is_watched()) return true;
  return x_.may_hold() && may_hold_bind(segment);
}

// Whether a Bind that begins has to be whole before it is decided.
bool Admission::may_hold_bind(const pg::FrameSegment& segment) const {
  if (segment.body_length <= gated_bytes_max) return true;
  // A long one only where it may be of a statement that is held; then it is refused.
  auto names = pg::parse_bind_names(segment.piece);
  if (!names) return true;
  auto prepared = x_.queue.foreseen_statement(names->statement);
  return prepared && (prepared->hold() != nullptr || prepared->executes_by_name ||
                      prepared->gate_generation != x_.generation);
}

bool Admission::admit(char type, ByteView body, uint32_t body_length) {
  if (body_length > gated_bytes_max && (type == from_client::execute || type == from_client::function_call)) {
    // None of it went on, and it stands for nothing that could be refused by itself.
    x_.break_off(Fault::limit,
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

// Each text stands where the other one stood: no length changes.
void Admission::change(char type, ByteView body) {
  std::string& out = x_.message.rare().replacement;
  const auto header = pg::frame_header(type, static_cast<uint32_t>(body.size()));
  out.assign(header.data(), header.size());
  out.append(body);
  for (const Judgement::Change& change : x_.judged().own->changes) {
    RINGFENCE_ASSERT(change.sent.size() == change.instead.size());
    const auto begin = static_cast<size_t>(change.sent.data() - body.data());
    RINGFENCE_ASSERT(begin + change.sent.size() <= body.size());
    out.replace(header.size() + begin, change.sent.size(), change.instead);
  }
}

// ---------------------------------------------------------------- what waits

// Of what is not refused: whether it goes on. What is not known yet is noted, so that the message waits for
// it.
bool Admission::passes() {
  const Judgement& judgement = x_.judged();
  if (judgement.verdict == Verdict::unknown) {
    x_.message.rare().text_to_analyse = judgement.unanalysed();
    x_.message.state = PendingMessage::State::analysing;
  }
  return judgement.verdict == Verdict::pass;
}

bool Admission::pays(uint64_t statements) {
  PendingMessage& message = x_.message;
  if (x_.spending() == nullptr || message.is_paid || x_.judged().verdict != Verdict::pass) return true;
  switch (x_.spending()->take(statements, x_.now.ns)) {
    case BudgetAccount::Take::taken: message.is_paid = true; return true;
    case BudgetAccount::Take::wait: message.state = PendingMessage::State::unpaid; return false;
    case BudgetAccount::Take::spent: break;
  }
  x_.counters.limits_reached.add();
  x_.gate->judgement().refuse(Refusal::no_budget(x_.spending()->why_refused()));
  return true;
}

// Whether the message has to wait for a word that has not come.
bool Admission::is_asked_for() {
  if (x_.judged().hold() == nullptr || x_.message.word == PendingMessage::Word::released) return false;
  x_.message.state = PendingMessage::State::held;
  return true;
}

void Admission::note_held_text(ByteView text, uint64_t full_bytes) {
  pg::StatementText taken;
  take_statement_text(text, full_bytes, x_.limits.statement_bytes_max, taken);
  x_.message.rare().held_statement = std::move(taken.text);
}

void Admission::note_held_bind(const pg::Prepared& prepared, ByteView body) {
  x_.message.rare().held_statement = prepared.statement.text;
  x_.message.rare().held_parameters.clear();
  bool is_truncated = false;
  encode_bind_parameters(body, true, &prepared.types, x_.limits.parameters_bytes_max,
                         x_.message.rare().held_parameters, is_truncated,
                         {.secrets = prepared.statement.secret_places});
}

// A portal that was bound before these policies were in force: nobody was asked for it then.
bool Admission::is_portal_asked_for(pg::Portal& portal) {
  if (!x_.may_hold() || portal.gate_generation == x_.generation) return true;
  judge().wish_hold(*portal.statement);
  if (is_asked_for()) {
    x_.message.rare().held_statement = portal.statement->statement.text;
    x_.message.rare().held_parameters = portal.parameters;
    return false;
  }
  portal.gate_generation = x_.generation;
  return true;
}

// ---------------------------------------------------------------- what is refused

bool Admission::has_room_for_refused(size_t text_bytes, size_t statements) {
  // What cannot be written at once is kept for later; there is no more waiting.
  if (x_.message.word == PendingMessage::Word::dropped) return true;
  // Made valid, a byte may become three; it stands there once as it was, and once sealed. They are several
  // records, and what is asked for is the room of one: those that find none behind it are kept for later.
  const size_t texts =
      std::min<size_t>(text_bytes * 5, size_t{x_.limits.statement_bytes_max} * 5 * statements);
  const size_t rest = (x_.recorder.start_bytes(0, 0, 0) + Recorder::blocked_bytes_max) * (statements + 1);
  return x_.recorder.has_room(std::min(texts + rest, audit::record_bytes_max));
}

void Admission::record_refused(ByteView statement, uint64_t full_bytes, char type, const Refusal* refusal,
                               const MessagePart& place) {
  pg::StatementText text;
  take_statement_text(statement, full_bytes, x_.limits.statement_bytes_max, text);
  x_.recorder.blocked(text, type, refusal, x_.gate->access(), x_.now.us, place);
  ++x_.statements;
}

// Each of its statements by itself, where they are not too many. False: no room in the trail.
bool Admission::record_refused_query(ByteView text, uint64_t full_bytes) {
  const Judgement& judgement = x_.judged();
  const size_t count = judgement.statements.size();
  const bool is_listed = count > 0 && count <= statements_per_refusal_max;
  if (!has_room_for_refused(text.size(), is_listed ? count + 1 : 1)) return false;
  if (!is_listed) {
    record_refused(text.substr(judgement.begin), full_bytes - judgement.begin, from_client::query,
                   &judgement.refusal());
    return true;
  }
  MessagePart place;
  if (count > 1) {
    pg::StatementText whole;
    take_statement_text(text, full_bytes, x_.limits.statement_bytes_max, whole);
    place.message = x_.recorder.message(whole, from_client::query, x_.now.us);
  }
  for (const Judgement::Statement& statement : judgement.statements) {
    const sql::Extent extent = statement.extent;
    const bool is_the_one = extent.begin == judgement.begin;
    place.begin = extent.begin;
    record_refused(extent.of(text), extent.end - extent.begin, from_client::query,
                   is_the_one ? &judgement.refusal() : nullptr, place);
  }
  return true;
}

// A Bind or an Execute is refused, of what was prepared as far as that is known. False: no room in the trail.
bool Admission::refuse_by_parse(pg::Prepared* prepared, char type) {
  Refusal& refusal = x_.gate->judgement().refusal();
  refusal.at = ByteView::npos;  // The message at hand does not show the text.
  static const pg::StatementText no_text;
  const pg::StatementText& text = prepared != nullptr ? prepared->statement : no_text;
  if (!has_room_for_refused(text.text.size() + text.raw().size(), 1)) return false;
  x_.recorder.blocked(text, type, &refusal, x_.gate->access(), x_.now.us);
  ++x_.statements;
  x_.message.rare().replacement = x_.gate->stand_ins().replace(StandIns::Instead::parse_named, refusal, 0);
  pg::Ref<pg::Prepared> marker = x_.pools.prepared.make();
  marker->refusal = x_.gate->stand_ins().count();
  marker->name = "rf_";
  x_.queue.push_parse(std::move(marker));
  return true;
}

// ---------------------------------------------------------------- messages

bool Admission::admit_query(ByteView body, uint32_t body_length) {
  const ByteView text = text_of(body);
  const uint64_t full_bytes = text_length(body, body_length);
  const Refusal* said = body_length <= gated_bytes_max ? x_.message.refusal() : nullptr;
  if (said != nullptr) judge().refuse_query(text, *said, x_.judged().begin);
  else judge().judge_query(text, body_length);
  Judgement& judgement = x_.gate->judgement();
  if (judgement.has_too_many) x_.counters.limits_reached.add();
  if (judgement.verdict == Verdict::pass && is_asked_for()) {
    note_held_text(text, full_bytes);
    return false;
  }
  if (!pays(std::max<size_t>(1, judgement.statements.size()))) return false;
  if (judgement.verdict != Verdict::refused) return passes();
  if (!record_refused_query(text, full_bytes)) return false;
  const Refusal& refusal = judgement.refusal();
  const uint32_t position =
      refusal.at == ByteView::npos ? 0 : position_of(text, judgement.begin + refusal.at);
  x_.message.rare().replacement = x_.gate->stand_ins().replace(StandIns::Instead::query, refusal, position);
  x_.queue.push_query(pg::unrecorded_statement | x_.gate->stand_ins().count(), 1,
                      x_.message.rare().replacement.size(), x_.now.ns);
  x_.group.guard().close();
  return true;
}

bool Admission::admit_parse(ByteView body, uint32_t body_length) {
  Judgement& judgement = x_.gate->judgement();
  judgement.start();
  const size_t name_end = body.find('\0');
  const bool is_too_long = body_length > gated_bytes_max;
  if (name_end == ByteView::npos && !is_too_long) return true;  // The server refuses it.
  const ByteView name = is_too_long && name_end == ByteView::npos ? ByteView() : body.substr(0, name_end);
  const ByteView rest = body.substr(std::min(body.size(), name.size() + 1));
  const ByteView text = text_of(rest);
  const Refusal* said = is_too_long ? nullptr : x_.message.refusal();
  if (said != nullptr) judgement.refuse(*said);
  else judge().judge_parse(text, body_length);
  if (judgement.verdict != Verdict::refused) return passes();
  const Refusal& refusal = judgement.refusal();
  if (!has_room_for_refused(text.size(), 1)) return false;
  record_refused(text, text_length(rest, static_cast<uint32_t>(body_length - name.size() - 1)),
                 from_client::parse, &refusal);
  const uint32_t position =
      refusal.at == ByteView::npos ? 0 : position_of(text, judgement.begin + refusal.at);
  x_.message.rare().replacement = x_.gate->stand_ins().replace(
      name.empty() ? StandIns::Instead::parse_unnamed : StandIns::Instead::parse_named, refusal, position);
  pg::Ref<pg::Prepared> prepared = x_.pools.prepared.make();
  prepared->name = name;
  prepared->refusal = x_.gate->stand_ins().count();
  x_.queue.push_parse(std::move(prepared));
  return true;
}

// What was prepared before the policies changed is judged here, and what may not stand behind other things of
// its group.
bool Admission::admit_execute(ByteView body) {
  pg::Ref<pg::Portal> portal = x_.queue.foreseen_portal(text_of(body));
  pg::Ref<pg::Prepared> prepared = portal ? portal->statement : pg::Ref<pg::Prepared>();
  if (prepared && prepared->refusal != 0) return true;
  Judgement& judgement = x_.gate->judgement();
  judgement.start();
  if (const Refusal* refusal = x_.message.refusal()) {
    judgement.refuse(*refusal);
  } else if (x_.generation != 0 || (x_.may_hold() && !prepared)) {
    judgement.verdict = prepared ? judge().judge_again(*prepared) : judgement.refuse(Refusal::unknown_text());
    if (judgement.verdict == Verdict::pass && !is_portal_asked_for(*portal)) return false;
  }
  if (judgement.verdict == Verdict::pass) {
    if (auto refusal = names_.settle_portal(portal.get(), text_of(body)))
      judgement.refuse(std::move(*refusal));
  }
  if (judgement.verdict == Verdict::pass && x_.is_watched() &&
      !x_.group.guard().allows(prepared ? prepared->traits : pg::CallTraits{.calls_named = true})) {
    judgement.refuse(Refusal::call_with_end());
  }
  // What fetches more of a portal is no other statement.
  if (!(portal && portal->is_paid) && !pays(1)) return false;
  if (portal && x_.message.is_paid) portal->is_paid = true;
  if (judgement.verdict != Verdict::refused) return passes();
  return refuse_by_parse(prepared.get(), from_client::execute);
}

// Behind the end of a transaction in its group: its planning may call what it names. And what is held is held
// here, where its parameters are known.
bool Admission::admit_bind(ByteView body, uint32_t body_length) {
  auto names = pg::parse_bind_names(body);
  const bool is_too_long = body_length > gated_bytes_max;
  if (!names && !is_too_long) return true;  // The server refuses it.
  pg::Ref<pg::Prepared> prepared =
      names ? x_.queue.foreseen_statement(names->statement) : pg::Ref<pg::Prepared>();
  if (prepared && prepared->refusal != 0 && !is_too_long) return true;
  Judgement& judgement = x_.gate->judgement();
  judgement.start();
  if (const Refusal* refusal = x_.message.refusal()) {
    judgement.refuse(*refusal);
  } else if (x_.is_watched() && x_.group.guard().has_end() &&
             !(prepared && x_.group.guard().allows({.calls_named = prepared->traits.calls_named}))) {
    judgement.refuse(Refusal::call_with_end());
  } else if (is_too_long) {
    judgement.refuse(Refusal::too_long(gated_bytes_max));
  } else if ((x_.may_hold() || x_.generation != 0) && !prepared) {
    judgement.refuse(Refusal::unknown_text());
  } else if (!names_.settle_bound(prepared, names->statement)) {
    judgement.refuse(Refusal::doubtful_name(false, names->statement));
  } else if (x_.may_hold()) {
    judgement.verdict = judge().judge_bound(*prepared);
    if (judgement.verdict == Verdict::pass && is_asked_for()) {
      note_held_bind(*prepared, body);
      return false;
    }
  } else if (x_.generation != 0) {
    judgement.verdict = judge().judge_again(*prepared);
  }
  if (judgement.verdict != Verdict::refused) return passes();
  if (!refuse_by_parse(prepared.get(), from_client::execute)) return false;
  if (!names) return true;
  // The server skips what follows; the portal is there for what executes it, which has no record then.
  pg::Ref<pg::Portal> portal = x_.pools.portals.make();
  portal->name = names->portal;
  portal->statement_name = names->statement;
  portal->statement = x_.pools.prepared.make();
  portal->statement->refusal = x_.gate->stand_ins().count();
  x_.queue.push_bind(std::move(portal));
  return true;
}

bool Admission::admit_function_call(ByteView body, uint32_t body_length) {
  Reader in(body);
  const uint32_t oid = in.u32();
  auto refusal = x_.gate->check().check_call(oid);
  if (!refusal) {
    Judgement& judgement = x_.gate->judgement();
    judgement.start();
    if (!pays(1)) return false;
    if (judgement.verdict != Verdict::refused) return true;
    refusal = judgement.refusal();
  }
  // What is no FunctionCall is told so first, as the server does.
  if (!pg::parse_function_call(body)) refusal = Refusal::malformed_call();
  const std::string text = "FunctionCall " + std::to_string(oid);
  if (!has_room_for_refused(text.size(), 1)) return false;
  record_refused(text, text.size(), from_client::function_call, &*refusal);
  x_.message.rare().replacement = x_.gate->stand_ins().replace(StandIns::Instead::function_call, *refusal, 0);
  x_.queue.push_function_call(pg::unrecorded_statement | x_.gate->stand_ins().count(),
                              pg::frame_header_size + body_length, x_.now.ns);
  return true;
}

}  // namespace ringfence::proxy
