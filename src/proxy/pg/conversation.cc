#include "conversation.h"

#include "message_text.h"
#include "parameters.h"
#include "ringfence/base/utf8.h"
#include "ringfence/pg/parse.h"
#include "ringfence/policy/harmless.h"
#include "ringfence/sql/command_tag.h"
#include "ringfence/sql/redact.h"
#include "ringfence/sql/split.h"
#include "row_details.h"
#include "sql_names.h"
#include "unseen.h"
#include "watched_session.h"
#include "witness.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;
namespace from_server = pg::from_server;
using pg::FrameCursor;
using pg::FrameSegment;

Conversation::Conversation(Recorder& recorder, pg::ObjectPools& pools, ShardCounters& counters,
                           const Limits& limits, std::unique_ptr<Gate> gate)
    : recorder_(recorder),
      pools_(pools),
      counters_(counters),
      limits_(limits),
      queue_(pools, *this),
      client_(limits.message_bytes_max),
      server_(0x7fffffff),
      gate_(std::move(gate)) {}

const Conversation::Rare& Conversation::seen() const {
  static const Rare nothing;
  return rare_ ? *rare_ : nothing;
}

// ---------------------------------------------------------------- from the client

// How much of a message that comes in pieces is kept for the trail.
size_t Conversation::client_capture_max(char type) const {
  if (is_message_gated_) return gated_bytes_max;
  switch (type) {
    // Of a long text more is kept than is recorded: a comment may stand in front of the statement.
    case from_client::query:
    case from_client::parse:
      return std::max<size_t>(limits_.statement_bytes_max + names_bytes_max, query_bytes_max);
    case from_client::bind:
    case from_client::function_call: return limits_.parameters_bytes_max + names_bytes_max;
    case from_client::execute:
    case from_client::describe:
    case from_client::close: return names_bytes_max;
    default: return 0;
  }
}

Advance Conversation::client_bytes(ByteView chunk, size_t& at, Now now) {
  now_ = now;
  FrameSegment segment;
  if (gate_ && !gate_->from_client().is_open()) {
    gate_->from_client().begin(chunk);
    // It got its gate in the middle of the chunk.
    if (client_sent_ > 0) gate_->from_client().skip(std::exchange(client_sent_, 0));
  }
  for (;;) {
    bool is_resumed = rare_ && rare_->client_held;
    if (is_resumed) {
      segment = *std::exchange(rare_->client_held, std::nullopt);
      is_resumed = !std::exchange(waits_for_answer_, false);
    } else {
      FrameCursor::Step step = client_.next(chunk, at, segment);
      if (step == FrameCursor::Step::need_more) {
        if (gate_) hold_cut_header();
        return Advance::all;
      }
      if (step == FrameCursor::Step::broken) {
        error_ = std::make_unique<Error>(client_.error());
        counters_.limits_reached.add();
        return Advance::broken;
      }
      if (gate_) gate_->from_client().note_end(segment.end);
    }
    // Decided anew where the policies have changed while it waited for room.
    const bool is_new = !is_resumed || (segment.is_last && message_generation_ != gate_generation_ &&
                                        !waiting_ && query_started_ == 0);
    message_begin_ = segment.begin;
    if (gate_ && segment.is_first && is_new) {
      const bool must_wait = is_watched() && guard_.must_wait(segment.type, queue_.is_idle());
      if (must_wait || must_know_names(segment.type)) {
        rare().client_held = segment;
        waits_for_answer_ = true;
        return Advance::wait_answer;
      }
      if (may_hold()) mark_group(segment);
      is_message_gated_ = is_to_be_decided(segment);
      message_generation_ = gate_generation_;
    }
    ByteView body = segment.piece;
    if (!segment.is_first || !segment.is_last) {
      if (!is_resumed) capture(segment);
      if (!segment.is_last) {
        if (gate_) hold(segment);
        continue;
      }
      body = seen().client_capture;
    }
    if (!has_room_in_queue()) {
      rare().client_held = segment;
      return Advance::wait_queue;
    }
    if (!settle_reading(segment, body)) {
      rare().client_held = segment;
      return Advance::wait_answer;
    }
    if (error_) return Advance::broken;
    if (!client_message(segment.type, body, segment.body_length)) {
      rare().client_held = segment;
      return waiting_reason();
    }
    if (error_) return Advance::broken;
    if (watched_ != nullptr && has_replacement()) show(nullptr);
    reading_ = Reading::open;
    note_group(segment.type);
    if (gate_) {
      gate_->forget();
      waiting_.reset();
      if (!has_replacement()) {
        gate_->from_client().pass(segment.end);
      } else {
        gate_->from_client().replace(segment.begin, segment.end, rare_->replacement);
        rare_->replacement.clear();
      }
      if (gate_->from_client().is_marked()) settle_group(segment.type, body);
    }
    // Behind the last look at the body, which stands there if the message came in pieces.
    if (rare_) {
      if (!segment.is_first) pg::clear_buffer(rare_->client_capture);
      if (!rare_->client_sha256.empty()) rare_->client_sha256 = std::string();
    }
  }
}

