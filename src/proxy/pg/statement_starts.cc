#include "statement_starts.h"

#include <algorithm>

#include "exchange.h"
#include "message_text.h"
#include "parameters.h"
#include "query_starts.h"
#include "ringfence/pg/parse.h"
#include "ringfence/policy/harmless.h"
#include "ringfence/sql/command_tag.h"
#include "sql_names.h"
#include "unseen.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;

void take_judgement(pg::Prepared& prepared, const Exchange& x, std::string_view rule, bool is_inner) {
  const Judgement& judgement = x.judged();
  prepared.gate_generation = x.generation;
  prepared.traits = judgement.traits;
  if (is_inner) prepared.traits.unseen = judgement.inner_unseen;
  prepared.traits.is_unseen_known = x.message.is_gated;
  prepared.rule = rule;
}

bool StatementStarts::on_query(ByteView body, uint32_t body_length) {
  return QueryStarts(x_, names_, body, body_length).run();
}

void StatementStarts::on_parse(ByteView body, uint32_t body_length) {
  pg::Ref<pg::Prepared> prepared = x_.pools.prepared.make();
  size_t name_end = body.find('\0');
  if (name_end != ByteView::npos) {
    prepared->name = body.substr(0, name_end);
    ByteView rest = body.substr(name_end + 1);
    uint64_t full_bytes = text_length(rest, static_cast<uint32_t>(body_length - name_end - 1));
    // Behind the text stand the types, which the length of the message includes.
    if (!x_.message.seen().sha256.empty()) full_bytes = x_.message.seen().text_bytes;
    size_t bytes_max =
        x_.queue.kept_bytes() < kept_text_bytes_max ? x_.limits.statement_bytes_max : short_text_bytes;
    take_parsed_text(text_of(rest), full_bytes, bytes_max, prepared->statement, x_.message.seen().sha256);
    prepared->change =
        recognise_name_change(text_of(rest), x_.pools, x_.limits.statement_bytes_max, x_.queue.encodings());
    prepared->expected = sql::expected_tag(text_of(rest), text_of(rest).size() >= full_bytes);
    auto parsed = pg::parse_parse(body);
    for (uint16_t i = 0; parsed && i < parsed->type_count; ++i) prepared->types.push_back(parsed->type(i));
    x_.watch.keep_sent(*prepared, text_of(rest), full_bytes);
    if (prepared->change.prepared) x_.watch.keep_sent(*prepared->change.prepared, text_of(rest), full_bytes);
  }
  x_.watch.show(prepared.get());
  const std::string_view rule = x_.judged().rule_of(0);
  take_judgement(*prepared, x_, rule, false);
  if (const auto instead = x_.judged().instead_of(0); !instead.empty())
    prepared->make_rare().instead = instead;
  if (prepared->change.prepared) take_judgement(*prepared->change.prepared, x_, rule, true);
  if (x_.may_hold() && name_end != ByteView::npos) {
    const ByteView text = text_of(body.substr(name_end + 1));
    x_.judge(names_).note_holds(*prepared, text, false);
    if (prepared->change.prepared) x_.judge(names_).note_holds(*prepared->change.prepared, text, true);
  }
  x_.queue.push_parse(std::move(prepared));
}

void StatementStarts::on_bind(ByteView body, uint32_t body_length) {
  pg::Ref<pg::Portal> portal = x_.pools.portals.make();
  auto names = pg::parse_bind_names(body);
  if (names) {
    portal->name = names->portal;
    portal->statement_name = names->statement;
    portal->statement = x_.queue.foreseen_statement(names->statement);
    portal->bind_is_known = true;
    portal->gate_generation = x_.message.generation;
    portal->bind_bytes = pg::frame_header_size + body_length;
    bool is_whole = body.size() == body_length;
    const bool is_sure = x_.queue.is_foreseen_for_sure(names->statement);
    const std::vector<uint32_t>* types = portal->statement && is_sure ? &portal->statement->types : nullptr;
    uint64_t secrets = portal->statement ? portal->statement->statement.secret_places : 0;
    if (!is_sure) {
      if (const auto present = x_.queue.present_statement(names->statement))
        secrets |= present->statement.secret_places;
    }
    encode_bind_parameters(body, is_whole, types, x_.limits.parameters_bytes_max, portal->parameters,
                           portal->parameters_truncated, {.secrets = secrets});
    if (secrets != 0) {
      bool is_cut = false;
      const size_t bytes_max = std::min<size_t>(x_.limits.parameters_bytes_max, secret_parameters_bytes_max);
      encode_bind_parameters(body, is_whole, types, bytes_max, portal->secret_parameters, is_cut,
                             {.secrets = secrets, .is_clear = true});
    }
  }
  x_.watch.show(portal->statement.get());
  // Planning may call functions already; what ends the transaction does not do it yet.
  x_.group.guard().note({.calls_named = !portal->statement || portal->statement->traits.calls_named});
  if (!portal->statement || portal->statement->refusal == 0) x_.group.unexecuted().note(portal);
  const pg::Unseen unseen = names_.unseen_now(portal->statement.get());
  // EXECUTE and FETCH are not planned: they run nothing before they are executed.
  const bool is_planned = !portal->statement || !portal->statement->traits.runs_by_name;
  // A view's functions are planned too, and those of rules and defaults; a trigger runs later.
  const pg::Unseen planned = unseen == pg::Unseen::trigger ? pg::Unseen::relation : unseen;
  x_.queue.push_bind(std::move(portal),
                     is_planned && planned >= pg::Unseen::relation ? planned : pg::Unseen::none);
}

