#include "refusal.h"

#include <algorithm>

#include "ringfence/base/utf8.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

namespace {

// They quote what the client wrote.
std::string told(std::string_view text) { return std::string(text_prefix(text, refusal_text_bytes_max)); }

}  // namespace

uint32_t position_of(std::string_view text, size_t byte) {
  if (byte > text.size()) return 0;
  const auto is_start = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  return static_cast<uint32_t>(
             std::count_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(byte), is_start)) +
         1;
}

Refusal Refusal::of(const policy::Decision& decision) {
  return {std::string(pg::sqlstate::insufficient_privilege), decision.rule, told(decision.message),
          told(decision.hint), std::string_view::npos};
}

Refusal Refusal::too_long(size_t bytes_max) {
  return {std::string(pg::sqlstate::program_limit_exceeded), "sql_bytes_max",
          "the statement is longer than the " + std::to_string(bytes_max) + " bytes that are decided at once",
          "Send it in parts; COPY has no such bound.", std::string_view::npos};
}

Refusal Refusal::too_many(size_t statements_max) {
  return {std::string(pg::sqlstate::program_limit_exceeded), "sql_statements_max",
          "the message has more than the " + std::to_string(statements_max) +
              " statements that are decided at once",
          "Send them in several messages.", std::string_view::npos};
}

Refusal Refusal::no_budget(std::string why) {
  return {std::string(pg::sqlstate::configuration_limit_exceeded), "budget", std::move(why),
          "Ask for another grant, or for a larger budget.", std::string_view::npos};
}

Refusal Refusal::foreign_text() {
  return {std::string(pg::sqlstate::insufficient_privilege), "analysis",
          "the statement has other bytes than ASCII and is not sent in UTF-8, by which statements are judged "
          "here",
          "SET client_encoding TO 'UTF8', or write them as U&'\\00E9'.", 0};
}

Refusal Refusal::call_with_end() {
  return {std::string(pg::sqlstate::insufficient_privilege), "functions",
          "a function that a policy admits by name may not be called in one message with COMMIT or ROLLBACK",
          "Send the call by itself: only its answer tells whether the session is still read-only.", 0};
}

Refusal Refusal::malformed_call() {
  Refusal refusal{std::string(pg::sqlstate::protocol_violation), "protocol", "invalid message format",
                  "The FunctionCall message is cut or too long.", std::string_view::npos};
  refusal.permission = "function_call";
  refusal.is_denied = false;
  return refusal;
}

Refusal Refusal::unknown_text() {
  return {std::string(pg::sqlstate::insufficient_privilege), "analysis",
          "the policies have changed since this statement was prepared, and its text is not known any more",
          "Prepare it again.", std::string_view::npos};
}

Refusal Refusal::unreadable_text() {
  return {std::string(pg::sqlstate::insufficient_privilege), "analysis",
          "the statement has other bytes than ASCII, or backslashes in strings, and the settings by which "
          "the server reads them "
          "cannot be asked for here",
          "End the transaction or the COPY, send Sync, and send the statement again.",
          std::string_view::npos};
}

Refusal Refusal::doubtful_name(bool is_portal, std::string_view name) {
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

}  // namespace ringfence::proxy