// A piece of a message that comes in several: what the trail needs of it is kept.
void Conversation::capture(const FrameSegment& segment) {
  if (segment.is_first && rare_) rare_->client_capture.clear();
  size_t max = client_capture_max(segment.type);
  if (seen().client_capture.size() < max) {
    ByteView kept = segment.piece.substr(0, max - seen().client_capture.size());
    rare().client_capture.append(kept);
    count_copy(kept.size());
  }
  bool is_text = segment.type == from_client::query || segment.type == from_client::parse;
  if (!is_text || segment.body_length <= max) return;
  auto& hash = rare().client_hash;
  if (segment.is_first) hash = std::make_unique<TextHash>(segment.type == from_client::parse);
  if (hash) hash->update(segment.piece);
  if (segment.is_last && hash) {
    rare_->client_text_bytes = hash->text_bytes();
    rare_->client_sha256.assign(crypto::view_of(hash->finish()));
    hash.reset();
  }
}

// A whole message, or the beginning of one whose body has `body_length` bytes. False: no room in the trail.
bool Conversation::client_message(char type, ByteView body, uint32_t body_length) {
  if (!has_room_for_name(type, body)) return true;
  if (settles_binds(type) && !record_binds()) return false;
  if (is_message_gated_) {
    if (!admit(type, body, body_length)) return false;
    if (has_replacement() || error_) return true;
  }
  switch (type) {
    case from_client::query:
      if (!on_query(body, body_length)) return false;
      if (judged().changes) change_message(type, body);
      return true;
    case from_client::execute: return on_execute(body, body_length);
    case from_client::function_call: return on_function_call(body, body_length);
    case from_client::parse:
      on_parse(body, body_length);
      if (judged().changes) change_message(type, body);
      return true;
    case from_client::bind: on_bind(body, body_length); return true;
    case from_client::describe:
    case from_client::close: {
      // What cannot be parsed goes to the server all the same, which refuses it.
      auto object = pg::parse_describe(body);
      pg::NamedObject named = object ? *object : pg::NamedObject{};
      if (type == from_client::describe) queue_.push_describe(named.is_portal, named.name);
      else queue_.push_close(named.is_portal, named.name);
      return true;
    }
    case from_client::sync:
      queue_.push_sync();
      guard_.close();
      return true;
    case from_client::copy_data: queue_.copy_data(pg::frame_header_size + body_length); return true;
    case from_client::copy_done:
    case from_client::copy_fail: queue_.push_copy_end(); return true;
    case from_client::terminate:
      client_said_goodbye_ = true;
      queue_.push_terminate();
      return true;
    case from_client::flush:
      if (body_length > 0) queue_.push_bad_flush();
      return true;
    default: return true;  // Flush answers nothing; what is unknown the server refuses.
  }
}

// Whether a prepared statement or a portal with a name would come of it. Those without are one each.
bool Conversation::wants_a_name(char type, ByteView body) const {
  if (type == from_client::query) return makes_names(text_of(body), pools_);
  if (type != from_client::parse && type != from_client::bind) return false;
  const size_t name_end = body.find('\0');
  if (name_end > 0) return true;
  return type == from_client::parse && makes_names(text_of(body.substr(1)), pools_);
}

// False: the session ends. What is held, or partly recorded, was let in before.
bool Conversation::has_room_for_name(char type, ByteView body) {
  if (queue_.kept_bytes() < limits_.prepared_bytes_max || waiting_ || query_started_ > 0) return true;
  if (!wants_a_name(type, body)) return true;
  has_too_many_names_ = true;
  break_off(Fault::limit, "its prepared statements and portals keep " + std::to_string(queue_.kept_bytes()) +
                              " bytes of the appliance's memory, and may keep " +
                              std::to_string(limits_.prepared_bytes_max));
  counters_.limits_reached.add();
  return false;
}

bool Conversation::start_statement(ByteView text, uint64_t full_bytes, pg::StatementNumber& number,
                                   bool& is_redacted, ByteView sha256, const Decided& decided,
                                   const MessagePart& place) {
  bool is_plain = text.size() == full_bytes && text.size() <= limits_.statement_bytes_max &&
                  !sql::SecretNames::in_use().may_hold_secret(text) && is_valid_text(text);
  if (is_plain) {
    if (!recorder_.has_room(recorder_.start_bytes(text.size(), 0, decided.instead_bytes()))) return false;
    number = recorder_.start(text, full_bytes, from_client::query, now_.us, decided, place);
  } else {
    pg::StatementText taken;
    take_statement_text(text, full_bytes, limits_.statement_bytes_max, taken, sha256);
    is_redacted = is_redacted || taken.is_redacted;
    if (!recorder_.has_room(recorder_.start_bytes(taken, decided.instead_bytes()))) return false;
    number = recorder_.start(taken, {}, false, from_client::query, now_.us, decided, place);
  }
  ++statements_;
  return true;
}

