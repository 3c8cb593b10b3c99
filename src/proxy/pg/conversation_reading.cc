// The part of a conversation that knows how the server reads the next text.
//
// The settings by which it reads are reported with ReadyForQuery at the earliest, and what changes them may
// be out of sight: a view, a trigger, a function. So nothing is concluded from what was sent before. A text
// that means the same under all settings (sql/plain.h) passes; any other one goes out only when the server's
// settings are known. Inside a sync group, where no ReadyForQuery comes, a restricted session asks for them
// (probe.h); an unrestricted one, of which nothing is decided, has its text recorded uncut.
#include "conversation.h"
#include "message_text.h"
#include "probe.h"
#include "ringfence/sql/plain.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;

namespace {

// The text in the body of a Query or Parse.
ByteView sql_text_of(char type, ByteView body) {
  if (type == from_client::query) return text_of(body);
  const size_t name_end = body.find('\0');
  return name_end == ByteView::npos ? ByteView() : text_of(body.substr(name_end + 1));
}

bool is_known_plain(char type, ByteView body, uint32_t body_length) {
  return body.size() == body_length && sql::is_plain(sql_text_of(type, body));
}

}  // namespace

// Of an unrestricted session a Parse is recorded as it is, one statement whatever it means.
bool Conversation::reads_text(char type) const {
  return type == from_client::query || (type == from_client::parse && gate_ != nullptr);
}

// False: the message waits for the server's answers, to what stands before it or to what is asked.
bool Conversation::settle_reading(const pg::FrameSegment& segment, ByteView body) {
  if (reading_ == Reading::settled || !reads_text(segment.type)) return true;
  const bool was_waiting = reading_ == Reading::awaited;
  reading_ = Reading::settled;
  is_text_doubtful_ = false;
  if (was_waiting && rare().probe) {
    const std::unique_ptr<Probe> probe = std::move(rare_->probe);
    // Otherwise the group has failed, and the server skips the text.
    if (probe->state() != Probe::State::done) return true;
    note_parameter("standard_conforming_strings", probe->value(0));
    note_parameter("client_encoding", probe->value(1));
    return true;
  }
  // What the server skips it does not read.
  if (queue_.is_skipping()) return true;
  const bool is_told = !is_in_group_ && queue_.is_idle();
  if (is_told && can_cut()) return true;
  if (is_known_plain(segment.type, body, segment.body_length)) return true;
  const bool is_in_copy = queue_.is_in_copy();  // It is refused there, or the COPY has failed and it runs.
  if (is_told || ((is_in_group_ || is_in_copy) && !gate_)) {
    is_text_doubtful_ = true;
    return true;
  }
  if (is_in_copy || (is_in_group_ && queue_.transaction() == pg::TransactionStatus::failed)) {
    refuse_waiting(Refusal::unreadable_text());
    return true;
  }
  if (is_in_group_) {
    rare().probe = std::make_unique<Probe>(Probe::of_settings(gate_->stand_ins().own_name()));
    is_probe_due_ = true;
  }
  reading_ = Reading::awaited;
  return false;
}

bool Conversation::is_reading_known() const {
  const Probe* probe = seen().probe.get();
  if (probe != nullptr) return probe->state() != Probe::State::open || queue_.is_skipping();
  return queue_.is_idle() || queue_.is_in_copy() || queue_.is_skipping();
}

// Behind what stands before the message that waits.
ByteView Conversation::with_probe(ByteView before) {
  if (!std::exchange(is_probe_due_, false)) return before;
  queue_.push_own();
  show(nullptr);
  return gate_->from_client().append_taken(rare_->probe->messages());
}

// A message of the server's that is none of the client's business. False: it does not fit.
bool Conversation::take_own_answer(char type, ByteView body) {
  Probe& probe = *rare_->probe;
  probe.take(type, body);
  if (probe.state() == Probe::State::done) queue_.own_is_answered();
  return probe.state() != Probe::State::failed;
}

bool Conversation::is_own_answer(char type) {
  return rare_ && rare_->probe && Probe::is_answer(type) && queue_.answers_own();
}

}  // namespace ringfence::proxy
