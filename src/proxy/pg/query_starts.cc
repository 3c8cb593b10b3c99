#include "query_starts.h"

#include "exchange.h"
#include "message_text.h"
#include "ringfence/base/utf8.h"
#include "ringfence/sql/command_tag.h"
#include "ringfence/sql/redact.h"
#include "sql_names.h"
#include "statement_starts.h"
#include "unseen.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;

QueryStarts::QueryStarts(Exchange& exchange, NameUse& names, ByteView body, uint32_t body_length)
    : x_(exchange),
      names_(names),
      text_(text_of(body)),
      full_bytes_(text_length(body, body_length)),
      body_length_(body_length),
      unseen_(x_.message.is_gated ? x_.judged().traits.unseen
                                  : names.unseen_of_query(text_, full_bytes_ == text_.size() &&
                                                                     !x_.reading.is_text_doubtful())) {}

bool QueryStarts::run() {
  PendingMessage& message = x_.message;
  const size_t from = message.seen().query_at;
  sql::StatementSplitter splitter(text_.substr(from));
  auto extent = splitter.next();
  while (extent || message.query_started == 0) {
    auto following = extent ? splitter.next() : std::nullopt;
    const Part part = part_of(from, extent, following.has_value());
    if (!start(part)) {
      if (count_ > 0) push(true);
      message.rare().query_at = part.begin;
      return false;
    }
    if (part.is_last) break;
    extent = following;
  }
  push(false);
  finish();
  return true;
}

// `from`: where the text begins that the extent is of.
QueryStarts::Part QueryStarts::part_of(size_t from, const std::optional<sql::Extent>& extent,
                                       bool has_following) const {
  const uint32_t started = x_.message.query_started;
  const bool is_doubtful = x_.reading.is_text_doubtful();
  Part part{};
  part.begin = from + (extent ? extent->begin : 0);
  part.end = extent ? from + extent->end : text_.size();
  // A text of one statement, or of none, is recorded as it is; the last record that a Query may have takes
  // the rest of its text.
  part.is_last = !has_following || started + 1 == statements_per_query_max || is_doubtful;
  part.is_uncut = part.is_last && (has_following || is_doubtful || full_bytes_ > text_.size());
  // A comment longer than what is recorded must not hide the statement behind it.
  const bool fits = full_bytes_ <= x_.limits.statement_bytes_max;
  if (started == 0 && part.is_last && (fits || is_doubtful)) part.begin = 0;
  if (part.is_last && (started == 0 || has_following)) part.end = text_.size();
  // Of a text whose beginning we hold, the last statement is longer than what we see.
  part.length = part.end - part.begin;
  if (part.is_last && full_bytes_ > text_.size()) part.length = full_bytes_ - part.begin;
  if (has_following && started + 1 == statements_per_query_max) x_.counters.limits_reached.add();
  part.is_of_many = started > 0 || has_following || part.begin > 0;
  return part;
}

bool QueryStarts::start(const Part& part) {
  PendingMessage& message = x_.message;
  is_uncut_ = part.is_uncut;
  if (part.is_of_many && !record_message()) return false;
  const std::string_view rule = x_.judged().rule_of(message.query_started);
  const Decided decided = x_.decided_by(rule, x_.judged().instead_of(message.query_started));
  pg::StatementNumber number = 0;
  if (!record(part, decided, number)) return false;
  // Numbers are not consecutive where the trail drops records for lack of room.
  if (count_ > 0 && number != first_ + count_) {
    push(true);
    changes_.clear();
    count_ = 0;
  }
  if (count_ == 0) first_ = number;
  if (!decided.instead.empty()) x_.gate->changed().in_flight.push_back(number);
  const ByteView statement = text_.substr(part.begin, part.end - part.begin);
  x_.queue.expect(part.is_uncut ? sql::any_tag
                                : sql::expected_tag(statement, part.length == statement.size()));
  note_names(part, rule);
  ++count_;
  ++message.query_started;
  message.state = PendingMessage::State::recording;
  return true;
}