// The whole text of a Query of which its statements' records have parts. False: no room in the trail.
bool Conversation::record_message(ByteView text, uint64_t full_bytes) {
  if (!rare().message.is_nil()) return true;
  pg::StatementText taken;
  take_statement_text(text, full_bytes, limits_.statement_bytes_max, taken, rare_->client_sha256);
  if (!recorder_.has_room(recorder_.start_bytes(taken, 0))) return false;
  rare_->message = recorder_.message(taken, from_client::query, now_.us);
  return true;
}

bool Conversation::on_query(ByteView body, uint32_t body_length) {
  ByteView text = text_of(body);
  uint64_t full_bytes = text_length(body, body_length);
  pg::StatementNumber first = 0;
  uint32_t count = 0;
  bool is_redacted = false;
  bool is_uncut = false;
  std::vector<std::pair<uint32_t, pg::NameChange>> changes;
  pg::Unseen unseen = is_message_gated_
                          ? judged().traits.unseen
                          : unseen_of_query(text, full_bytes == text.size() && !is_text_doubtful_);
  auto push = [&](bool continues) {
    queue_.push_query(first, count, pg::frame_header_size + body_length, now_.ns, continues);
    queue_.mark_unseen(unseen);
    if (is_redacted) queue_.mark_redacted();
    if (is_uncut) queue_.mark_uncut();
    for (auto& [index, change] : changes) queue_.change_names(index, std::move(change));
  };
  sql::StatementSplitter splitter(text.substr(query_at_));
  auto extent = splitter.next();
  while (extent || query_started_ == 0) {
    auto following = extent ? splitter.next() : std::nullopt;
    size_t begin = query_at_ + (extent ? extent->begin : 0);
    size_t end = extent ? query_at_ + extent->end : text.size();
    // A text of one statement, or of none, is recorded as it is; the last record that a Query may have takes
    // the rest of its text.
    bool is_last = !following || query_started_ + 1 == statements_per_query_max || is_text_doubtful_;
    is_uncut = is_last && (following.has_value() || is_text_doubtful_ || full_bytes > text.size());
    // A comment longer than what is recorded must not hide the statement behind it.
    bool fits = full_bytes <= limits_.statement_bytes_max;
    if (query_started_ == 0 && is_last && (fits || is_text_doubtful_)) begin = 0;
    if (is_last && (query_started_ == 0 || following)) end = text.size();
    // Of a text whose beginning we hold, the last statement is longer than what we see.
    uint64_t length = end - begin;
    if (is_last && full_bytes > text.size()) length = full_bytes - begin;
    if (following && query_started_ + 1 == statements_per_query_max) counters_.limits_reached.add();
    const bool is_part = query_started_ > 0 || following.has_value() || begin > 0;
    if (is_part && !record_message(text, full_bytes)) {
      if (count > 0) push(true);
      query_at_ = begin;
      return false;
    }
    const MessagePart place{is_part ? rare_->message : Uuid{}, begin};
    pg::StatementNumber number = 0;
    ByteView statement = text.substr(begin, end - begin);
    // The digest is that of the message's text: it says nothing of one statement among others.
    ByteView sha256 = is_last && query_started_ == 0 ? ByteView(seen().client_sha256) : ByteView();
    const std::string_view rule = judged().rule_of(query_started_);
    const Decided decided = decided_by(rule, judged().instead_of(query_started_));
    if (!start_statement(statement, length, number, is_redacted, sha256, decided, place)) {
      if (count > 0) push(true);
      query_at_ = begin;
      return false;
    }
    // Numbers are not consecutive where the trail drops records for lack of room.
    if (count > 0 && number != first + count) {
      push(true);
      changes.clear();
      count = 0;
    }
    if (count == 0) first = number;
    if (!decided.instead.empty()) note_changed(number);
    queue_.expect(is_uncut ? sql::any_tag : sql::expected_tag(statement, length == statement.size()));
    // Of what is not cut the statements are not known one by one, nor what they do to names.
    pg::NameChange change;
    if (is_uncut) unseen = pg::Unseen::code;
    else change = recognise_name_change(statement, pools_, limits_.statement_bytes_max, queue_.encodings());
    if (change.prepared) {
      keep_sent(*change.prepared, text, full_bytes);
      change.prepared->gate_generation = gate_generation_;
      change.prepared->traits = judged().traits;
      change.prepared->traits.unseen = judged().inner_unseen;
      change.prepared->traits.is_unseen_known = is_message_gated_;
      change.prepared->rule = rule;
      if (may_hold()) judge().note_holds(*change.prepared, statement, true);
    }
    if (change.kind != pg::NameChange::Kind::none) changes.emplace_back(count, std::move(change));
    ++count;
    ++query_started_;
    if (is_last) break;
    extent = following;
  }
  push(false);
  show(text, full_bytes);
  if (queue_.has_wide_names() && full_bytes == text.size() && keeps_settings(text)) queue_.keeps_settings();
  // A portal does not go while it runs.
  if (judged().fetched) judged().fetched->made_at = queue_.stamp() + 1;
  guard_.note(judged().traits);
  guard_.close();
  query_at_ = 0;
  query_started_ = 0;
  if (rare_) rare_->message = {};
  return true;
}

