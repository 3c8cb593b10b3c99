#include "recorder.h"

#include "refusal.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/proxy/core/authorization.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::proxy {

using audit::Category;
using audit::FieldWriter;
using audit::Outcome;
using audit::Severity;
using audit::Tag;

// A statement's text may be there in two forms. The rest: who, from where, to what, and why.
static_assert(Limits::statement_bytes_most <= audit::field_bytes_max(Tag::statement) &&
              Limits::parameters_bytes_most <= audit::field_bytes_max(Tag::parameters));
static_assert(2 * Limits::statement_bytes_most + Limits::parameters_bytes_most + (64 << 10) <=
              audit::record_bytes_max);

FieldWriter Recorder::begin_start(char* room, char message_type, const Uuid& id, uint64_t now_us) {
  FieldWriter out(room);
  out.uuid(Tag::id, id);
  out.integer(Tag::ts, static_cast<int64_t>(now_us));
  out.text(Tag::category, "audit");
  out.text(Tag::action, message_type == pg::from_client::bind ? "postgres_bind" : "postgres_query");
  out.text(Tag::severity, "INFO");
  out.encoded(session_.encoded());
  return out;
}

namespace {
void put(FieldWriter& out, const Decided& decided) {
  if (!decided.is_decided) return;
  out.text(Tag::decision, "allow");
  if (!decided.rule.empty()) out.text(Tag::rule, decided.rule);
  if (!decided.instead.empty()) out.text(Tag::metadata, sent_on(decided.instead));
}
void put(FieldWriter& out, const MessagePart& place) {
  if (place.message.is_nil()) return;
  out.uuid(Tag::message_id, place.message);
  out.integer(Tag::statement_begin, static_cast<int64_t>(place.begin));
}
}  // namespace

pg::StatementNumber Recorder::start(const pg::StatementText& statement, ByteView parameters,
                                    bool parameters_truncated, char message_type, uint64_t now_us,
                                    Decided decided, const MessagePart& place, ByteView secret_parameters) {
  size_t bound =
      start_bytes(statement, parameters.size() + decided.instead_bytes(), secret_parameters.size());
  char* room = door_.space.reserve(bound);
  RINGFENCE_ASSERT(room != nullptr);
  const Uuid id = door_.ids.uuid(now_us);
  FieldWriter out = begin_start(room, message_type, id, now_us);
  out.text(Tag::statement, statement.text);
  out.integer(Tag::statement_bytes, static_cast<int64_t>(statement.full_bytes));
  if (statement.is_truncated) out.boolean(Tag::statement_truncated, true);
  if (!statement.raw().empty()) out.text(Tag::statement_raw, statement.raw());
  if (!statement.sha256().empty()) out.text(Tag::statement_sha256, statement.sha256());
  if (!parameters.empty()) out.text(Tag::parameters, parameters);
  if (parameters_truncated) out.boolean(Tag::parameters_truncated, true);
  put(out, decided);
  put(out, place);
  if (statement.begin > 0) out.integer(Tag::statement_begin, static_cast<int64_t>(statement.begin));
  out.text(Tag::message_type, ByteView(&message_type, 1));
  if (statement.holds_secret() || !session_.hidden().empty()) {
    Hidden hidden;
    hidden.add(statement, secret_parameters);
    hide(out, hidden, id);
  }
  if (statement.is_unknown) out.text(Tag::metadata, "{\"statement_unknown\":true}");
  RINGFENCE_ASSERT(out.size() <= bound);
  door_.counters.statements_started.add();
  volume_.charge(out.size());
  return door_.space.publish(audit::RecordKind::start, out.size(), 0);
}

pg::StatementNumber Recorder::start(ByteView text, uint64_t full_bytes, char message_type, uint64_t now_us,
                                    Decided decided, const MessagePart& place) {
  char* room = door_.space.reserve(start_bytes(text.size(), 0, 0) + decided.instead_bytes());
  RINGFENCE_ASSERT(room != nullptr);
  const Uuid id = door_.ids.uuid(now_us);
  FieldWriter out = begin_start(room, message_type, id, now_us);
  out.text(Tag::statement, text);
  out.integer(Tag::statement_bytes, static_cast<int64_t>(full_bytes));
  put(out, decided);
  put(out, place);
  out.text(Tag::message_type, ByteView(&message_type, 1));
  if (!session_.hidden().empty()) [[unlikely]] {
    Hidden hidden;
    hide(out, hidden, id);
  }
  door_.counters.statements_started.add();
  volume_.charge(out.size());
  return door_.space.publish(audit::RecordKind::start, out.size(), 0);
}

Uuid Recorder::message(const pg::StatementText& text, char message_type, uint64_t now_us) {
  const Uuid id = door_.ids.uuid(now_us);
  audit::EventBuilder out(Category::audit, "postgres_message", Severity::info, Outcome::success);
  out.id(id).ts(now_us).encoded(session_.encoded());
  out.text(Tag::statement, text.text);
  out.integer(Tag::statement_bytes, static_cast<int64_t>(text.full_bytes));
  if (text.is_truncated) out.boolean(Tag::statement_truncated, true);
  out.bytes(Tag::statement_raw, text.raw());
  out.bytes(Tag::statement_sha256, text.sha256());
  out.text(Tag::message_type, ByteView(&message_type, 1));
  Hidden hidden;
  hidden.add(text);
  hide(out, hidden, id);
  publish(std::move(out));
  return id;
}

