#include "server_answers.h"

#include "exchange.h"
#include "message_text.h"
#include "ringfence/pg/build.h"
#include "row_details.h"

namespace ringfence::proxy {

namespace from_server = pg::from_server;

bool hides_columns(const Exchange& x) { return x.gate && hides_columns(x.gate->access()); }

void ServerAnswers::take(char type, ByteView body, uint32_t body_length) {
  const uint64_t bytes = is_dropped ? 0 : pg::frame_header_size + body_length;
  switch (type) {
    case from_server::command_complete: x_.queue.command_complete(text_of(body), bytes, x_.now.ns); break;
    case from_server::ready_for_query: {
      auto status = pg::parse_ready_for_query(body);
      x_.queue.ready(status ? *status : x_.queue.transaction());
      x_.watch.note_rest(x_.queue.is_idle());
      break;
    }
    case from_server::parse_complete: x_.queue.parse_complete(bytes); break;
    case from_server::bind_complete: x_.queue.bind_complete(bytes, x_.now.ns); break;
    case from_server::close_complete: x_.queue.close_complete(bytes); break;
    case from_server::row_description:
    case from_server::no_data: x_.queue.description(bytes); break;
    case from_server::parameter_description:
      x_.queue.parameter_description(body.size() >= 2 ? body.substr(2) : ByteView(), bytes);
      break;
    case from_server::empty_query_response: x_.queue.empty_query(bytes, x_.now.ns); break;
    case from_server::portal_suspended: x_.queue.portal_suspended(bytes, x_.now.ns); break;
    case from_server::function_call_response: x_.queue.function_call_response(bytes, x_.now.ns); break;
    case from_server::copy_in_response: x_.queue.copy_in_response(bytes); break;
    case from_server::error_response: take_error(body, body_length); break;
    case from_server::notice_response:
    case from_server::notification_response:
    case from_server::parameter_status: break;
    default: x_.queue.other(bytes); break;
  }
}

void ServerAnswers::take_error(ByteView body, uint32_t body_length) {
  // Of a long one the beginning is there.
  const auto parsed =
      body.size() == body_length ? pg::parse_error_fields(body) : pg::parse_error_beginning(body);
  pg::ErrorFields fields;
  if (parsed) fields = *parsed;
  else fields.sqlstate = "XX000";
  if (fields.severity == "FATAL" || fields.severity == "PANIC") said_fatal = true;
  bool is_refusal = false;
  if (x_.gate && x_.gate->stand_ins().is_waiting()) {
    const uint64_t number = x_.queue.answers_refusal();
    if (const pg::ErrorFields* refusal = x_.gate->stand_ins().refusal_behind(fields, number)) {
      fields = *refusal;
      is_refusal = true;
      append_refusal(fields);
    }
  }
  if (!is_refusal && hides_columns(x_)) {
    if (std::string shown = without_row(body, body_length); !shown.empty()) replacement = std::move(shown);
  }
  x_.attribution.note_refusal(is_refusal);
  x_.queue.error(fields, pg::frame_header_size + body_length, x_.now.ns);
  x_.watch.note_error();
  x_.attribution.note_refusal(false);
  if (x_.withheld() != nullptr && x_.withheld()->is_untold() && !said_fatal)
    replacement = x_.withheld()->tell_failed();
}

// It quotes what the client wrote, and is ours: UTF-8.
void ServerAnswers::append_refusal(const pg::ErrorFields& fields) {
  const std::string message = pg::text_for(fields.message, x_.reading.client_encoding());
  const std::string hint = pg::text_for(fields.hint, x_.reading.client_encoding());
  pg::ErrorFields shown = fields;
  shown.message = message;
  shown.hint = hint;
  pg::append_error_response(replacement, shown);
}

bool ServerAnswers::take_renewal_answer(char type, ByteView body) {
  switch (type) {
    case from_server::close_complete: x_.queue.close_complete(0); return true;
    case from_server::parse_complete: x_.queue.parse_complete(0); return true;
    case from_server::ready_for_query: {
      const auto status = pg::parse_ready_for_query(body);
      x_.queue.ready(status ? *status : x_.queue.transaction());
      return true;
    }
    case from_server::error_response: {
      const auto fields = pg::parse_error_fields(body);
      x_.queue.error(fields ? *fields : pg::ErrorFields{.sqlstate = "XX000"}, 0, x_.now.ns);
      x_.watch.note_error();
      return true;
    }
    default: return false;
  }
}

}  // namespace ringfence::proxy