void Conversation::on_parse(ByteView body, uint32_t body_length) {
  pg::Ref<pg::Prepared> prepared = pools_.prepared.make();
  size_t name_end = body.find('\0');
  if (name_end != ByteView::npos) {
    prepared->name = body.substr(0, name_end);
    ByteView rest = body.substr(name_end + 1);
    uint64_t full_bytes = text_length(rest, static_cast<uint32_t>(body_length - name_end - 1));
    // Behind the text stand the types, which the length of the message includes.
    if (!seen().client_sha256.empty()) full_bytes = seen().client_text_bytes;
    size_t bytes_max =
        queue_.kept_bytes() < kept_text_bytes_max ? limits_.statement_bytes_max : short_text_bytes;
    take_parsed_text(text_of(rest), full_bytes, bytes_max, prepared->statement, seen().client_sha256);
    prepared->change =
        recognise_name_change(text_of(rest), pools_, limits_.statement_bytes_max, queue_.encodings());
    prepared->expected = sql::expected_tag(text_of(rest), text_of(rest).size() >= full_bytes);
    auto parsed = pg::parse_parse(body);
    for (uint16_t i = 0; parsed && i < parsed->type_count; ++i) prepared->types.push_back(parsed->type(i));
    keep_sent(*prepared, text_of(rest), full_bytes);
    if (prepared->change.prepared) keep_sent(*prepared->change.prepared, text_of(rest), full_bytes);
  }
  show(prepared.get());
  prepared->gate_generation = gate_generation_;
  prepared->traits = judged().traits;
  prepared->traits.is_unseen_known = is_message_gated_;
  prepared->rule = judged().rule_of(0);
  if (const auto instead = judged().instead_of(0); !instead.empty()) prepared->make_rare().instead = instead;
  if (prepared->change.prepared) {
    prepared->change.prepared->gate_generation = gate_generation_;
    prepared->change.prepared->traits = judged().traits;
    prepared->change.prepared->traits.unseen = judged().inner_unseen;
    prepared->change.prepared->traits.is_unseen_known = is_message_gated_;
    prepared->change.prepared->rule = prepared->rule;
  }
  if (may_hold() && name_end != ByteView::npos) {
    const ByteView text = text_of(body.substr(name_end + 1));
    judge().note_holds(*prepared, text, false);
    if (prepared->change.prepared) judge().note_holds(*prepared->change.prepared, text, true);
  }
  queue_.push_parse(std::move(prepared));
}

void Conversation::on_bind(ByteView body, uint32_t body_length) {
  pg::Ref<pg::Portal> portal = pools_.portals.make();
  auto names = pg::parse_bind_names(body);
  if (names) {
    portal->name = names->portal;
    portal->statement_name = names->statement;
    portal->statement = queue_.foreseen_statement(names->statement);
    portal->bind_is_known = true;
    portal->gate_generation = message_generation_;
    portal->bind_bytes = pg::frame_header_size + body_length;
    bool is_whole = body.size() == body_length;
    const bool is_sure = queue_.is_foreseen_for_sure(names->statement);
    const std::vector<uint32_t>* types = portal->statement && is_sure ? &portal->statement->types : nullptr;
    uint64_t secrets = portal->statement ? portal->statement->statement.secret_places : 0;
    if (!is_sure) {
      if (const auto present = queue_.present_statement(names->statement))
        secrets |= present->statement.secret_places;
    }
    encode_bind_parameters(body, is_whole, types, limits_.parameters_bytes_max, portal->parameters,
                           portal->parameters_truncated, {.secrets = secrets});
    if (secrets != 0) {
      bool is_cut = false;
      const size_t bytes_max = std::min<size_t>(limits_.parameters_bytes_max, secret_parameters_bytes_max);
      encode_bind_parameters(body, is_whole, types, bytes_max, portal->secret_parameters, is_cut,
                             {.secrets = secrets, .is_clear = true});
    }
  }
  show(portal->statement.get());
  // Planning may call functions already; what ends the transaction does not do it yet.
  guard_.note({.calls_named = !portal->statement || portal->statement->traits.calls_named});
  if (!portal->statement || portal->statement->refusal == 0) unexecuted_.note(portal);
  const pg::Unseen unseen = unseen_now(portal->statement.get());
  // EXECUTE and FETCH are not planned: they run nothing before they are executed.
  const bool is_planned = !portal->statement || !portal->statement->traits.runs_by_name;
  // A view's functions are planned too, and those of rules and defaults; a trigger runs later.
  const pg::Unseen planned = unseen == pg::Unseen::trigger ? pg::Unseen::relation : unseen;
  queue_.push_bind(std::move(portal),
                   is_planned && planned >= pg::Unseen::relation ? planned : pg::Unseen::none);
}

