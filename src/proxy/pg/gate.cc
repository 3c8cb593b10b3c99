#include "gate.h"

#include <algorithm>

#include "ringfence/base/utf8.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/sql/lex.h"
#include "ringfence/sql/read_only_form.h"

namespace ringfence::proxy {

namespace {

// They quote what the client wrote.
std::string told(std::string_view text) { return std::string(text_prefix(text, refusal_text_bytes_max)); }

Refusal refusal_of(const policy::Decision& decision) {
  return {std::string(pg::sqlstate::insufficient_privilege), decision.rule, told(decision.message),
          told(decision.hint), std::string_view::npos};
}

}  // namespace

uint32_t position_of(std::string_view text, size_t byte) {
  if (byte > text.size()) return 0;
  const auto is_start = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  return static_cast<uint32_t>(
             std::count_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(byte), is_start)) +
         1;
}

Gate::Gate(std::shared_ptr<StatementJudge> judge, std::string_view nonce) : judge_(std::move(judge)) {
  RINGFENCE_ASSERT(nonce.size() <= nonce_bytes_max);
  nonce.copy(nonce_, nonce_bytes_max);
}

// Null: it is not to be passed so either.
const policy::Decision* Gate::judge_read_only(std::string_view statement) {
  std::optional<std::string> form = sql::read_only_form(statement);
  if (!form) return nullptr;
  const policy::Decision* decision = judge_->judge(*form);
  if (decision == nullptr || !decision->is_allowed) return nullptr;
  rare().instead = std::move(*form);
  return decision;
}

Gate::Verdict Gate::check(std::string_view statement, bool may_change) {
  const policy::Decision* decision = nullptr;
  if (rare_) rare_->instead.clear();
  // What cannot be analysed, or is very long, is not remembered by the judge.
  if (rare_) {
    const auto found = rare_->analysed.find(statement);
    if (found != rare_->analysed.end()) decision = &judge_->judge_analysed(statement, found->second);
  }
  if (decision == nullptr) decision = judge_->judge(statement);
  if (decision == nullptr) return Verdict::unknown;
  if (may_change && !decision->is_allowed && decision->rule == "settings" &&
      access().level == policy::Level::read) {
    const policy::Decision* other = judge_read_only(statement);
    // The judge has forgotten what it said before.
    decision = other != nullptr ? other : judge_->judge(statement);
    if (decision == nullptr) return Verdict::unknown;
  }
  calls_named_ = decision->calls_named_functions;
  decision_ = decision;
  if (decision->is_allowed) return Verdict::pass;
  Refusal refused = refusal_of(*decision);
  refused.at =
      decision->at == sql::nowhere ? std::string_view::npos : sql::token_begin(statement, decision->at);
  if (refused.at != std::string_view::npos) refused.position = position_of(statement, refused.at);
  if (const sql::Facts* facts = judge_->facts()) refused.permission = facts->kind;
  rare().refusal = std::move(refused);
  return Verdict::refused;
}

void Gate::analysed(std::string text, Result<sql::Facts> facts) {
  rare().analysed.emplace(std::move(text), std::move(facts));
}

std::optional<Refusal> Gate::check_call(uint32_t oid) {
  const policy::Decision decision = judge_->judge_call(oid);
  if (decision.is_allowed) return std::nullopt;
  Refusal refusal = refusal_of(decision);
  refusal.permission = "function_call";
  return refusal;
}

Refusal Gate::too_long(size_t bytes_max) {
  return {std::string(pg::sqlstate::program_limit_exceeded), "sql_bytes_max",
          "the statement is longer than the " + std::to_string(bytes_max) + " bytes that are decided at once",
          "Send it in parts; COPY has no such bound.", std::string_view::npos};
}

Refusal Gate::too_many(size_t statements_max) {
  return {std::string(pg::sqlstate::program_limit_exceeded), "sql_statements_max",
          "the message has more than the " + std::to_string(statements_max) +
              " statements that are decided at once",
          "Send them in several messages.", std::string_view::npos};
}

