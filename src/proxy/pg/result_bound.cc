#include "result_bound.h"

#include <algorithm>

#include "exchange.h"
#include "ringfence/pg/parse.h"

namespace ringfence::proxy {

namespace from_server = pg::from_server;

namespace {

bool is_row(char type) { return type == from_server::data_row || type == from_server::copy_data; }

// What a statement gives its client. The end of a statement is never too much.
bool is_result(char type) {
  return is_row(type) || type == from_server::row_description || type == from_server::notice_response ||
         type == from_server::function_call_response;
}

// An error that is longer than this is a result: what it quotes may be anything that the statement has read.
constexpr uint32_t error_bytes_free = 1'024;

// Passes while a result is withheld. Of these an ErrorResponse and a ReadyForQuery may be replaced.
bool passes(char type) {
  switch (type) {
    case from_server::error_response:
    case from_server::ready_for_query:
    case from_server::notification_response:
    case from_server::parameter_status:
    case from_server::negotiate_protocol_version: return true;
    default: return false;
  }
}

uint64_t bytes_of(const pg::FrameSegment& segment) { return pg::frame_header_size + segment.body_length; }

constexpr std::string_view reading_tags[] = {"SELECT", "FETCH", "MOVE", "SHOW", "EXPLAIN", "COPY"};

// Whether nothing differs at the server from what it were if the statement had failed. Of views and of what
// they call the text says nothing; they count as reading, and the ERROR says that the statement completed.
bool only_reads(const pg::Completion& completion, bool is_read_session) {
  if (completion.ending == pg::Ending::failure || completion.ending == pg::Ending::not_executed) return true;
  if (completion.ending == pg::Ending::unknown) return false;
  if (!is_read_session && completion.unseen > pg::Unseen::relation) return false;
  if (completion.is_empty_answer || completion.ending == pg::Ending::suspended) return true;
  // A FunctionCall has no tag.
  if (completion.tag.empty()) return completion.unseen == pg::Unseen::none;
  const std::string_view verb = completion.tag.substr(0, completion.tag.find(' '));
  return std::find(std::begin(reading_tags), std::end(reading_tags), verb) != std::end(reading_tags);
}

// While a portal may be gone on with, what it has given counts with what others give: until its transaction
// ends.
void note_statement_end(Spending& spending, char type, ByteView body) {
  switch (type) {
    case from_server::portal_suspended: spending.portal_is_suspended(); break;
    case from_server::ready_for_query:
      if (body == "I") spending.transaction_is_over();
      else spending.statement_is_over();
      break;
    case from_server::command_complete:
    case from_server::error_response:
    case from_server::empty_query_response:
    case from_server::function_call_response: spending.statement_is_over(); break;
    default: break;
  }
}

}  // namespace

WithheldResult* ResultBound::withheld() const { return x_.withheld(); }

bool ResultBound::drops(const pg::FrameSegment& segment) {
  WithheldResult* const withheld = x_.withheld();
  const bool is_withheld = withheld != nullptr && withheld->is_untold();
  if (!segment.is_first) {
    const bool is_dropped = is_withheld && !withheld->passes_open();
    if (withheld != nullptr && segment.is_last && !is_dropped) withheld->note_open(false);
    return is_dropped;
  }
  if (!is_withheld) {
    if (x_.spending() == nullptr || !begins(segment)) return false;
    const bool is_replaced = passes(segment.type);
    if (is_replaced) x_.withheld()->note_open(!segment.is_last);
    return !is_replaced;
  }
  const bool is_notice = segment.type == from_server::notice_response;
  const bool is_passed = passes(segment.type) || (is_notice && left().holds(0, bytes_of(segment)));
  withheld->note_open(is_passed && !segment.is_last);
  return !is_passed;
}

// Whether it is too much, and the first message that is.
bool ResultBound::begins(const pg::FrameSegment& segment) {
  const bool is_long_error =
      segment.type == from_server::error_response && segment.body_length > error_bytes_free;
  if (!is_result(segment.type) && !is_long_error) return false;
  Spending& spending = *x_.spending();
  const uint64_t rows = is_row(segment.type) ? 1 : 0;
  if (spending.left().holds(rows, bytes_of(segment)) || x_.queue.is_idle()) return false;
  x_.counters.limits_reached.add();
  auto& changed = x_.gate->changed();
  changed.withheld = std::make_unique<WithheldResult>(x_, spending.exceeded(rows, bytes_of(segment)),
                                                      spending.rows(), spending.bytes());
  if (x_.queue.is_in_copy())
    changed.withheld->give_up("the server reads copy data meanwhile; the statement is rolled back");
  return true;
}

Spending::Left ResultBound::left() const {
  return x_.spending() != nullptr ? x_.spending()->left() : Spending::Left{~uint64_t{0}, ~uint64_t{0}};
}

void ResultBound::count(uint64_t rows, uint64_t bytes) {
  if (x_.spending() != nullptr) x_.spending()->add(rows, bytes);
}

std::optional<std::string> ResultBound::pass(const pg::FrameSegment& segment, ByteView body,
                                             bool is_dropped) {
  WithheldResult* const withheld = x_.withheld();
  std::optional<std::string> shown = std::string();
  if (is_dropped) shown.reset();
  if (withheld != nullptr && withheld->is_untold()) {
    const bool wants_copy =
        segment.type == from_server::copy_in_response || segment.type == from_server::copy_both_response;
    if (wants_copy) withheld->give_up("the next statement of its message reads copy data");
    if (segment.type == from_server::ready_for_query) {
      std::string instead = withheld->tell_ready(x_.queue.transaction(), x_.gate->changed().has_written);
      if (instead.empty()) shown.reset();
      else shown = std::move(instead);
    }
  }
  spend(segment, body, is_dropped);
  return shown;
}

void ResultBound::spend(const pg::FrameSegment& segment, ByteView body, bool is_dropped) {
  if (segment.type == from_server::ready_for_query) x_.gate->changed().has_written = false;
  if (x_.spending() == nullptr) return;
  if (!is_dropped) x_.spending()->add(0, bytes_of(segment));
  note_statement_end(*x_.spending(), segment.type, body);
}

void ResultBound::note_end(const pg::Completion& completion) {
  const bool is_read_session = x_.gate->access().level == policy::Level::read;
  if (!only_reads(completion, is_read_session)) x_.gate->changed().has_written = true;
}

void ResultBound::look(Relay& relay) {
  if (WithheldResult* withheld = x_.withheld()) withheld->look(relay);
}

}  // namespace ringfence::proxy