bool Conversation::on_execute(ByteView body, uint32_t body_length) {
  ByteView name = text_of(body);
  pg::Ref<pg::Portal> portal = queue_.foreseen_portal(name);
  if (!portal) {
    portal = pools_.portals.make();
    portal->name = queue_.kept_name(name);
  }
  if (portal->is_unexecuted) unexecuted_.executed(*portal);
  if (portal->statement && portal->statement->refusal != 0) {
    queue_.push_execute(pg::unrecorded_statement, std::move(portal), pg::frame_header_size + body_length,
                        now_.ns);
    return true;
  }
  pg::StatementText unknown;
  if (!portal->statement) unknown = unknown_text(*portal);
  const pg::StatementText& text = portal->statement ? portal->statement->statement : unknown;
  const Decided decided =
      portal->statement ? decided_by(portal->statement->rule, portal->statement->instead()) : decided_by("");
  if (!recorder_.has_room(recorder_.start_bytes(text, portal->parameters.size() + decided.instead_bytes(),
                                                portal->secret_parameters.size()))) {
    return false;
  }
  pg::StatementNumber number =
      recorder_.start(text, portal->parameters, portal->parameters_truncated, from_client::execute, now_.us,
                      decided, {}, portal->secret_parameters);
  ++statements_;
  show(portal->statement.get());
  guard_.note(portal->statement ? portal->statement->traits : pg::CallTraits{.calls_named = true});
  const pg::Unseen unseen = unseen_now(portal->statement.get());
  const bool keeps = queue_.has_wide_names() && portal->statement &&
                     !portal->statement->statement.is_truncated &&
                     keeps_settings(portal->statement->statement.text);
  queue_.push_execute(number, std::move(portal), pg::frame_header_size + body_length, now_.ns, unseen);
  if (keeps) queue_.keeps_settings();
  return true;
}

bool Conversation::on_function_call(ByteView body, uint32_t body_length) {
  pg::StatementText text;
  Reader in(body);
  const uint32_t oid = in.u32();
  text.text = "FunctionCall " + std::to_string(oid);
  text.full_bytes = text.text.size();
  std::string parameters;
  bool is_truncated = false;
  encode_call_parameters(body, limits_.parameters_bytes_max, parameters, is_truncated);
  if (!recorder_.has_room(recorder_.start_bytes(text.text.size(), 0, parameters.size()))) return false;
  pg::StatementNumber number =
      recorder_.start(text, parameters, is_truncated, from_client::function_call, now_.us, decided_by(""));
  ++statements_;
  show(nullptr);
  guard_.close();
  // Functions of large objects and the like, or anything.
  const pg::Unseen unseen =
      policy::is_harmless_call(oid, newest_server_version) ? pg::Unseen::none : pg::Unseen::code;
  queue_.push_function_call(number, pg::frame_header_size + body_length, now_.ns, unseen);
  return true;
}

// ---------------------------------------------------------------- from the server

namespace {

// Whether the message has to be read, not only counted.
bool is_read(char type) {
  switch (type) {
    case from_server::data_row:
    case from_server::copy_data:
    case from_server::copy_done:
    case from_server::row_description:
    case from_server::notification_response: return false;
    default: return true;
  }
}

// Whether the message may end a statement, whose outcome then needs room in the trail.
bool may_complete(char type) {
  switch (type) {
    case from_server::command_complete:
    case from_server::error_response:
    case from_server::empty_query_response:
    case from_server::portal_suspended:
    case from_server::function_call_response:
    case from_server::ready_for_query: return true;
    default: return false;
  }
}

}  // namespace

