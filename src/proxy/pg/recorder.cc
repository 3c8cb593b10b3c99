#include "recorder.h"

#include "refusal.h"
#include "ringfence/audit/json.h"
#include "ringfence/base/utf8.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/server_name.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/proxy/core/authorization.h"
#include "ringfence/proxy/core/snapshot.h"
#include "ringfence/sql/redact.h"
#include "ringfence/sql/split.h"

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

namespace {
void keep_digest(ByteView text, uint64_t full_bytes, ByteView sha256, pg::StatementText& out) {
  if (text.size() == full_bytes) out.rare().sha256.assign(crypto::view_of(crypto::sha256(text)));
  else if (!sha256.empty()) out.rare().sha256.assign(sha256);
}

// A record has room for two texts of the largest bound: of one that is there in both forms less is kept so.
void keep_unredacted(ByteView sent, uint64_t full_bytes, size_t bytes_max, ByteView sha256,
                     pg::StatementText& out) {
  const bool is_whole = sent.size() == full_bytes || sha256.empty();
  std::string& kept = out.rare().unredacted;
  kept.assign(is_whole ? crypto::view_of(crypto::sha256(sent)) : sha256);
  const size_t room = 2 * Limits::statement_bytes_most -
                      std::min<size_t>(2 * Limits::statement_bytes_most, out.text.size() + out.raw().size());
  kept.append(sent.substr(0, std::min(bytes_max, room)));
}
}  // namespace

void take_statement_text(ByteView text, uint64_t full_bytes, size_t bytes_max, pg::StatementText& out,
                         ByteView sha256) {
  out.clear();
  out.full_bytes = full_bytes;
  // Before it is cut: a secret that the cut would hide from the redactor is behind the cut then.
  const std::optional<sql::Redacted> redacted = sql::redact(text);
  const ByteView sent = text;
  if (redacted) out.secret_places = redacted->parameters;
  if (redacted && !redacted->secrets.empty()) {
    out.is_redacted = true;
    text = redacted->text;
  }
  bool is_cut = text.size() > bytes_max;
  out.is_truncated = is_cut || (!out.is_redacted && text.size() < full_bytes);
  if (out.is_truncated && !out.is_redacted) keep_digest(text, full_bytes, sha256, out);
  ByteView kept = is_cut ? text_prefix(text, bytes_max) : text;
  if (is_valid_text(kept)) {
    out.text.assign(kept);
  } else {
    out.rare().raw.assign(text.substr(0, bytes_max));
    out.text = make_valid_text(kept);
    if (out.text.size() > bytes_max) out.text.resize(text_prefix(out.text, bytes_max).size());
  }
  if (out.is_redacted) keep_unredacted(sent, full_bytes, bytes_max, sha256, out);
}

void take_parsed_text(ByteView text, uint64_t full_bytes, size_t bytes_max, pg::StatementText& out,
                      ByteView sha256) {
  size_t begin = 0;
  if (full_bytes > bytes_max) {
    if (auto first = sql::StatementSplitter(text).next()) begin = first->begin;
  }
  take_statement_text(text.substr(begin), full_bytes - begin, bytes_max, out, sha256);
  if (begin == 0) return;
  out.begin = begin;
  out.full_bytes = full_bytes;
  out.is_truncated = true;
  if (!out.is_redacted) keep_digest(text, full_bytes, sha256, out);
}

