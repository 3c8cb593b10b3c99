// The part of a conversation that waits: statements that are held until somebody gives his word, and what is
// kept back with them.
#include "conversation.h"
#include "message_text.h"
#include "parameters.h"
#include "ringfence/pg/parse.h"
#include "ringfence/sql/split.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;

ByteView Conversation::to_server(ByteView chunk) {
  if (!gate_) return chunk.substr(std::exchange(client_sent_, 0));
  Rewriter& out = gate_->from_client();
  const bool was_marked = out.is_marked();
  const ByteView bytes = out.finish(queue_.size() < group_messages_max ? group_bytes_max : 0);
  if (was_marked && !out.is_marked()) {
    counters_.limits_reached.add();  // The group is longer than what is kept back.
    group_is_partly_out_ = true;
    unsent_from_ = ~uint64_t{0};
  }
  return bytes;
}

ByteView Conversation::to_server_so_far(ByteView chunk) {
  const size_t begin = rare_->client_held->begin;
  if (!gate_) {
    const size_t from = std::exchange(client_sent_, begin);
    return chunk.substr(from, begin - from);
  }
  Rewriter& out = gate_->from_client();
  if (!out.is_marked()) return with_probe(out.take(begin));
  if (!out.keeps_before(begin)) return with_probe(out.take_before_mark());
  // A sync group that fills the pipeline by itself.
  out.unmark();
  group_is_partly_out_ = true;
  unsent_from_ = ~uint64_t{0};
  return with_probe(out.take(begin));
}

// Where the statements of the session may be held, nothing of a sync group goes out before it is whole.
void Conversation::mark_group(const pg::FrameSegment& segment) {
  switch (segment.type) {
    case from_client::query:
    case from_client::parse:
    case from_client::bind:
    case from_client::describe:
    case from_client::close:
    case from_client::execute:
    case from_client::function_call: break;
    default: return;
  }
  if (gate_->from_client().is_marked()) return;
  gate_->from_client().mark(segment.begin);
  unsent_from_ = queue_.end_place();
}

// After each message that is decided.
void Conversation::settle_group(char type, ByteView body) {
  bool goes_out = !may_hold();
  switch (type) {
    case from_client::parse:
    case from_client::bind:
    case from_client::describe:
    case from_client::close: break;
    case from_client::execute: {
      // COPY speaks before the Sync.
      auto portal = queue_.foreseen_portal(text_of(body));
      if (!portal || !portal->statement) {
        goes_out = true;
        break;
      }
      sql::Lexer lexer(portal->statement->statement.text);
      const sql::Token verb = lexer.next();
      goes_out = goes_out || sql::is_keyword(lexer.text_of(verb), "copy");
      break;
    }
    default: goes_out = true;
  }
  const bool is_whole =
      type == from_client::sync || type == from_client::query || type == from_client::function_call;
  if (is_whole) group_is_partly_out_ = false;
  if (!goes_out) return;
  if (!is_whole) group_is_partly_out_ = true;
  gate_->from_client().unmark();
  unsent_from_ = ~uint64_t{0};
}

Advance Conversation::waiting_reason() {
  const bool is_asked = waiting_ && waiting_->is_asked && !waiting_->is_released && !waiting_->refusal;
  if (text_to_analyse().empty() && !is_asked) return Advance::wait_trail;
  // Also without rules that hold: what was before it is answered meanwhile.
  if (!gate_->from_client().is_marked()) {
    gate_->from_client().mark(rare_->client_held->begin);
    unsent_from_ = queue_.end_place();
  }
  return text_to_analyse().empty() ? Advance::wait_hold : Advance::wait_analysis;
}

namespace {
// What is held of a chunk ends where the segment does.
void move_segment(std::optional<pg::FrameSegment>& held, ByteView chunk) {
  if (held) held->piece = chunk.substr(held->end - held->piece.size(), held->piece.size());
}
}  // namespace

void Conversation::move_chunk(ByteView chunk) {
  if (gate_) gate_->from_client().move_chunk(chunk);
  if (rare_) move_segment(rare_->client_held, chunk);
}

void Conversation::move_server_chunk(ByteView chunk) {
  if (Rewriter* out = from_server()) out->move_chunk(chunk);
  if (rare_) move_segment(rare_->server_held, chunk);
}

// Whether the message has to wait for a word that has not come.
bool Conversation::is_asked_for() {
  if (!judged().hold || (waiting_ && waiting_->is_released)) return false;
  if (!waiting_) waiting_ = std::make_unique<Waiting>();
  waiting_->is_asked = true;
  return true;
}

void Conversation::note_held_text(ByteView text, uint64_t full_bytes) {
  pg::StatementText taken;
  take_statement_text(text, full_bytes, limits_.statement_bytes_max, taken);
  waiting_->statement = std::move(taken.text);
}

HeldStatement Conversation::held_statement() {
  HeldStatement out;
  out.statement = std::move(waiting_->statement);
  out.parameters = std::move(waiting_->parameters);
  out.rule = judged().hold->rule;
  out.timeout_ms = judged().hold->ms;
  return out;
}

void Conversation::release_waiting() {
  if (waiting_) waiting_->is_released = true;
}

void Conversation::refuse_waiting(Refusal refusal) {
  if (!waiting_) waiting_ = std::make_unique<Waiting>();
  if (rare_) rare_->text_to_analyse.clear();
  waiting_->refusal = std::move(refusal);
}

void Conversation::drop_waiting(Refusal refusal, Now now) {
  now_ = now;
  refuse_waiting(std::move(refusal));
  waiting_->is_dropped = true;
  const pg::FrameSegment segment = *rare_->client_held;
  const bool is_in_pieces = !segment.is_first || !segment.is_last;
  client_message(segment.type, is_in_pieces ? ByteView(rare_->client_capture) : segment.piece,
                 segment.body_length);
  rare_->replacement.clear();
}

// Whether a Bind that begins has to be whole before it is decided.
bool Conversation::may_hold_bind(const pg::FrameSegment& segment) const {
  if (segment.body_length <= gated_bytes_max) return true;
  // A long one only where it may be of a statement that is held; then it is refused.
  auto names = pg::parse_bind_names(segment.piece);
  if (!names) return true;
  auto prepared = queue_.foreseen_statement(names->statement);
  return prepared && (prepared->hold() != nullptr || prepared->executes_by_name ||
                      prepared->gate_generation != gate_generation_);
}

void Conversation::note_held_bind(const pg::Prepared& prepared, ByteView body) {
  waiting_->statement = prepared.statement.text;
  waiting_->parameters.clear();
  bool is_truncated = false;
  encode_bind_parameters(body, true, &prepared.types, limits_.parameters_bytes_max, waiting_->parameters,
                         is_truncated, {.secrets = prepared.statement.secret_places});
}

// A portal that was bound before these policies were in force: nobody was asked for it then.
bool Conversation::is_portal_asked_for(pg::Portal& portal) {
  if (!may_hold() || portal.gate_generation == gate_generation_) return true;
  judge().wish_hold(*portal.statement);
  if (is_asked_for()) {
    waiting_->statement = portal.statement->statement.text;
    waiting_->parameters = portal.parameters;
    return false;
  }
  portal.gate_generation = gate_generation_;
  return true;
}

}  // namespace ringfence::proxy