bool StatementStarts::on_execute(ByteView body, uint32_t body_length) {
  ByteView name = text_of(body);
  pg::Ref<pg::Portal> portal = x_.queue.foreseen_portal(name);
  if (!portal) {
    portal = x_.pools.portals.make();
    portal->name = x_.queue.kept_name(name);
  }
  if (portal->is_unexecuted) x_.group.unexecuted().executed(*portal);
  if (portal->statement && portal->statement->refusal != 0) {
    x_.queue.push_execute(pg::unrecorded_statement, std::move(portal), pg::frame_header_size + body_length,
                          x_.now.ns);
    return true;
  }
  pg::StatementText unknown;
  if (!portal->statement) unknown = unknown_text(*portal);
  const pg::StatementText& text = portal->statement ? portal->statement->statement : unknown;
  const Decided decided = portal->statement
                              ? x_.decided_by(portal->statement->rule, portal->statement->instead())
                              : x_.decided_by("");
  if (!x_.recorder.has_room(x_.recorder.start_bytes(text, portal->parameters.size() + decided.instead_bytes(),
                                                    portal->secret_parameters.size()))) {
    return false;
  }
  pg::StatementNumber number =
      x_.recorder.start(text, portal->parameters, portal->parameters_truncated, from_client::execute,
                        x_.now.us, decided, {}, portal->secret_parameters);
  ++x_.statements;
  x_.watch.show(portal->statement.get());
  x_.group.guard().note(portal->statement ? portal->statement->traits : pg::CallTraits{.calls_named = true});
  const pg::Unseen unseen = names_.unseen_now(portal->statement.get());
  const bool keeps = x_.queue.has_wide_names() && portal->statement &&
                     !portal->statement->statement.is_truncated &&
                     keeps_settings(portal->statement->statement.text);
  x_.queue.push_execute(number, std::move(portal), pg::frame_header_size + body_length, x_.now.ns, unseen);
  if (keeps) x_.queue.keeps_settings();
  return true;
}

bool StatementStarts::on_function_call(ByteView body, uint32_t body_length) {
  pg::StatementText text;
  Reader in(body);
  const uint32_t oid = in.u32();
  text.text = "FunctionCall " + std::to_string(oid);
  text.full_bytes = text.text.size();
  std::string parameters;
  bool is_truncated = false;
  encode_call_parameters(body, x_.limits.parameters_bytes_max, parameters, is_truncated);
  if (!x_.recorder.has_room(x_.recorder.start_bytes(text.text.size(), 0, parameters.size()))) return false;
  pg::StatementNumber number = x_.recorder.start(text, parameters, is_truncated, from_client::function_call,
                                                 x_.now.us, x_.decided_by(""));
  ++x_.statements;
  x_.watch.show(nullptr);
  x_.group.guard().close();
  // Functions of large objects and the like, or anything.
  const pg::Unseen unseen =
      policy::is_harmless_call(oid, newest_server_version) ? pg::Unseen::none : pg::Unseen::code;
  x_.queue.push_function_call(number, pg::frame_header_size + body_length, x_.now.ns, unseen);
  return true;
}

// ---------------------------------------------------------------- binds that nothing executes

// What ends the group, or asks for its answers: behind it the client knows what came of the Bind. Sync, Query
// and FunctionCall commit it, so that its record stands before they go out.
bool StatementStarts::settles_binds(char type) const {
  if (x_.group.unexecuted().is_empty()) return false;
  switch (type) {
    case from_client::sync:
    case from_client::flush:
    case from_client::query:
    case from_client::function_call:
    case from_client::terminate: return true;
    case from_client::bind: return x_.group.unexecuted().is_full();
    default: return false;
  }
}

// False: no room in the trail; what was told stays told.
bool StatementStarts::record_binds() {
  while (pg::Portal* portal = x_.group.unexecuted().first()) {
    pg::StatementText unknown;
    if (!portal->statement) unknown = unknown_text(*portal);
    const pg::StatementText& text = portal->statement ? portal->statement->statement : unknown;
    if (!x_.recorder.has_room(
            x_.recorder.start_bytes(text, portal->parameters.size(), portal->secret_parameters.size()))) {
      return false;
    }
    const std::string_view rule =
        portal->statement ? std::string_view(portal->statement->rule) : std::string_view();
    const pg::StatementNumber number =
        x_.recorder.start(text, portal->parameters, portal->parameters_truncated, from_client::bind,
                          x_.now.us, x_.decided_by(rule), {}, portal->secret_parameters);
    x_.queue.number_bind(*portal, number, x_.now.ns);
    x_.group.unexecuted().drop_first();
  }
  return true;
}

// The session ends, and there may be no room: then each is an event, which is kept until there is.
void StatementStarts::abandon_binds() {
  if (record_binds()) return;
  while (pg::Portal* portal = x_.group.unexecuted().first()) {
    x_.group.unexecuted().drop_first();
    if (portal->bind == pg::Portal::Bind::ended) continue;
    auto event = x_.recorder.event(
        audit::Category::audit, "postgres_bind", audit::Severity::warning,
        portal->bind == pg::Portal::Bind::done ? audit::Outcome::success : audit::Outcome::unknown,
        x_.now.us);
    pg::StatementText unknown;
    if (!portal->statement) unknown = unknown_text(*portal);
    const pg::StatementText& text = portal->statement ? portal->statement->statement : unknown;
    event.text(audit::Tag::statement, text.text);
    event.integer(audit::Tag::statement_bytes, static_cast<int64_t>(text.full_bytes));
    event.text(audit::Tag::message_type, "B");
    x_.recorder.publish(std::move(event));
  }
}

}  // namespace ringfence::proxy
