#include "attribution.h"

#include <algorithm>

#include "exchange.h"
#include "result_bound.h"
#include "ringfence/pg/build.h"
#include "witness.h"

namespace ringfence::proxy {

void Attribution::done(const pg::Completion& completion) {
  // What was refused has its whole record already.
  if ((completion.number & pg::unrecorded_statement) != 0) return;
  warn_of_change(completion);
  if (completion.is_presumed) x_.watch.note_doubtful();
  if (x_.spending() != nullptr) ResultBound(x_).note_end(completion);
  if (fits(completion) && x_.withheld() != nullptr)
    x_.recorder.outcome(x_.withheld()->shown(completion), x_.now.ns);
  else if (fits(completion)) x_.recorder.outcome(completion, x_.now.ns);
  else contradicted(completion);
}

// The trail does not go on saying that this text ran.
void Attribution::contradicted(const pg::Completion& completion) {
  const Contradiction what = contradiction(completion);
  const pg::StatementText instead = contradicted_text(what);
  const Uuid id = x_.recorder.new_id(x_.now.us);
  x_.recorder.outcome(completion, x_.now.ns, &instead, &id);
  x_.counters.attribution_mismatches.add();
  x_.recorder.publish(attribution_mismatch(x_.recorder, what, &id, completion.rows, x_.now.us));
  if (witness_ == AttributionWitness::end && !x_.error) {
    is_contradicted_ = true;
    x_.break_off(Fault::malformed, "answered " + what.answered +
                                       " to a statement that is to be answered with " + what.expected);
  }
}

// Something ran that has no record. A server that goes on so is told of once.
void Attribution::note_strays() {
  if (x_.error) return;
  const bool ends = x_.queue.is_lost() || witness_ == AttributionWitness::end;
  if (!std::exchange(has_told_strays_, true)) {
    x_.counters.attribution_mismatches.add();
    x_.recorder.publish(attribution_mismatch(x_.recorder,
                                             std::string("answers of the server fit no recorded statement") +
                                                 (ends ? "; the session was ended" : ""),
                                             x_.now.us));
  }
  if (ends) x_.break_off(Fault::malformed, "its answers fit no statement that was sent");
}

void Attribution::error_outside(const pg::ErrorFields& error, const pg::StatementText* text) {
  if (is_refusal_) return;
  const Uuid id = x_.recorder.new_id(x_.now.us);
  auto event = x_.recorder.event(audit::Category::audit, "postgres_error", audit::Severity::warning,
                                 audit::Outcome::failure, x_.now.us, &id);
  event.text(audit::Tag::sqlstate, error.sqlstate);
  const ShownMessage message = shown_message(error.message, text != nullptr && text->holds_secret());
  event.text(audit::Tag::error_message, message.text);
  Hidden hidden;
  if (text != nullptr) hidden.add(*text);
  if (message.hides) hidden.add(audit::Tag::error_message, error.message);
  x_.recorder.hide(event, hidden, id);
  if (text != nullptr) {
    event.text(audit::Tag::statement, text->text);
    event.integer(audit::Tag::statement_bytes, static_cast<int64_t>(text->full_bytes));
  }
  x_.recorder.publish(std::move(event));
}

// Of a restricted session: a statement that went on with another text has ended.
void Attribution::warn_of_change(const pg::Completion& completion) {
  if (!x_.gate) return;
  const bool is_of_query = x_.gate->is_changed(completion.number);
  const bool is_prepared = completion.prepared != nullptr && !completion.prepared->instead().empty();
  if (!(is_of_query || is_prepared) || completion.ending != pg::Ending::success) return;
  pg::append_notice_response(x_.gate->changed().notices,
                             {.severity = "WARNING",
                              .sqlstate = "01000",
                              // All ASCII, which every client encoding has.
                              .message = "READ WRITE was replaced by READ ONLY",
                              .detail = "Your access level here is read.",
                              .hint = "Ask for a policy of level write on this target."});
}

}  // namespace ringfence::proxy
