#include "from_client.h"

#include <algorithm>

#include "admission.h"
#include "message_text.h"
#include "ringfence/pg/parse.h"
#include "sql_names.h"
#include "statement_starts.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;
using pg::FrameSegment;
using State = PendingMessage::State;

// How much of a message that comes in pieces is kept.
size_t FromClient::capture_max(char type) const {
  if (x_.message.is_gated) return gated_bytes_max;
  switch (type) {
    // Of a long text more is kept than is recorded: a comment may stand in front of the statement.
    case from_client::query:
    case from_client::parse:
      return std::max<size_t>(x_.limits.statement_bytes_max + names_bytes_max, query_bytes_max);
    case from_client::bind:
    case from_client::function_call: return x_.limits.parameters_bytes_max + names_bytes_max;
    case from_client::execute:
    case from_client::describe:
    case from_client::close: return names_bytes_max;
    default: return 0;
  }
}

Advance FromClient::advance(ByteView chunk, size_t& at, Now now) {
  x_.now = now;
  begin_chunk(chunk);
  FrameSegment segment;
  for (;;) {
    const Next step = next(chunk, at, segment);
    if (step == Next::over) return Advance::all;
    if (step == Next::broken) return Advance::broken;
    const bool is_resumed = step == Next::resumed;
    PendingMessage& message = x_.message;
    // Decided anew where the policies have changed while it waited for room.
    const bool is_new = !is_resumed || (segment.is_last && message.generation != x_.generation &&
                                        message.state == State::judging && !message.is_let_in());
    message.begin = static_cast<uint32_t>(segment.begin);
    if (x_.gate && segment.is_first && is_new && !begin_message(segment)) {
      message.state = State::untaken;
      message.wait(segment);
      return Advance::wait_answer;
    }
    ByteView body = segment.piece;
    if (!segment.is_first || !segment.is_last) {
      if (!is_resumed) message.keep(segment, capture_max(segment.type));
      if (!segment.is_last) {
        if (x_.gate) hold(segment);
        continue;
      }
      body = message.seen().capture;
    }
    const Advance taken = take(segment, body);
    if (taken != Advance::all) return taken;
    finish(segment, body);
  }
}

void FromClient::begin_chunk(ByteView chunk) {
  if (!x_.gate || x_.gate->from_client().is_open()) return;
  x_.gate->from_client().begin(chunk);
  // It got its gate in the middle of the chunk.
  if (sent_ > 0) x_.gate->from_client().skip(std::exchange(sent_, 0));
}

FromClient::Next FromClient::next(ByteView chunk, size_t& at, FrameSegment& segment) {
  PendingMessage& message = x_.message;
  if (message.own && message.own->segment) {
    segment = *std::exchange(message.own->segment, std::nullopt);
    if (message.state == State::unpaid) message.state = State::judging;
    if (message.state != State::untaken) return Next::resumed;
    message.state = State::coming;
    return Next::fresh;
  }
  switch (cursor_.next(chunk, at, segment)) {
    case pg::FrameCursor::Step::need_more:
      if (x_.gate && !cursor_.held_header().empty()) x_.gate->from_client().hold_tail();
      return Next::over;
    case pg::FrameCursor::Step::broken:
      x_.error = std::make_unique<Error>(cursor_.error());
      x_.counters.limits_reached.add();
      return Next::broken;
    case pg::FrameCursor::Step::segment: break;
  }
  if (x_.gate) x_.gate->from_client().note_end(segment.end);
  return Next::fresh;
}

// Of a restricted session. False: nothing of it can be taken yet.
bool FromClient::begin_message(const FrameSegment& segment) {
  const bool must_wait = x_.is_watched() && x_.group.guard().must_wait(segment.type, x_.queue.is_idle());
  if (must_wait || x_.group.must_know_names(x_, segment.type)) return false;
  if (x_.may_hold()) x_.group.mark(x_, segment);
  x_.message.is_gated = Admission(x_).is_to_be_decided(segment);
  x_.message.generation = x_.generation;
  return true;
}

