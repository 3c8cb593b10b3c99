#include "witness.h"

#include "ringfence/audit/json.h"
#include "ringfence/base/utf8.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/sql/command_tag.h"
#include "shown_texts.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;

bool fits(const pg::Completion& completion) {
  switch (completion.ending) {
    case pg::Ending::success:
      if (completion.is_empty_answer) return sql::allows_empty_answer(completion.expected);
      // A FunctionCall has no tag, and what it may be answered with is not in question.
      return completion.expected == sql::any_tag || sql::allows_tag(completion.expected, completion.tag);
    case pg::Ending::suspended: return sql::allows_suspension(completion.expected);
    // An error ends any statement, and what was not executed says nothing.
    case pg::Ending::failure:
    case pg::Ending::not_executed: return true;
    case pg::Ending::unknown: return !completion.is_missing;
  }
  return true;
}

Contradiction contradiction(const pg::Completion& completion) {
  Contradiction out;
  const pg::Prepared* prepared = completion.prepared;
  out.has_text = prepared != nullptr && !prepared->statement.text.empty();
  out.recorded =
      out.has_text ? prepared->statement.text : std::string(sql::leading_words(completion.expected));
  out.expected = sql::describe_expected(completion.expected);
  out.tag = make_valid_text(completion.tag.substr(0, told_tag_bytes_max));
  if (completion.is_missing) out.answered = "nothing";
  else if (completion.is_empty_answer) out.answered = "EmptyQueryResponse";
  else if (completion.ending == pg::Ending::suspended) out.answered = "PortalSuspended";
  else out.answered = out.tag;
  return out;
}

pg::StatementText contradicted_text(const Contradiction& contradiction) {
  pg::StatementText out;
  out.text = "-- text not known: the server answered " + contradiction.answered + " where " +
             contradiction.expected + " was expected";
  out.text = std::string(text_prefix(out.text, 2'048));
  out.is_unknown = true;
  return out;
}

audit::EventBuilder attribution_mismatch(Recorder& recorder, std::string_view reason, uint64_t now_us) {
  auto event =
      recorder.event(Category::audit, "attribution_mismatch", Severity::critical, Outcome::unknown, now_us);
  event.text(Tag::reason, reason);
  return event;
}

audit::EventBuilder attribution_mismatch(Recorder& recorder, const Contradiction& contradiction,
                                         const Uuid* related_id, uint64_t rows, uint64_t now_us) {
  auto event = attribution_mismatch(
      recorder,
      "the server answered " + contradiction.answered + " to a statement that was recorded as another",
      now_us);
  if (contradiction.has_text) event.text(Tag::statement, contradiction.recorded);
  event.text(Tag::command_tag, contradiction.tag);
  event.integer(Tag::rows, static_cast<int64_t>(rows));
  std::string metadata = "{\"answered\":";
  audit::append_json_string(metadata, contradiction.answered);
  metadata += ",\"expected\":";
  audit::append_json_string(metadata, contradiction.expected);
  if (!contradiction.has_text) {
    metadata += ",\"leading_words\":";
    audit::append_json_string(metadata, contradiction.recorded);
  }
  if (related_id != nullptr) metadata += ",\"related_id\":\"" + to_string(*related_id) + '"';
  metadata += ",\"source\":\"tag\"}";
  event.text(Tag::metadata, metadata);
  return event;
}

audit::EventBuilder activity_mismatch(Recorder& recorder, std::string_view sent, std::string_view shown,
                                      uint64_t now_us) {
  pg::StatementText recorded;
  pg::StatementText running;
  take_statement_text(sent, sent.size(), shown_bytes_max, recorded);
  take_statement_text(shown, shown.size(), shown_bytes_max, running);
  auto event =
      attribution_mismatch(recorder, "the server shows a text as the session's that was not sent", now_us);
  event.text(Tag::statement, recorded.text);
  std::string metadata = "{\"shown\":";
  audit::append_json_string(metadata, running.text);
  event.text(Tag::metadata, metadata + ",\"source\":\"activity\"}");
  return event;
}

}  // namespace ringfence::proxy