Advance Conversation::server_bytes(ByteView chunk, size_t& at, Now now) {
  now_ = now;
  FrameSegment segment;
  Rewriter* const out = from_server();
  if (out != nullptr && !out->is_open()) out->begin(chunk);
  for (;;) {
    bool is_resumed = rare_ && rare_->server_held;
    if (is_resumed) {
      segment = *std::exchange(rare_->server_held, std::nullopt);
    } else {
      FrameCursor::Step step = server_.next(chunk, at, segment);
      if (step == FrameCursor::Step::need_more) {
        if (server_.held_header().empty()) return Advance::all;
        // It may begin the answer to a refusal.
        const bool may_change = named_ || (gate_ && (gate_->stand_ins().is_waiting() || seen().probe ||
                                                     has_renewed_ || hides_columns(gate_->access())));
        if (may_change) out->hold_tail();
        return Advance::all;
      }
      if (step == FrameCursor::Step::broken) {
        error_ = std::make_unique<Error>(server_.error());
        return Advance::broken;
      }
    }
    if (out != nullptr) out->note_end(segment.end);
    if (is_own_answer(segment.type)) {
      if (!swallow(segment)) return Advance::broken;
      continue;
    }
    if (has_renewed_ && hides(segment.type)) {
      if (!swallow(segment)) return Advance::broken;
      continue;
    }
    if (segment.type == from_server::data_row || segment.type == from_server::copy_data) {
      // What comes by the thousand is only counted.
      if (segment.is_first) count_row(segment.type, 1, pg::frame_header_size + segment.body_length);
      if (segment.is_last) {
        const pg::FrameCursor::Run run = server_.next_run(chunk, at, segment.type);
        if (run.messages > 0) count_row(segment.type, run.messages, run.bytes);
      }
      if (out != nullptr) {
        out->pass(segment.end);
        out->note_end(at);
      }
      continue;
    }
    ByteView body = segment.piece;
    if (!segment.is_first || !segment.is_last) {
      if (out != nullptr && !segment.is_last) {
        // Only an error that is short enough to be one of ours is held, and what may tell of the name.
        const bool may_change =
            (segment.type == from_server::error_response && gate_ && gate_->stand_ins().is_waiting()) ||
            (segment.type == from_server::parameter_status && named_);
        const bool hides =
            segment.type == from_server::error_response && gate_ && hides_columns(gate_->access());
        if ((may_change || hides) && segment.body_length <= server_capture_bytes_max)
          out->hold(segment.begin, segment.end);
        else if (hides) out->replace(segment.begin, segment.end, {});  // Of a long one the beginning is sent.
        else out->pass(segment.end);
      }
      if (!is_resumed) {
        if (segment.is_first && rare_) rare_->server_capture.clear();
        size_t max = is_read(segment.type) ? server_capture_bytes_max : 0;
        if (seen().server_capture.size() < max) {
          ByteView kept = body.substr(0, max - seen().server_capture.size());
          rare().server_capture.append(kept);
          count_copy(kept.size());
        }
      }
      if (!segment.is_last) continue;
      body = seen().server_capture;
    }
    if (may_complete(segment.type)) {
      if (!recorder_.has_room(Recorder::outcome_bytes_max)) {
        rare().server_held = segment;
        return Advance::wait_trail;
      }
    }
    server_message(segment.type, body, segment.body_length);
    if (!segment.is_first && rare_) pg::clear_buffer(rare_->server_capture);
    if (out != nullptr) {
      if (named_ && std::exchange(named_->is_hidden, false)) out->replace(segment.begin, segment.end, {});
      else if (rare_ && !rare_->notices.empty())
        out->pass_with(segment.end, std::exchange(rare_->notices, {}));
      else if (!has_replacement()) out->pass(segment.end);
      else out->replace(segment.begin, segment.end, std::exchange(rare_->replacement, {}));
    }
    if (queue_.has_stray_end() || queue_.is_lost()) note_strays();
    if (error_) return Advance::broken;
  }
}

// An answer to what the appliance asks. False: it is none.
bool Conversation::swallow(const FrameSegment& segment) {
  Rewriter& out = *from_server();
  ByteView body = segment.piece;
  if (!segment.is_first || !segment.is_last) {
    std::string& kept = rare().server_capture;
    if (segment.is_first) kept.clear();
    if (segment.body_length > probe_bytes_max) {
      break_off(Fault::malformed, "the answer to a statement of the appliance's own is too long");
      return false;
    }
    kept.append(body);
    if (!segment.is_last) {
      out.hold(segment.begin, segment.end);
      return true;
    }
    body = kept;
  }
  out.replace(segment.begin, segment.end, {});
  if (has_renewed_ && queue_.answers_renewal(segment.type == from_server::ready_for_query)
          ? take_renewal_answer(segment.type, body)
          : take_own_answer(segment.type, body)) {
    return true;
  }
  break_off(Fault::malformed, "its answers do not fit a statement of the appliance's own");
  return false;
}

