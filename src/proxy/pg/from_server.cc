#include "from_server.h"

#include "message_text.h"
#include "ringfence/base/thread_counts.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/parse.h"
#include "server_answers.h"

namespace ringfence::proxy {

namespace from_server = pg::from_server;
using pg::FrameSegment;

namespace {

// Whether the message has to be read, not only counted.
bool is_read(char type) {
  switch (type) {
    case from_server::data_row:
    case from_server::copy_data:
    case from_server::copy_done:
    case from_server::row_description:
    case from_server::notification_response: return false;
    default: return true;
  }
}

// Whether the message may end a statement, whose outcome then needs room in the trail.
bool may_complete(char type) {
  switch (type) {
    case from_server::command_complete:
    case from_server::error_response:
    case from_server::empty_query_response:
    case from_server::portal_suspended:
    case from_server::function_call_response:
    case from_server::ready_for_query: return true;
    default: return false;
  }
}

}  // namespace

Advance FromServer::advance(ByteView chunk, size_t& at, Now now) {
  x_.now = now;
  FrameSegment segment;
  Rewriter* const rewriter = out();
  if (rewriter != nullptr && !rewriter->is_open()) rewriter->begin(chunk);
  for (;;) {
    const bool is_resumed = rare_ && rare_->segment;
    if (is_resumed) {
      segment = *std::exchange(rare_->segment, std::nullopt);
    } else {
      const pg::FrameCursor::Step step = cursor_.next(chunk, at, segment);
      if (step == pg::FrameCursor::Step::need_more) {
        hold_cut_header();
        return Advance::all;
      }
      if (step == pg::FrameCursor::Step::broken) {
        x_.error = std::make_unique<Error>(cursor_.error());
        return Advance::broken;
      }
    }
    if (rewriter != nullptr) rewriter->note_end(segment.end);
    if (is_nobodys(segment.type)) {
      if (!swallow(segment)) return Advance::broken;
      continue;
    }
    const bool is_dropped = x_.gate != nullptr && bound().drops(segment);
    if (segment.type == from_server::data_row || segment.type == from_server::copy_data) {
      if (is_dropped) rewriter->replace(segment.begin, segment.end, {});
      else count_rows(chunk, at, segment);
      continue;
    }
    ByteView body = segment.piece;
    if (!segment.is_first || !segment.is_last) {
      if (rewriter != nullptr && !segment.is_last) hold_piece(segment, is_dropped);
      if (!is_resumed) keep_piece(segment);
      if (!segment.is_last) continue;
      body = rare_ ? ByteView(rare_->capture) : ByteView();
    }
    if (may_complete(segment.type) && !x_.recorder.has_room(Recorder::outcome_bytes_max)) {
      rare().segment = segment;
      return Advance::wait_trail;
    }
    take(segment, body, is_dropped);
    if (!segment.is_first && rare_) pg::clear_buffer(rare_->capture);
    if (x_.queue.has_stray_end() || x_.queue.is_lost()) x_.attribution.note_strays();
    if (x_.error) return Advance::broken;
  }
}

// What follows is the beginning of a header. It may begin the answer to a refusal.
void FromServer::hold_cut_header() {
  if (cursor_.held_header().empty()) return;
  const bool may_change =
      named_ || (x_.gate && (x_.gate->stand_ins().is_waiting() || x_.reading.is_asking() || x_.has_renewed ||
                             hides_columns(x_) || x_.spending() != nullptr || x_.withheld() != nullptr));
  if (may_change) out()->hold_tail();
}

// Of a message that is not whole. Only an error that is short enough to be one of ours is held, and what may
// tell of the name.
void FromServer::hold_piece(const FrameSegment& segment, bool is_dropped) {
  const bool is_error = segment.type == from_server::error_response;
  const bool may_change = (is_error && x_.gate && x_.gate->stand_ins().is_waiting()) ||
                          (segment.type == from_server::parameter_status && named_);
  const bool hides = is_dropped || (is_error && (hides_columns(x_) || x_.withheld() != nullptr));
  Rewriter& rewriter = *out();
  if (is_dropped) return rewriter.replace(segment.begin, segment.end, {});
  if ((may_change || hides) && segment.body_length <= server_capture_bytes_max)
    rewriter.hold(segment.begin, segment.end);
  else if (hides) rewriter.replace(segment.begin, segment.end, {});  // Of a long one the beginning is sent.
  else rewriter.pass(segment.end);
}

void FromServer::keep_piece(const FrameSegment& segment) {
  if (segment.is_first && rare_) rare_->capture.clear();
  const size_t max = is_read(segment.type) ? server_capture_bytes_max : 0;
  const size_t have = rare_ ? rare_->capture.size() : 0;
  if (have >= max) return;
  const ByteView kept = segment.piece.substr(0, max - have);
  rare().capture.append(kept);
  count_copy(kept.size());
}

// What comes by the thousand is only counted.
void FromServer::count_rows(ByteView chunk, size_t& at, const FrameSegment& segment) {
  const auto count = [&](uint32_t rows, uint64_t bytes) {
    if (segment.type == from_server::data_row) x_.queue.data_rows(rows, bytes);
    else x_.queue.other(bytes);
    if (x_.gate) bound().count(rows, bytes);
  };
  if (segment.is_first) count(1, pg::frame_header_size + segment.body_length);
  if (segment.is_last) {
    const Spending::Left left = bound().left();
    const pg::FrameCursor::Run run = cursor_.next_run(chunk, at, segment.type, left.rows, left.bytes);
    if (run.messages > 0) count(run.messages, run.bytes);
  }
  if (Rewriter* rewriter = out()) {
    rewriter->pass(segment.end);
    rewriter->note_end(at);
  }
}

// A whole message, which was taken.
void FromServer::pass(const FrameSegment& segment) {
  Rewriter& rewriter = *out();
  if (named_ && std::exchange(named_->is_hidden, false)) rewriter.replace(segment.begin, segment.end, {});
  else if (rare_ && !rare_->replacement.empty())
    rewriter.replace(segment.begin, segment.end, std::exchange(rare_->replacement, {}));
  else if (x_.gate && x_.gate->has_notices()) rewriter.pass_with(segment.end, x_.gate->take_notices());
  else rewriter.pass(segment.end);
}

// ---------------------------------------------------------------- answers to what the appliance asks

bool FromServer::is_nobodys(char type) const {
  if (x_.reading.is_own_answer(x_, type)) return true;
  if (!x_.has_renewed) return false;
  switch (type) {
    case from_server::close_complete:
    case from_server::parse_complete: return x_.queue.answers_renewal(false);
    case from_server::ready_for_query: return x_.queue.answers_renewal(true);
    case from_server::error_response: return x_.queue.hides_error();
    default: return false;
  }
}

// False: it does not fit.
bool FromServer::swallow(const FrameSegment& segment) {
  Rewriter& rewriter = *out();
  ByteView body = segment.piece;
  if (!segment.is_first || !segment.is_last) {
    std::string& kept = rare().capture;
    if (segment.is_first) kept.clear();
    if (segment.body_length > probe_bytes_max) {
      x_.break_off(Fault::malformed, "the answer to a statement of the appliance's own is too long");
      return false;
    }
    kept.append(body);
    if (!segment.is_last) {
      rewriter.hold(segment.begin, segment.end);
      return true;
    }
    body = kept;
  }
  rewriter.replace(segment.begin, segment.end, {});
  if (x_.has_renewed && x_.queue.answers_renewal(segment.type == from_server::ready_for_query)
          ? ServerAnswers(x_).take_renewal_answer(segment.type, body)
          : x_.reading.take_own_answer(x_, segment.type, body)) {
    return true;
  }
  x_.break_off(Fault::malformed, "its answers do not fit a statement of the appliance's own");
  return false;
}

// ---------------------------------------------------------------- messages

void FromServer::take(const FrameSegment& segment, ByteView body, bool is_dropped) {
  if (segment.type == from_server::parameter_status) {
    if (auto status = pg::parse_parameter_status(body)) take_parameter(status->name, status->value);
  } else {
    ServerAnswers answers(x_);
    answers.is_dropped = is_dropped;
    answers.take(segment.type, body, segment.body_length);
    said_fatal_ = said_fatal_ || answers.said_fatal;
    if (!answers.replacement.empty()) rare().replacement = std::move(answers.replacement);
  }
  Rewriter* const rewriter = out();
  if (x_.spending() != nullptr || x_.withheld() != nullptr) {
    auto shown = bound().pass(segment, body, is_dropped);
    if (!shown) return rewriter->replace(segment.begin, segment.end, {});
    if (!shown->empty()) rare().replacement = std::move(*shown);
  }
  if (rewriter != nullptr) pass(segment);
}

void FromServer::keep_name(std::string_view reset_to, std::string_view name) {
  if (reset_to == name) return;
  named_ = std::make_unique<Named>();
  named_->reset_to = reset_to;
  named_->name = named_->told = name;
}

// As if the session's name stood where RESET returns to: then the server says nothing where nothing changes.
void FromServer::take_parameter(std::string_view name, std::string_view value) {
  if (!named_ || name != "application_name") return x_.reading.note_parameter(x_, name, value);
  x_.reading.report(name, value);
  named_->is_lost = value == named_->reset_to;
  const std::string_view shown = named_->is_lost ? std::string_view(named_->name) : value;
  x_.recorder.rename_application(shown);
  named_->is_hidden = shown == named_->told;
  if (named_->is_hidden) return;
  named_->told = shown;
  if (named_->is_lost) pg::append_parameter_status(rare().replacement, name, shown);
}

// ---------------------------------------------------------------- bodies that nobody reads

// What is held of a chunk ends where the segment does.
void FromServer::move_chunk(ByteView chunk) {
  if (Rewriter* rewriter = out()) rewriter->move_chunk(chunk);
  if (!rare_ || !rare_->segment) return;
  FrameSegment& held = *rare_->segment;
  held.piece = chunk.substr(held.end - held.piece.size(), held.piece.size());
}

uint32_t FromServer::body_to_pass() const {
  const uint32_t remaining = cursor_.body_remaining();
  return remaining <= 1 || x_.withheld() != nullptr || is_read(cursor_.open_type()) ? 0 : remaining - 1;
}

}  // namespace ringfence::proxy
