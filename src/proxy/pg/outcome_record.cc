#include "outcome_record.h"

#include "recorder.h"
#include "ringfence/audit/json.h"
#include "ringfence/base/utf8.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

using audit::FieldWriter;
using audit::Outcome;
using audit::Severity;
using audit::Tag;

std::string sent_on(std::string_view instead) {
  std::string json = "{\"sent_on\":";
  audit::append_json_string(json, instead);
  return json + "}";
}

OutcomeRecord::OutcomeRecord(const pg::Completion& completion, const pg::StatementText* instead)
    : completion_(completion), ran_(instead == nullptr ? completion.ran_instead : nullptr), text_(instead) {
  if (ran_ == nullptr) return;
  if (!ran_->statement) unknown_ = unknown_text(*ran_);
  text_ = ran_->statement ? &ran_->statement->statement : &unknown_;
}

size_t OutcomeRecord::bytes_max() const {
  size_t bytes = outcome_bytes_max;
  if (text_ != nullptr) bytes += text_->text.size() + text_->raw().size() + text_->unredacted().size();
  if (ran_ != nullptr) bytes += ran_->parameters.size() + ran_->secret_parameters.size();
  if (ran() != nullptr) bytes += ran()->rule.size() + Decided{.instead = ran()->instead()}.instead_bytes();
  return bytes;
}

void OutcomeRecord::write(FieldWriter& out, TrailDoor& door, uint64_t now_ns, const Uuid* id) {
  // No time, and an id only where an event tells of it: joined with its start, the row keeps the start's.
  if (id != nullptr) out.uuid(Tag::id, *id);
  write_ending(out, door.counters);
  if (text_ != nullptr) write_correction(out);
  if (!completion_.cut_by.empty()) out.text(Tag::rule, completion_.cut_by);
  write_result(out, door.counters, now_ns);
  write_answer(out);
  write_metadata(out);
  if (!hidden_.is_empty()) write_hidden(out, door);
}

void OutcomeRecord::write_ending(FieldWriter& out, ShardCounters& counters) const {
  Outcome outcome = Outcome::unknown;
  Severity severity = Severity::info;
  const bool is_cancelled =
      completion_.error != nullptr && completion_.error->sqlstate == pg::sqlstate::query_canceled;
  switch (completion_.ending) {
    case pg::Ending::success:
    case pg::Ending::suspended:
      outcome = completion_.cut_by.empty() ? Outcome::success : Outcome::withheld;
      if (!completion_.cut_by.empty()) severity = Severity::warning;
      (completion_.cut_by.empty() ? counters.statements_succeeded : counters.statements_withheld).add();
      break;
    case pg::Ending::failure:
      outcome = is_cancelled ? Outcome::cancelled : Outcome::failure;
      severity = Severity::warning;
      (is_cancelled ? counters.statements_cancelled : counters.statements_failed).add();
      break;
    case pg::Ending::not_executed:
      outcome = Outcome::not_executed;
      counters.statements_not_executed.add();
      break;
    case pg::Ending::unknown:
      severity = Severity::warning;
      counters.statements_unknown.add();
      break;
  }
  out.text(Tag::severity, audit::name(severity));
  out.text(Tag::outcome, audit::name(outcome));
}

void OutcomeRecord::write_correction(FieldWriter& out) {
  out.text(Tag::statement, text_->text);
  out.integer(Tag::statement_bytes, static_cast<int64_t>(text_->full_bytes));
  out.boolean(Tag::statement_truncated, text_->is_truncated);
  if (!text_->raw().empty()) out.text(Tag::statement_raw, text_->raw());
  if (!text_->sha256().empty()) out.text(Tag::statement_sha256, text_->sha256());
  if (text_->begin > 0) out.integer(Tag::statement_begin, static_cast<int64_t>(text_->begin));
  if (ran_ == nullptr) {
    hidden_.add(*text_);
    return;
  }
  if (!ran_->parameters.empty()) out.text(Tag::parameters, ran_->parameters);
  out.boolean(Tag::parameters_truncated, ran_->parameters_truncated);
  if (completion_.cut_by.empty() && ran() != nullptr && !ran()->rule.empty())
    out.text(Tag::rule, ran()->rule);
  hidden_.add(*text_, ran_->secret_parameters);
}

void OutcomeRecord::write_result(FieldWriter& out, ShardCounters& counters, uint64_t now_ns) const {
  const uint64_t duration_ns = now_ns > completion_.since_ns ? now_ns - completion_.since_ns : 0;
  if (completion_.ending != pg::Ending::not_executed) {
    out.integer(Tag::duration_us, static_cast<int64_t>(duration_ns / 1000));
    counters.statement_duration.add(duration_ns);
  }
  out.integer(Tag::rows, static_cast<int64_t>(completion_.rows));
  counters.rows.add(completion_.rows);
  out.integer(Tag::bytes_to_client, static_cast<int64_t>(completion_.bytes_to_client));
  out.integer(Tag::bytes_to_server, static_cast<int64_t>(completion_.bytes_to_server));
}

// What the server said of it.
void OutcomeRecord::write_answer(FieldWriter& out) {
  if (completion_.error != nullptr) {
    // The server's text is bounded by what was captured; valid text is ours to make.
    out.text(Tag::sqlstate, completion_.error->sqlstate);
    const ShownMessage message = shown_message(completion_.error->message, completion_.is_redacted);
    out.text(Tag::error_message, message.text);
    if (message.hides) hidden_.add(Tag::error_message, completion_.error->message);
  }
  const std::string_view tag = completion_.tag;
  if (tag.empty()) return;
  if (is_valid_text(tag) && tag.size() <= told_tag_bytes_max) out.text(Tag::command_tag, tag);
  else out.text(Tag::command_tag, make_valid_text(tag.substr(0, told_tag_bytes_max)));
}

void OutcomeRecord::write_metadata(FieldWriter& out) const {
  const bool is_unknown = text_ != nullptr && text_->is_unknown;
  if (completion_.is_presumed && !is_unknown) out.text(Tag::attribution, "presumed");
  if (completion_.ending == pg::Ending::suspended) {
    out.text(Tag::metadata, "{\"portal_suspended\":true}");
  } else if (is_unknown) {
    out.text(Tag::metadata, "{\"statement_unknown\":true}");
  } else if (ran_ != nullptr) {
    // The start may have said it of the one that was foreseen.
    const bool is_changed = ran() != nullptr && !ran()->instead().empty();
    out.text(Tag::metadata, is_changed ? sent_on(ran()->instead()) : "{}");
  }
}

void OutcomeRecord::write_hidden(FieldWriter& out, const TrailDoor& door) const {
  out.text(Tag::redacted, hidden_.texts().names());
  if (door.sealer == nullptr) return;
  const audit::SealedTexts sealed = door.sealer->for_outcome(hidden_.texts(), door.shard, completion_.number);
  out.text(Tag::outcome_digest, sealed.digests);
  if (!sealed.sealed.empty()) out.text(Tag::outcome_sealed, sealed.sealed);
}

}  // namespace ringfence::proxy