void Conversation::count_row(char type, uint32_t rows, uint64_t bytes) {
  if (type == from_server::data_row) queue_.data_rows(rows, bytes);
  else queue_.other(bytes);
}

void Conversation::server_message(char type, ByteView body, uint32_t body_length) {
  uint64_t bytes = pg::frame_header_size + body_length;
  switch (type) {
    case from_server::command_complete: queue_.command_complete(text_of(body), bytes, now_.ns); break;
    case from_server::ready_for_query: {
      auto status = pg::parse_ready_for_query(body);
      queue_.ready(status ? *status : queue_.transaction());
      show_rest();
      break;
    }
    case from_server::parse_complete: queue_.parse_complete(bytes); break;
    case from_server::bind_complete: queue_.bind_complete(bytes, now_.ns); break;
    case from_server::close_complete: queue_.close_complete(bytes); break;
    case from_server::row_description:
    case from_server::no_data: queue_.description(bytes); break;
    case from_server::parameter_description:
      queue_.parameter_description(body.size() >= 2 ? body.substr(2) : ByteView(), bytes);
      break;
    case from_server::empty_query_response: queue_.empty_query(bytes, now_.ns); break;
    case from_server::portal_suspended: queue_.portal_suspended(bytes, now_.ns); break;
    case from_server::function_call_response: queue_.function_call_response(bytes, now_.ns); break;
    case from_server::copy_in_response: queue_.copy_in_response(bytes); break;
    case from_server::error_response: {
      // Of a long one the beginning is there.
      const auto parsed =
          body.size() == body_length ? pg::parse_error_fields(body) : pg::parse_error_beginning(body);
      pg::ErrorFields fields;
      if (parsed) fields = *parsed;
      else fields.sqlstate = "XX000";
      if (fields.severity == "FATAL" || fields.severity == "PANIC") server_said_fatal_ = true;
      if (gate_ && gate_->stand_ins().is_waiting()) {
        if (const pg::ErrorFields* refusal =
                gate_->stand_ins().refusal_behind(fields, queue_.answers_refusal())) {
          fields = *refusal;
          is_refusal_ = true;
          append_refusal(fields);
        }
      }
      if (gate_ && !is_refusal_ && hides_columns(gate_->access())) {
        if (std::string shown = without_row(body, body_length); !shown.empty())
          rare().replacement = std::move(shown);
      }
      queue_.error(fields, bytes, now_.ns);
      show_error();
      is_refusal_ = false;
      break;
    }
    case from_server::notice_response:
    case from_server::notification_response: break;
    case from_server::parameter_status:
      if (auto status = pg::parse_parameter_status(body)) take_parameter(status->name, status->value);
      break;
    default: queue_.other(bytes); break;
  }
}

bool Conversation::is_at_rest() const {
  return queue_.is_empty() && queue_.is_idle() && queue_.transaction() == pg::TransactionStatus::idle &&
         !queue_.is_lost() && !queue_.is_skipping() && queue_.misfits() == 0 && !is_in_group_ &&
         client_.at_boundary() && server_.at_boundary() && !seen().client_held && !seen().server_held &&
         !waiting_ && query_started_ == 0 && !error_ && !server_said_fatal_;
}

void Conversation::keep_name(std::string_view reset_to, std::string_view name) {
  if (reset_to == name) return;
  named_ = std::make_unique<Named>();
  named_->reset_to = reset_to;
  named_->name = named_->told = name;
}

// As if the session's name stood where RESET returns to: then the server says nothing where nothing changes.
void Conversation::take_parameter(std::string_view name, std::string_view value) {
  if (!named_ || name != "application_name") return note_parameter(name, value);
  if (settings_ != nullptr) settings_->note(name, value);
  named_->is_lost = value == named_->reset_to;
  const std::string_view shown = named_->is_lost ? std::string_view(named_->name) : value;
  recorder_.rename_application(shown);
  named_->is_hidden = shown == named_->told;
  if (named_->is_hidden) return;
  named_->told = shown;
  if (named_->is_lost) pg::append_parameter_status(rare().replacement, name, shown);
}

// It quotes what the client wrote, and is ours: UTF-8.
void Conversation::append_refusal(const pg::ErrorFields& fields) {
  const std::string message = pg::text_for(fields.message, client_encoding_);
  const std::string hint = pg::text_for(fields.hint, client_encoding_);
  pg::ErrorFields shown = fields;
  shown.message = message;
  shown.hint = hint;
  pg::append_error_response(rare().replacement, shown);
}