void Recorder::publish(audit::EventBuilder event) {
  volume_.charge(event.bytes().size());
  door_.publish(std::move(event));
}

void Recorder::outcome(const pg::Completion& completion, uint64_t now_ns, const pg::StatementText* instead,
                       const Uuid* id) {
  OutcomeRecord record(completion, instead);
  const size_t bound = record.bytes_max();
  // Without room it is put together all the same, and kept.
  std::string late;
  char* room = door_.deferred.is_empty() ? door_.space.reserve(bound) : nullptr;
  if (room == nullptr) {
    late.resize(bound);
    room = late.data();
  }
  FieldWriter out(room);
  record.write(out, door_, now_ns, id);
  RINGFENCE_ASSERT(out.size() <= bound);
  volume_.charge(out.size());
  if (late.empty()) {
    door_.space.publish(audit::RecordKind::outcome, out.size(), completion.number);
    return;
  }
  late.resize(out.size());
  late.shrink_to_fit();
  door_.deferred.outcomes.push_back({completion.number, std::move(late)});
}

void Recorder::blocked(const pg::StatementText& statement, char message_type, const Refusal* refusal,
                       const policy::Access& access, uint64_t now_us, const MessagePart& place) {
  const bool is_refused = refusal != nullptr && refusal->is_denied;
  const Uuid id = door_.ids.uuid(now_us);
  audit::EventBuilder out(is_refused ? Category::authorization : Category::audit,
                          is_refused ? "postgres_query_blocked" : "postgres_query",
                          is_refused ? Severity::warning : Severity::info,
                          is_refused ? Outcome::denied : Outcome::not_executed);
  out.id(id).ts(now_us).encoded(session_.encoded());
  out.text(Tag::statement, statement.text);
  out.integer(Tag::statement_bytes, static_cast<int64_t>(statement.full_bytes));
  if (statement.is_truncated) out.boolean(Tag::statement_truncated, true);
  out.bytes(Tag::statement_raw, statement.raw());
  out.text(Tag::message_type, ByteView(&message_type, 1));
  if (!place.message.is_nil()) {
    out.uuid(Tag::message_id, place.message);
    out.integer(Tag::statement_begin, static_cast<int64_t>(place.begin));
  }
  Hidden hidden;
  hidden.add(statement);
  hide(out, hidden, id);
  out.text(Tag::decision, refusal != nullptr && !is_refused ? "hold" : "refuse");
  if (!is_refused) {
    if (refusal != nullptr) out.text(Tag::rule, refusal->rule).text(Tag::sqlstate, refusal->sqlstate);
    out.text(Tag::reason,
             refusal != nullptr ? refusal->message : "another statement of the same message did not run");
    door_.counters.statements_not_executed.add();
    publish(std::move(out));
    return;
  }
  out.text(Tag::rule, refusal->rule);
  out.text(Tag::reason, refusal->message);
  out.text(Tag::sqlstate, refusal->sqlstate);
  out.text(Tag::metadata, describe_blocked(access, refusal->permission, refusal->position));
  door_.counters.statements_refused.add();
  publish(std::move(out));
  auto denied = authorization("permission_denied", access, false, refusal->permission, now_us, to_string(id));
  denied.text(Tag::rule, refusal->rule)
      .text(Tag::reason, refusal->message)
      .text(Tag::sqlstate, refusal->sqlstate);
  publish(std::move(denied));
}

audit::EventBuilder Recorder::authorization(std::string_view action, const policy::Access& access,
                                            bool is_granted, std::string_view permission, uint64_t now_us,
                                            std::string_view related_id) {
  auto out = event(Category::authorization, action, is_granted ? Severity::info : Severity::warning,
                   is_granted ? Outcome::success : Outcome::denied, now_us);
  const std::string_view target = session_.text(Tag::target);
  out.text(Tag::entity_type, target.empty() ? "database" : "target");
  out.text(Tag::entity_id, target.empty() ? session_.text(Tag::database) : target);
  out.text(Tag::decision, is_granted ? "allow" : "refuse");
  out.text(Tag::metadata, describe(access, {is_granted, permission, related_id}));
  return out;
}

audit::EventBuilder Recorder::event(Category category, std::string_view action, Severity severity,
                                    Outcome outcome, uint64_t now_us, const Uuid* id) {
  audit::EventBuilder out(category, action, severity, outcome);
  const Uuid own = id != nullptr ? *id : door_.ids.uuid(now_us);
  out.id(own).ts(now_us).encoded(session_.encoded());
  if (!session_.hidden().empty()) {
    Hidden hidden;
    hide(out, hidden, own);
  }
  return out;
}

}  // namespace ringfence::proxy