bool FromClient::is_clear() const {
  const bool is_untaken = x_.message.state == State::untaken;
  return x_.has_room_in_queue() && (!is_untaken || x_.queue.is_idle()) && x_.reading.is_clear(x_);
}

// A piece of a message that is not whole.
void FromClient::hold(const pg::FrameSegment& segment) {
  if (!x_.message.is_gated) {
    x_.gate->from_client().pass(segment.end);
  } else if (segment.body_length > gated_bytes_max) {
    // It will be refused; none of it is needed.
    x_.gate->from_client().replace(segment.begin, segment.end, {});
  } else {
    x_.gate->from_client().hold(segment.begin, segment.end);
  }
}

// A whole message, or the beginning of one of which nobody needs more.
Advance FromClient::take(const FrameSegment& segment, ByteView body) {
  PendingMessage& message = x_.message;
  if (message.state == State::coming) message.state = State::judging;
  if (!x_.has_room_in_queue()) {
    message.wait(segment);
    return Advance::wait_queue;
  }
  if (!x_.reading.settle(x_, segment, body)) {
    message.wait(segment);
    return Advance::wait_answer;
  }
  if (x_.error) return Advance::broken;
  if (!take_message(segment.type, body, segment.body_length)) {
    message.wait(segment);
    return waiting_reason();
  }
  return x_.error ? Advance::broken : Advance::all;
}

// False: it waits, for room in the trail or as its state says.
bool FromClient::take_message(char type, ByteView body, uint32_t body_length) {
  if (!has_room_for_name(type, body)) return true;
  StatementStarts starts(x_);
  if (starts.settles_binds(type) && !starts.record_binds()) return false;
  if (x_.message.is_gated) {
    if (!Admission(x_).admit(type, body, body_length)) return false;
    if (x_.message.has_replacement() || x_.error) return true;
  }
  switch (type) {
    case from_client::query:
      if (!starts.on_query(body, body_length)) return false;
      break;
    case from_client::execute: return starts.on_execute(body, body_length);
    case from_client::function_call: return starts.on_function_call(body, body_length);
    case from_client::parse: starts.on_parse(body, body_length); break;
    case from_client::bind: starts.on_bind(body, body_length); return true;
    default: push_other(type, body, body_length); return true;
  }
  if (x_.judged().has_changes()) Admission(x_).change(type, body);
  return true;
}

// What starts no statement.
void FromClient::push_other(char type, ByteView body, uint32_t body_length) {
  switch (type) {
    case from_client::describe:
    case from_client::close: {
      // What cannot be parsed goes to the server all the same, which refuses it.
      auto object = pg::parse_describe(body);
      pg::NamedObject named = object ? *object : pg::NamedObject{};
      if (type == from_client::describe) x_.queue.push_describe(named.is_portal, named.name);
      else x_.queue.push_close(named.is_portal, named.name);
      break;
    }
    case from_client::sync:
      x_.queue.push_sync();
      x_.group.guard().close();
      break;
    case from_client::copy_data: x_.queue.copy_data(pg::frame_header_size + body_length); break;
    case from_client::copy_done:
    case from_client::copy_fail: x_.queue.push_copy_end(); break;
    case from_client::terminate:
      x_.client_said_goodbye = true;
      x_.queue.push_terminate();
      break;
    case from_client::flush:
      if (body_length > 0) x_.queue.push_bad_flush();
      break;
    default: break;  // What is unknown the server refuses.
  }
}

void FromClient::finish(const FrameSegment& segment, ByteView body) {
  PendingMessage& message = x_.message;
  if (message.has_replacement()) x_.watch.show(nullptr);
  x_.reading.finish();
  x_.group.note(segment.type);
  if (x_.gate) {
    x_.gate->forget();
    Rewriter& out = x_.gate->from_client();
    if (message.has_replacement()) out.replace(segment.begin, segment.end, message.own->replacement);
    else out.pass(segment.end);
    if (out.is_marked()) x_.group.settle(x_, segment.type, body);
  }
  // Behind the last look at the body, which stands there if the message came in pieces.
  message.finish();
}

