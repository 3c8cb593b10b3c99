#include "text_reading.h"

#include "exchange.h"
#include "message_text.h"
#include "ringfence/sql/plain.h"

namespace ringfence::proxy {

namespace {

namespace from_client = pg::from_client;

// The text in the body of a Query or Parse.
ByteView sql_text_of(char type, ByteView body) {
  if (type == from_client::query) return text_of(body);
  const size_t name_end = body.find('\0');
  return name_end == ByteView::npos ? ByteView() : text_of(body.substr(name_end + 1));
}

bool is_known_plain(char type, ByteView body, uint32_t body_length) {
  return body.size() == body_length && sql::is_plain(sql_text_of(type, body));
}

// Of an unrestricted session a Parse is recorded as it is, one statement whatever it means.
bool reads_text(const Exchange& x, char type) {
  return type == from_client::query || (type == from_client::parse && x.gate != nullptr);
}

}  // namespace

void TextReading::note_parameter(Exchange& x, std::string_view name, std::string_view value) {
  report(name, value);
  if (x.gate && x.gate->access().level == policy::Level::read && name == "default_transaction_read_only" &&
      value == "off") {
    x.break_off(Fault::denied, "the session is no longer read-only");
  }
  if (name == "standard_conforming_strings") strings_are_standard_ = value == "on";
  if (name == "application_name") x.recorder.rename_application(value);
  // Encodings in which an ASCII byte can be a part of another character.
  if (name == "server_encoding") x.queue.use_server_encoding(pg::Encoding::named(value));
  if (name == "client_encoding") {
    client_encoding_ = pg::Encoding::named(value);
    x.queue.use_client_encoding(pg::Encoding::named(value));
    encoding_is_safe_ = value != "SJIS" && value != "SHIFT_JIS_2004" && value != "BIG5" && value != "GBK" &&
                        value != "GB18030" && value != "UHC" && value != "JOHAB";
  }
  if (x.gate && !can_cut()) {
    x.break_off(Fault::denied, "with " + std::string(name) + " = " + std::string(value) +
                                   " statements cannot be read safely, which your access needs");
  }
}

bool TextReading::settle(Exchange& x, const pg::FrameSegment& segment, ByteView body) {
  if (state_ == State::settled || !reads_text(x, segment.type)) return true;
  const bool was_waiting = state_ == State::awaited;
  state_ = State::settled;
  is_text_doubtful_ = false;
  return was_waiting && probe_ ? settle_by_answers(x) : settle_anew(x, segment, body);
}

bool TextReading::settle_by_answers(Exchange& x) {
  const std::unique_ptr<Probe> probe = std::move(probe_);
  // Otherwise the group has failed, and the server skips the text.
  if (probe->state() != Probe::State::done) return true;
  note_parameter(x, "standard_conforming_strings", probe->value(0));
  note_parameter(x, "client_encoding", probe->value(1));
  return true;
}

bool TextReading::settle_anew(Exchange& x, const pg::FrameSegment& segment, ByteView body) {
  // What the server skips it does not read.
  if (x.queue.is_skipping()) return true;
  const bool is_in_group = x.group.is_open();
  const bool is_told = !is_in_group && x.queue.is_idle();
  if (is_told && can_cut()) return true;
  if (is_known_plain(segment.type, body, segment.body_length)) return true;
  const bool is_in_copy = x.queue.is_in_copy();  // It is refused there, or the COPY has failed and it runs.
  if (is_told || ((is_in_group || is_in_copy) && !x.gate)) {
    is_text_doubtful_ = true;
    return true;
  }
  if (is_in_copy || (is_in_group && x.queue.transaction() == pg::TransactionStatus::failed)) {
    x.message.refuse(Refusal::unreadable_text());
    return true;
  }
  if (is_in_group) {
    probe_ = std::make_unique<Probe>(Probe::of_settings(x.gate->stand_ins().own_name()));
    is_probe_due_ = true;
  }
  state_ = State::awaited;
  return false;
}

bool TextReading::is_known(const Exchange& x) const {
  if (probe_) return probe_->state() != Probe::State::open || x.queue.is_skipping();
  return x.queue.is_idle() || x.queue.is_in_copy() || x.queue.is_skipping();
}

ByteView TextReading::with_probe(Exchange& x, ByteView before) {
  if (!std::exchange(is_probe_due_, false)) return before;
  x.queue.push_own();
  x.watch.show(nullptr);
  return x.gate->from_client().append_taken(probe_->messages());
}

bool TextReading::take_own_answer(Exchange& x, char type, ByteView body) {
  probe_->take(type, body);
  if (probe_->state() == Probe::State::done) x.queue.own_is_answered();
  return probe_->state() != Probe::State::failed;
}

bool TextReading::is_own_answer(Exchange& x, char type) const {
  return probe_ && Probe::is_answer(type) && x.queue.answers_own();
}

}  // namespace ringfence::proxy