bool QueryStarts::record(const Part& part, const Decided& decided, pg::StatementNumber& number) {
  const ByteView text = text_.substr(part.begin, part.end - part.begin);
  const MessagePart place{part.is_of_many ? x_.message.rare().recorded : Uuid{}, part.begin};
  const size_t bytes_max = x_.limits.statement_bytes_max;
  const bool is_plain = text.size() == part.length && text.size() <= bytes_max &&
                        !sql::SecretNames::in_use().may_hold_secret(text) && is_valid_text(text);
  if (is_plain) {
    if (!x_.recorder.has_room(x_.recorder.start_bytes(text.size(), 0, decided.instead_bytes()))) return false;
    number = x_.recorder.start(text, part.length, from_client::query, x_.now.us, decided, place);
  } else {
    // The digest is that of the message's text: it says nothing of one statement among others.
    const bool is_whole = part.is_last && x_.message.query_started == 0;
    const ByteView sha256 = is_whole ? ByteView(x_.message.seen().sha256) : ByteView();
    pg::StatementText taken;
    take_statement_text(text, part.length, bytes_max, taken, sha256);
    is_redacted_ = is_redacted_ || taken.is_redacted;
    if (!x_.recorder.has_room(x_.recorder.start_bytes(taken, decided.instead_bytes()))) return false;
    number = x_.recorder.start(taken, {}, false, from_client::query, x_.now.us, decided, place);
  }
  ++x_.statements;
  return true;
}

// The whole text of a Query of which its statements' records have parts. False: no room in the trail.
bool QueryStarts::record_message() {
  if (!x_.message.rare().recorded.is_nil()) return true;
  pg::StatementText taken;
  take_statement_text(text_, full_bytes_, x_.limits.statement_bytes_max, taken, x_.message.seen().sha256);
  if (!x_.recorder.has_room(x_.recorder.start_bytes(taken, 0))) return false;
  x_.message.rare().recorded = x_.recorder.message(taken, from_client::query, x_.now.us);
  return true;
}

// Of what is not cut the statements are not known one by one, nor what they do to names.
void QueryStarts::note_names(const Part& part, std::string_view rule) {
  if (part.is_uncut) {
    unseen_ = pg::Unseen::code;
    return;
  }
  const ByteView statement = text_.substr(part.begin, part.end - part.begin);
  pg::NameChange change =
      recognise_name_change(statement, x_.pools, x_.limits.statement_bytes_max, x_.queue.encodings());
  if (change.prepared) {
    x_.watch.keep_sent(*change.prepared, text_, full_bytes_);
    take_judgement(*change.prepared, x_, rule, true);
    if (x_.may_hold()) x_.judge(names_).note_holds(*change.prepared, statement, true);
  }
  if (change.kind != pg::NameChange::Kind::none) changes_.emplace_back(count_, std::move(change));
}

void QueryStarts::push(bool continues) {
  x_.queue.push_query(first_, count_, pg::frame_header_size + body_length_, x_.now.ns, continues);
  x_.queue.mark_unseen(unseen_);
  if (is_redacted_) x_.queue.mark_redacted();
  if (is_uncut_) x_.queue.mark_uncut();
  for (auto& [index, change] : changes_) x_.queue.change_names(index, std::move(change));
}

void QueryStarts::finish() {
  x_.watch.show(text_, full_bytes_);
  if (x_.queue.has_wide_names() && full_bytes_ == text_.size() && keeps_settings(text_))
    x_.queue.keeps_settings();
  const Judgement& judgement = x_.judged();
  // A portal does not go while it runs.
  if (judgement.fetched) judgement.fetched->made_at = x_.queue.stamp() + 1;
  x_.group.guard().note(judgement.traits);
  x_.group.guard().close();
  x_.message.query_started = 0;
  if (!x_.message.own) return;
  x_.message.own->query_at = 0;
  x_.message.own->recorded = {};
}

}  // namespace ringfence::proxy