Advance FromClient::waiting_reason() {
  const State state = x_.message.state;
  if (state == State::unpaid) return Advance::wait_budget;
  if (state != State::analysing && state != State::held) return Advance::wait_trail;
  // Also without rules that hold: what was before it is answered meanwhile.
  if (!x_.gate->from_client().is_marked()) {
    x_.gate->from_client().mark(x_.message.own->segment->begin);
    x_.group.keep_from(x_.queue.end_place());
  }
  return state == State::held ? Advance::wait_hold : Advance::wait_analysis;
}

void FromClient::drop_waiting(Refusal refusal, Now now) {
  x_.now = now;
  x_.message.refuse(std::move(refusal), PendingMessage::Word::dropped);
  const FrameSegment segment = *x_.message.own->segment;
  const bool is_in_pieces = !segment.is_first || !segment.is_last;
  take_message(segment.type, is_in_pieces ? ByteView(x_.message.own->capture) : segment.piece,
               segment.body_length);
  x_.message.own->replacement.clear();
}

// Whether a prepared statement or a portal with a name would come of it. Those without are one each.
bool FromClient::wants_a_name(char type, ByteView body) const {
  if (type == from_client::query) return makes_names(text_of(body), x_.pools);
  if (type != from_client::parse && type != from_client::bind) return false;
  const size_t name_end = body.find('\0');
  if (name_end > 0) return true;
  return type == from_client::parse && makes_names(text_of(body.substr(1)), x_.pools);
}

// False: the session ends. What is held, or partly recorded, was let in before.
bool FromClient::has_room_for_name(char type, ByteView body) {
  if (x_.queue.kept_bytes() < x_.limits.prepared_bytes_max || x_.message.is_let_in()) return true;
  if (!wants_a_name(type, body)) return true;
  x_.has_too_many_names = true;
  x_.break_off(Fault::limit, "its prepared statements and portals keep " +
                                 std::to_string(x_.queue.kept_bytes()) +
                                 " bytes of the appliance's memory, and may keep " +
                                 std::to_string(x_.limits.prepared_bytes_max));
  x_.counters.limits_reached.add();
  return false;
}

// ---------------------------------------------------------------- what goes out

ByteView FromClient::to_server(ByteView chunk) {
  if (!x_.gate) return chunk.substr(std::exchange(sent_, 0));
  Rewriter& out = x_.gate->from_client();
  const bool was_marked = out.is_marked();
  const ByteView bytes = out.finish(x_.queue.size() < group_messages_max ? group_bytes_max : 0);
  if (was_marked && !out.is_marked()) {
    x_.counters.limits_reached.add();  // The group is longer than what is kept back.
    x_.group.let_out();
  }
  return bytes;
}

ByteView FromClient::to_server_so_far(ByteView chunk) {
  const size_t begin = x_.message.rare().segment->begin;
  if (!x_.gate) {
    const size_t from = std::exchange(sent_, static_cast<uint32_t>(begin));
    return chunk.substr(from, begin - from);
  }
  Rewriter& out = x_.gate->from_client();
  if (!out.is_marked()) return x_.reading.with_probe(x_, out.take(begin));
  if (!out.keeps_before(begin)) return x_.reading.with_probe(x_, out.take_before_mark());
  // A sync group that fills the pipeline by itself.
  out.unmark();
  x_.group.let_out();
  return x_.reading.with_probe(x_, out.take(begin));
}

void FromClient::move_chunk(ByteView chunk) {
  if (x_.gate) x_.gate->from_client().move_chunk(chunk);
  x_.message.move_chunk(chunk);
}

uint32_t FromClient::body_to_pass() const {
  const uint32_t remaining = cursor_.body_remaining();
  if (remaining <= 1) return 0;
  const char type = cursor_.open_type();
  // Of a text all is read, if only for its digest.
  if (type == from_client::query || type == from_client::parse || x_.message.is_gated) return 0;
  if (x_.message.seen().capture.size() < capture_max(type)) return 0;
  // What stands before it is kept back.
  if (x_.gate && x_.gate->from_client().is_marked()) return 0;
  return remaining - 1;
}

}  // namespace ringfence::proxy