pg::StatementText unknown_text(const pg::Portal& portal) {
  auto quoted = [](std::string_view name) { return "\"" + std::string(pg::shown_name(name)) + "\""; };
  std::string text = "-- text not known: portal " + quoted(portal.name);
  // A portal that no Bind has made says nothing of its statement.
  if (portal.bind_is_known) text += " of prepared statement " + quoted(portal.statement_name);
  pg::StatementText out;
  take_statement_text(text, text.size(), 2'048, out);
  out.full_bytes = 0;
  out.is_unknown = true;
  return out;
}

ShownMessage shown_message(std::string_view message, bool is_about_secret) {
  if (is_about_secret) return {"(not shown: the statement holds a secret)", !message.empty()};
  ShownMessage out{std::string(message.substr(0, hidden_message_bytes_max))};
  if (auto redacted = sql::redact_message(out.text)) out = {std::move(redacted->text), true};
  out.text = make_valid_text(out.text);
  out.text.resize(text_prefix(out.text, 2048).size());
  return out;
}

void Recorder::identify(const SessionFacts& facts) {
  session_.clear();
  session_hidden_.reset();
  auto text = [&](Tag tag, std::string_view value) { audit::append_field(session_, tag, value); };
  auto uuid = [&](Tag tag, const Uuid& value) {
    if (value.is_nil()) return;
    ByteView bytes(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
    Writer(session_).u16(static_cast<uint16_t>(tag)).u32(static_cast<uint32_t>(bytes.size())).bytes(bytes);
  };
  text(Tag::user_name, take_session_text(Tag::user_name, facts.user));
  text(Tag::auth_method, facts.auth_method);
  text(Tag::client_addr, facts.client_addr);
  text(Tag::application_name, take_session_text(Tag::application_name, facts.application_name));
  text(Tag::transport, facts.transport);
  uuid(Tag::session_id, facts.session_id);
  uuid(Tag::connection_id, facts.connection_id);
  text(Tag::target, facts.target);
  if (facts.tags != nullptr && !facts.tags->empty()) {
    std::vector<std::string> valid;
    for (const std::string& tag : *facts.tags) valid.push_back(make_valid_text(tag));
    std::string json;
    audit::append_json_strings(json, valid);
    text(Tag::tags, json);
  }
  text(Tag::database, take_session_text(Tag::database, facts.database));
  text(Tag::server_addr, facts.server_addr);
  text(Tag::server_user, facts.server_user);
  session_.shrink_to_fit();  // For as long as the session lasts.
}

Recorder::Extent Recorder::find(Tag tag) const {
  Reader in(session_);
  for (size_t begin = 0; in.remaining() > 0; begin = session_.size() - in.remaining()) {
    bool is_it = in.u16() == static_cast<uint16_t>(tag);
    in.bytes(in.u32());
    if (is_it) return {begin, session_.size() - in.remaining()};
  }
  return {session_.size(), session_.size()};
}

std::string_view Recorder::session_text(Tag tag) const {
  Extent extent = find(tag);
  if (extent.begin == extent.end) return {};
  return std::string_view(session_).substr(extent.begin + FieldWriter::header_bytes,
                                           extent.end - extent.begin - FieldWriter::header_bytes);
}

namespace {
void forget_session_text(std::string& fields, Tag tag) {
  Reader in(fields);
  for (size_t begin = 0; in.remaining() > 0; begin = fields.size() - in.remaining()) {
    const bool is_it = in.u16() == static_cast<uint16_t>(tag);
    in.bytes(in.u32());
    if (is_it) return void(fields.erase(begin, fields.size() - in.remaining() - begin));
  }
}
}  // namespace

void Recorder::rename_application(std::string_view name) {
  if (session_hidden_) forget_session_text(*session_hidden_, Tag::application_name);
  std::string field;
  const std::string_view own = name == name_at_server() ? name_by_client() : name;
  audit::append_field(field, Tag::application_name, take_session_text(Tag::application_name, own));
  Extent extent = find(Tag::application_name);
  if (std::string_view(session_).substr(extent.begin, extent.end - extent.begin) == field) return;
  session_.replace(extent.begin, extent.end - extent.begin, field);
}

FieldWriter Recorder::begin_start(char* room, char message_type, const Uuid& id, uint64_t now_us) {
  FieldWriter out(room);
  out.uuid(Tag::id, id);
  out.integer(Tag::ts, static_cast<int64_t>(now_us));
  out.text(Tag::category, "audit");
  out.text(Tag::action, message_type == pg::from_client::bind ? "postgres_bind" : "postgres_query");
  out.text(Tag::severity, "INFO");
  out.encoded(session_);
  return out;
}

namespace {
std::string sent_on(std::string_view instead) {
  std::string json = "{\"sent_on\":";
  audit::append_json_string(json, instead);
  return json + "}";
}
void put(FieldWriter& out, const Decided& decided) {
  if (!decided.is_decided) return;
  out.text(Tag::decision, "allow");
  if (!decided.rule.empty()) out.text(Tag::rule, decided.rule);
  if (!decided.instead.empty()) out.text(Tag::metadata, sent_on(decided.instead));
}
// Of a statement that ran in place of another, whose start may have said it of that one.
void put_sent_on(FieldWriter& out, const pg::Portal& ran) {
  const bool is_changed = ran.statement && !ran.statement->instead().empty();
  out.text(Tag::metadata, is_changed ? sent_on(ran.statement->instead()) : "{}");
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
  if (statement.holds_secret() || !session_hidden().empty()) {
    Hidden hidden;
    hidden.add(statement, secret_parameters);
    hide(out, hidden, id);
  }
  if (statement.is_unknown) out.text(Tag::metadata, "{\"statement_unknown\":true}");
  RINGFENCE_ASSERT(out.size() <= bound);
  door_.counters.statements_started.add();
  charge(out.size());
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
  if (!session_hidden().empty()) [[unlikely]] {
    Hidden hidden;
    hide(out, hidden, id);
  }
  door_.counters.statements_started.add();
  charge(out.size());
  return door_.space.publish(audit::RecordKind::start, out.size(), 0);
}

Uuid Recorder::message(const pg::StatementText& text, char message_type, uint64_t now_us) {
  const Uuid id = door_.ids.uuid(now_us);
  audit::EventBuilder out(Category::audit, "postgres_message", Severity::info, Outcome::success);
  out.id(id).ts(now_us).encoded(session_);
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
  charge(event.bytes().size());
  door_.publish(std::move(event));
}

void Recorder::outcome(const pg::Completion& completion, uint64_t now_ns, const pg::StatementText* instead,
                       const Uuid* id) {
  const pg::StatementText* text = instead;
  ByteView parameters;
  ByteView secret_parameters;
  std::string_view rule;
  const bool is_corrected = instead != nullptr || completion.ran_instead != nullptr;
  pg::StatementText unknown;
  if (instead == nullptr && is_corrected) {
    if (!completion.ran_instead->statement) unknown = unknown_text(*completion.ran_instead);
    text = completion.ran_instead->statement ? &completion.ran_instead->statement->statement : &unknown;
    if (completion.ran_instead->statement) rule = completion.ran_instead->statement->rule;
    parameters = completion.ran_instead->parameters;
    secret_parameters = completion.ran_instead->secret_parameters;
  }
  size_t bound = outcome_bytes_max + parameters.size() + secret_parameters.size() + rule.size() +
                 (text != nullptr ? text->text.size() + text->raw().size() + text->unredacted().size() : 0);
  if (completion.ran_instead != nullptr && completion.ran_instead->statement)
    bound += Decided{.instead = completion.ran_instead->statement->instead()}.instead_bytes();
  Hidden hidden;
  // Without room it is put together all the same, and kept.
  std::string late;
  char* room = door_.deferred.is_empty() ? door_.space.reserve(bound) : nullptr;
  if (room == nullptr) {
    late.resize(bound);
    room = late.data();
  }
  FieldWriter out(room);
  Outcome outcome = Outcome::unknown;
  Severity severity = Severity::info;
  bool is_cancelled =
      completion.error != nullptr && completion.error->sqlstate == pg::sqlstate::query_canceled;
  switch (completion.ending) {
    case pg::Ending::success:
    case pg::Ending::suspended:
      outcome = Outcome::success;
      door_.counters.statements_succeeded.add();
      break;
    case pg::Ending::failure:
      outcome = is_cancelled ? Outcome::cancelled : Outcome::failure;
      severity = Severity::warning;
      (is_cancelled ? door_.counters.statements_cancelled : door_.counters.statements_failed).add();
      break;
    case pg::Ending::not_executed:
      outcome = Outcome::not_executed;
      door_.counters.statements_not_executed.add();
      break;
    case pg::Ending::unknown:
      severity = Severity::warning;
      door_.counters.statements_unknown.add();
      break;
  }
  // No time, and an id only where an event tells of it: joined with its start, the row keeps the start's.
  if (id != nullptr) out.uuid(Tag::id, *id);
  out.text(Tag::severity, audit::name(severity));
  out.text(Tag::outcome, audit::name(outcome));
  if (is_corrected) {
    out.text(Tag::statement, text->text);
    out.integer(Tag::statement_bytes, static_cast<int64_t>(text->full_bytes));
    out.boolean(Tag::statement_truncated, text->is_truncated);
    if (!text->raw().empty()) out.text(Tag::statement_raw, text->raw());
    if (!text->sha256().empty()) out.text(Tag::statement_sha256, text->sha256());
    if (text->begin > 0) out.integer(Tag::statement_begin, static_cast<int64_t>(text->begin));
    if (instead == nullptr) {
      if (!parameters.empty()) out.text(Tag::parameters, parameters);
      out.boolean(Tag::parameters_truncated, completion.ran_instead->parameters_truncated);
      if (!rule.empty()) out.text(Tag::rule, rule);
    }
    hidden.add(*text, secret_parameters);
  }
  uint64_t duration_ns = now_ns > completion.since_ns ? now_ns - completion.since_ns : 0;
  if (completion.ending != pg::Ending::not_executed) {
    out.integer(Tag::duration_us, static_cast<int64_t>(duration_ns / 1000));
    door_.counters.statement_duration.add(duration_ns);
  }
  out.integer(Tag::rows, static_cast<int64_t>(completion.rows));
  door_.counters.rows.add(completion.rows);
  out.integer(Tag::bytes_to_client, static_cast<int64_t>(completion.bytes_to_client));
  out.integer(Tag::bytes_to_server, static_cast<int64_t>(completion.bytes_to_server));
  if (completion.error != nullptr) {
    // The server's text is bounded by what was captured; valid text is ours to make.
    out.text(Tag::sqlstate, completion.error->sqlstate);
    const ShownMessage message = shown_message(completion.error->message, completion.is_redacted);
    out.text(Tag::error_message, message.text);
    if (message.hides) hidden.add(Tag::error_message, completion.error->message);
  }
  if (!completion.tag.empty()) {
    if (is_valid_text(completion.tag) && completion.tag.size() <= 64)
      out.text(Tag::command_tag, completion.tag);
    else out.text(Tag::command_tag, make_valid_text(completion.tag.substr(0, 64)));
  }
  bool is_unknown = text != nullptr && text->is_unknown;
  if (completion.is_presumed && !is_unknown) out.text(Tag::attribution, "presumed");
  if (completion.ending == pg::Ending::suspended) out.text(Tag::metadata, "{\"portal_suspended\":true}");
  else if (is_unknown) out.text(Tag::metadata, "{\"statement_unknown\":true}");
  else if (instead == nullptr && is_corrected) put_sent_on(out, *completion.ran_instead);
  if (!hidden.is_empty()) {
    out.text(Tag::redacted, hidden.texts().names());
    if (door_.sealer != nullptr) {
      const audit::SealedTexts sealed =
          door_.sealer->for_outcome(hidden.texts(), door_.shard, completion.number);
      out.text(Tag::outcome_digest, sealed.digests);
      if (!sealed.sealed.empty()) out.text(Tag::outcome_sealed, sealed.sealed);
    }
  }
  RINGFENCE_ASSERT(out.size() <= bound);
  charge(out.size());
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
  out.id(id).ts(now_us).encoded(session_);
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
  const std::string_view target = session_text(Tag::target);
  out.text(Tag::entity_type, target.empty() ? "database" : "target");
  out.text(Tag::entity_id, target.empty() ? session_text(Tag::database) : target);
  out.text(Tag::decision, is_granted ? "allow" : "refuse");
  out.text(Tag::metadata, describe(access, {is_granted, permission, related_id}));
  return out;
}

audit::EventBuilder Recorder::event(Category category, std::string_view action, Severity severity,
                                    Outcome outcome, uint64_t now_us, const Uuid* id) {
  audit::EventBuilder out(category, action, severity, outcome);
  const Uuid own = id != nullptr ? *id : door_.ids.uuid(now_us);
  out.id(own).ts(now_us).encoded(session_);
  if (!session_hidden().empty()) {
    Hidden hidden;
    hide(out, hidden, own);
  }
  return out;
}

}  // namespace ringfence::proxy
