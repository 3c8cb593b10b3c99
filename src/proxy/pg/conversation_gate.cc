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
  if (gate_) gate_->check().use(std::move(judge));
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

MessageJudge Conversation::judge() {
  const Circumstances circumstances{
      .generation = gate_generation_,
      .is_read_as_utf8 = is_read_as_utf8(client_encoding_, queue_.encodings().server),
      .is_text_doubtful = is_text_doubtful_,
      .guard = guard_};
  return MessageJudge(gate_->check(), *this, circumstances, gate_->judgement());
}

const Judgement& Conversation::judged() const {
  static const Judgement none;
  return gate_ ? gate_->judgement() : none;
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

// Of what is not refused: whether it goes on. What is not known yet is noted, so that the message waits for
// it.
bool Conversation::passes() {
  const Judgement& judgement = judged();
  if (judgement.verdict == Verdict::unknown) rare().text_to_analyse = judgement.unanalysed;
  return judgement.verdict == Verdict::pass;
}

bool Conversation::admit_query(ByteView body, uint32_t body_length) {
  const ByteView text = text_of(body);
  const uint64_t full_bytes = text_length(body, body_length);
  const Refusal* said = body_length <= gated_bytes_max ? refused_while_waiting() : nullptr;
  if (said != nullptr) judge().refuse_query(text, *said, waiting_->begin);
  else judge().judge_query(text, body_length);
  Judgement& judgement = gate_->judgement();
  if (judgement.has_too_many) counters_.limits_reached.add();
  if (judgement.verdict == Verdict::pass && is_asked_for()) {
    waiting_->begin = judgement.begin;
    note_held_text(text, full_bytes);
    return false;
  }
  if (judgement.verdict == Verdict::unknown) {
    if (!waiting_) waiting_ = std::make_unique<Waiting>();
    waiting_->begin = judgement.begin;
  }
  if (judgement.verdict != Verdict::refused) return passes();
  if (!record_refused_query(text, full_bytes)) return false;
  const Refusal& refusal = *judgement.refusal;
  const uint32_t position =
      refusal.at == ByteView::npos ? 0 : position_of(text, judgement.begin + refusal.at);
  rare().replacement = gate_->stand_ins().replace(StandIns::Instead::query, refusal, position);
  queue_.push_query(pg::unrecorded_statement | gate_->stand_ins().count(), 1, rare_->replacement.size(),
                    now_.ns);
  guard_.close();
  return true;
}

// Each of its statements by itself, where they are not too many. False: no room in the trail.
bool Conversation::record_refused_query(ByteView text, uint64_t full_bytes) {
  const Judgement& judgement = judged();
  const size_t count = judgement.statements.size();
  const bool is_listed = count > 0 && count <= statements_per_refusal_max;
  if (!has_room_for_refused(text.size(), is_listed ? count + 1 : 1)) return false;
  if (!is_listed) {
    record_refused(text.substr(judgement.begin), full_bytes - judgement.begin, from_client::query,
                   judgement.refusal.get());
    return true;
  }
  MessagePart place;
  if (count > 1) {
    pg::StatementText whole;
    take_statement_text(text, full_bytes, limits_.statement_bytes_max, whole);
    place.message = recorder_.message(whole, from_client::query, now_.us);
  }
  for (const Judgement::Statement& statement : judgement.statements) {
    const sql::Extent extent = statement.extent;
    const bool is_the_one = extent.begin == judgement.begin;
    place.begin = extent.begin;
    record_refused(extent.of(text), extent.end - extent.begin, from_client::query,
                   is_the_one ? judgement.refusal.get() : nullptr, place);
  }
  return true;
}

bool Conversation::admit_parse(ByteView body, uint32_t body_length) {
  Judgement& judgement = gate_->judgement();
  judgement.start();
  const size_t name_end = body.find('\0');
  const bool is_too_long = body_length > gated_bytes_max;
  if (name_end == ByteView::npos && !is_too_long) return true;  // The server refuses it.
  const ByteView name = is_too_long && name_end == ByteView::npos ? ByteView() : body.substr(0, name_end);
  const ByteView rest = body.substr(std::min(body.size(), name.size() + 1));
  const ByteView text = text_of(rest);
  const Refusal* said = is_too_long ? nullptr : refused_while_waiting();
  if (said != nullptr) judgement.refuse(*said);
  else judge().judge_parse(text, body_length);
  if (judgement.verdict != Verdict::refused) return passes();
  const Refusal& refusal = *judgement.refusal;
  if (!has_room_for_refused(text.size(), 1)) return false;
  record_refused(text, text_length(rest, static_cast<uint32_t>(body_length - name.size() - 1)),
                 from_client::parse, &refusal);
  const uint32_t position =
      refusal.at == ByteView::npos ? 0 : position_of(text, judgement.begin + refusal.at);
  rare().replacement = gate_->stand_ins().replace(
      name.empty() ? StandIns::Instead::parse_unnamed : StandIns::Instead::parse_named, refusal, position);
  pg::Ref<pg::Prepared> prepared = pools_.prepared.make();
  prepared->name = name;
  prepared->refusal = gate_->stand_ins().count();
  queue_.push_parse(std::move(prepared));
  return true;
}

// What was prepared before the policies changed is judged here, and what may not stand behind other things of
// its group.
bool Conversation::admit_execute(ByteView body) {
  pg::Ref<pg::Portal> portal = queue_.foreseen_portal(text_of(body));
  pg::Ref<pg::Prepared> prepared = portal ? portal->statement : pg::Ref<pg::Prepared>();
  if (prepared && prepared->refusal != 0) return true;
  Judgement& judgement = gate_->judgement();
  judgement.start();
  if (const Refusal* refusal = refused_while_waiting()) {
    judgement.refuse(*refusal);
  } else if (gate_generation_ != 0 || (may_hold() && !prepared)) {
    judgement.verdict = prepared ? judge().judge_again(*prepared) : judgement.refuse(Refusal::unknown_text());
    if (judgement.verdict == Verdict::pass && !is_portal_asked_for(*portal)) return false;
  }
  if (judgement.verdict == Verdict::pass) {
    if (auto refusal = settle_portal(portal.get(), text_of(body))) judgement.refuse(std::move(*refusal));
  }
  if (judgement.verdict == Verdict::pass && is_watched() &&
      !guard_.allows(prepared ? prepared->traits : pg::CallTraits{.calls_named = true})) {
    judgement.refuse(Refusal::call_with_end());
  }
  if (judgement.verdict != Verdict::refused) return passes();
  return refuse_by_parse(prepared.get(), from_client::execute);
}

// Behind the end of a transaction in its group: its planning may call what it names. And what is held is held
// here, where its parameters are known.
bool Conversation::admit_bind(ByteView body, uint32_t body_length) {
  auto names = pg::parse_bind_names(body);
  const bool is_too_long = body_length > gated_bytes_max;
  if (!names && !is_too_long) return true;  // The server refuses it.
  pg::Ref<pg::Prepared> prepared =
      names ? queue_.foreseen_statement(names->statement) : pg::Ref<pg::Prepared>();
  if (prepared && prepared->refusal != 0 && !is_too_long) return true;
  Judgement& judgement = gate_->judgement();
  judgement.start();
  if (const Refusal* refusal = refused_while_waiting()) {
    judgement.refuse(*refusal);
  } else if (is_watched() && guard_.has_end() &&
             !(prepared && guard_.allows({.calls_named = prepared->traits.calls_named}))) {
    judgement.refuse(Refusal::call_with_end());
  } else if (is_too_long) {
    judgement.refuse(Refusal::too_long(gated_bytes_max));
  } else if ((may_hold() || gate_generation_ != 0) && !prepared) {
    judgement.refuse(Refusal::unknown_text());
  } else if (!settle_bound_name(prepared, names->statement)) {
    judgement.refuse(Refusal::doubtful_name(false, names->statement));
  } else if (may_hold()) {
    judgement.verdict = judge().judge_bound(*prepared);
    if (judgement.verdict == Verdict::pass && is_asked_for()) {
      note_held_bind(*prepared, body);
      return false;
    }
  } else if (gate_generation_ != 0) {
    judgement.verdict = judge().judge_again(*prepared);
  }
  if (judgement.verdict != Verdict::refused) return passes();
  if (!refuse_by_parse(prepared.get(), from_client::execute)) return false;
  if (!names) return true;
  // The server skips what follows; the portal is there for what executes it, which has no record then.
  pg::Ref<pg::Portal> portal = pools_.portals.make();
  portal->name = names->portal;
  portal->statement_name = names->statement;
  portal->statement = pools_.prepared.make();
  portal->statement->refusal = gate_->stand_ins().count();
  queue_.push_bind(std::move(portal));
  return true;
}

// A Bind or an Execute is refused, of what was prepared as far as that is known. False: no room in the trail.
bool Conversation::refuse_by_parse(pg::Prepared* prepared, char type) {
  Refusal& refusal = *gate_->judgement().refusal;
  refusal.at = ByteView::npos;  // The message at hand does not show the text.
  static const pg::StatementText no_text;
  const pg::StatementText& text = prepared != nullptr ? prepared->statement : no_text;
  if (!has_room_for_refused(text.text.size() + text.raw().size(), 1)) return false;
  recorder_.blocked(text, type, &refusal, gate_->access(), now_.us);
  ++statements_;
  rare().replacement = gate_->stand_ins().replace(StandIns::Instead::parse_named, refusal, 0);
  pg::Ref<pg::Prepared> marker = pools_.prepared.make();
  marker->refusal = gate_->stand_ins().count();
  marker->name = "rf_";
  queue_.push_parse(std::move(marker));
  return true;
}

bool Conversation::admit_function_call(ByteView body, uint32_t body_length) {
  Reader in(body);
  const uint32_t oid = in.u32();
  auto refusal = gate_->check().check_call(oid);
  if (!refusal) return true;
  // What is no FunctionCall is told so first, as the server does.
  if (!pg::parse_function_call(body)) refusal = Refusal::malformed_call();
  const std::string text = "FunctionCall " + std::to_string(oid);
  if (!has_room_for_refused(text.size(), 1)) return false;
  record_refused(text, text.size(), from_client::function_call, &*refusal);
  rare().replacement = gate_->stand_ins().replace(StandIns::Instead::function_call, *refusal, 0);
  queue_.push_function_call(pg::unrecorded_statement | gate_->stand_ins().count(),
                            pg::frame_header_size + body_length, now_.ns);
  return true;
}

}  // namespace ringfence::proxy