Refusal Gate::call_with_end() {
  return {std::string(pg::sqlstate::insufficient_privilege), "functions",
          "a function that a policy admits by name may not be called in one message with COMMIT or ROLLBACK",
          "Send the call by itself: only its answer tells whether the session is still read-only.", 0};
}

Refusal Gate::malformed_call() {
  Refusal refusal{std::string(pg::sqlstate::protocol_violation), "protocol", "invalid message format",
                  "The FunctionCall message is cut or too long.", std::string_view::npos};
  refusal.permission = "function_call";
  refusal.is_denied = false;
  return refusal;
}

Refusal Gate::unknown_text() {
  return {std::string(pg::sqlstate::insufficient_privilege), "analysis",
          "the policies have changed since this statement was prepared, and its text is not known any more",
          "Prepare it again.", std::string_view::npos};
}

Refusal Gate::unreadable_text() {
  return {std::string(pg::sqlstate::insufficient_privilege), "analysis",
          "the statement has other bytes than ASCII, or backslashes in strings, and the settings by which "
          "the server reads them "
          "cannot be asked for here",
          "End the transaction or the COPY, send Sync, and send the statement again.",
          std::string_view::npos};
}

Refusal Gate::doubtful_name(bool is_portal, std::string_view name) {
  std::string shown = make_valid_text(told(name));
  std::string message = is_portal ? "cursor \"" : "prepared statement \"";
  message += shown + "\" may have been changed by what was run since it was made";
  return {std::string(is_portal ? pg::sqlstate::invalid_cursor_name : pg::sqlstate::invalid_statement_name),
          "names", std::move(message),
          is_portal ? "Open it again: functions and procedures, which the appliance does not see, can close "
                      "a cursor and "
                      "open another one by its name."
                    : "Prepare it again: functions and procedures, which the appliance does not see, can "
                      "drop a prepared "
                      "statement and prepare another one by its name.",
          std::string_view::npos};
}

std::string Gate::marker(uint64_t number) const {
  return std::string("rf_") + nonce_ + "_" + std::to_string(number);
}

std::string Gate::replace(Instead instead, const Refusal& refusal, uint32_t position) {
  const uint64_t number = ++refusals_;
  // Those that the server skipped are never answered; of the others there are no more than messages in
  // flight.
  auto& pending = rare().pending;
  if (pending.size() > 2 * pipeline_entries_max) pending.pop_front();
  pending.push_back({number, instead == Instead::function_call, position, refusal});
  std::string message;
  switch (instead) {
    case Instead::query: pg::append_query(message, marker(number)); break;
    case Instead::parse_unnamed: pg::append_parse(message, "", marker(number)); break;
    case Instead::parse_named: pg::append_parse(message, marker(number), marker(number)); break;
    case Instead::function_call: pg::append_function_call(message, 0); break;
  }
  return message;
}

const pg::ErrorFields* Gate::refusal_behind(const pg::ErrorFields& error, uint64_t number) {
  if (number == 0 || !rare_) return nullptr;
  auto& pending = rare_->pending;
  // Those before it were skipped by the server.
  while (!pending.empty() && pending.front().number < number) pending.pop_front();
  if (pending.empty() || pending.front().number != number) return nullptr;
  const Pending found = std::move(pending.front());
  pending.pop_front();
  // Another error may come instead: a timeout, a cancel, an aborted transaction.
  const bool is_expected =
      found.is_call ? error.sqlstate == "42883" : error.message.find(marker(number)) != error.message.npos;
  if (!is_expected) return nullptr;
  rare_->answered = found.refusal;
  rare_->fields = {.severity = "ERROR",
                   .sqlstate = rare_->answered.sqlstate,
                   .message = rare_->answered.message,
                   .hint = rare_->answered.hint,
                   .position = found.position};
  return &rare_->fields;
}

}  // namespace ringfence::proxy