void Conversation::note_parameter(std::string_view name, std::string_view value) {
  if (settings_ != nullptr) settings_->note(name, value);
  if (gate_ && gate_->access().level == policy::Level::read && name == "default_transaction_read_only" &&
      value == "off") {
    break_off(Fault::denied, "the session is no longer read-only");
  }
  if (name == "standard_conforming_strings") strings_are_standard_ = value == "on";
  if (name == "application_name") recorder_.rename_application(value);
  // Encodings in which an ASCII byte can be a part of another character.
  if (name == "server_encoding") queue_.use_server_encoding(pg::Encoding::named(value));
  if (name == "client_encoding") {
    client_encoding_ = pg::Encoding::named(value);
    queue_.use_client_encoding(pg::Encoding::named(value));
    encoding_is_safe_ = value != "SJIS" && value != "SHIFT_JIS_2004" && value != "BIG5" && value != "GBK" &&
                        value != "GB18030" && value != "UHC" && value != "JOHAB";
  }
  if (gate_ && !can_cut()) {
    break_off(Fault::denied, "with " + std::string(name) + " = " + std::string(value) +
                                 " statements cannot be read safely, which your access needs");
  }
}

// ---------------------------------------------------------------- bodies that nobody reads

uint32_t Conversation::client_body_to_pass() const {
  const uint32_t remaining = client_.body_remaining();
  if (remaining <= 1) return 0;
  const char type = client_.open_type();
  // Of a text all is read, if only for its digest.
  if (type == from_client::query || type == from_client::parse || is_message_gated_) return 0;
  if (seen().client_capture.size() < client_capture_max(type)) return 0;
  // What stands before it is kept back.
  if (gate_ && gate_->from_client().is_marked()) return 0;
  return remaining - 1;
}

uint32_t Conversation::server_body_to_pass() const {
  const uint32_t remaining = server_.body_remaining();
  return remaining <= 1 || is_read(server_.open_type()) ? 0 : remaining - 1;
}

// ---------------------------------------------------------------- outcomes

void Conversation::done(const pg::Completion& completion) {
  // What was refused has its whole record already.
  if ((completion.number & pg::unrecorded_statement) != 0) return;
  warn_of_change(completion);
  if (watched_ != nullptr && completion.is_presumed) watched_->is_doubtful = true;
  if (fits(completion)) recorder_.outcome(completion, now_.ns);
  else contradicted(completion);
}

// The trail does not go on saying that this text ran.
void Conversation::contradicted(const pg::Completion& completion) {
  const Contradiction what = contradiction(completion);
  const pg::StatementText instead = contradicted_text(what);
  const Uuid id = recorder_.new_id(now_.us);
  recorder_.outcome(completion, now_.ns, &instead, &id);
  counters_.attribution_mismatches.add();
  recorder_.publish(attribution_mismatch(recorder_, what, &id, completion.rows, now_.us));
  if (witness_ == AttributionWitness::end && !error_) {
    is_contradicted_ = true;
    break_off(Fault::malformed,
              "answered " + what.answered + " to a statement that is to be answered with " + what.expected);
  }
}

// Something ran that has no record. A server that goes on so is told of once.
void Conversation::note_strays() {
  if (error_) return;
  const bool ends = queue_.is_lost() || witness_ == AttributionWitness::end;
  if (!std::exchange(has_told_strays_, true)) {
    counters_.attribution_mismatches.add();
    recorder_.publish(attribution_mismatch(recorder_,
                                           std::string("answers of the server fit no recorded statement") +
                                               (ends ? "; the session was ended" : ""),
                                           now_.us));
  }
  if (ends) break_off(Fault::malformed, "its answers fit no statement that was sent");
}

void Conversation::error_outside(const pg::ErrorFields& error, const pg::StatementText* text) {
  if (is_refusal_) return;
  const Uuid id = recorder_.new_id(now_.us);
  auto event = recorder_.event(audit::Category::audit, "postgres_error", audit::Severity::warning,
                               audit::Outcome::failure, now_.us, &id);
  event.text(audit::Tag::sqlstate, error.sqlstate);
  const ShownMessage message = shown_message(error.message, text != nullptr && text->holds_secret());
  event.text(audit::Tag::error_message, message.text);
  Hidden hidden;
  if (text != nullptr) hidden.add(*text);
  if (message.hides) hidden.add(audit::Tag::error_message, error.message);
  recorder_.hide(event, hidden, id);
  if (text != nullptr) {
    event.text(audit::Tag::statement, text->text);
    event.integer(audit::Tag::statement_bytes, static_cast<int64_t>(text->full_bytes));
  }
  recorder_.publish(std::move(event));
}

void Conversation::abandon(Now now) {
  now_ = now;
  abandon_binds();
  queue_.abandon(unsent_from_);
}

}  // namespace ringfence::proxy
