#include "console_talk.h"

#include <algorithm>

#include "console_bounds.h"
#include "console_tables.h"
#include "ringfence/base/utf8.h"
#include "ringfence/net/deadline.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/parse.h"
#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

namespace from_client = pg::from_client;
namespace from_server = pg::from_server;
using ring::Task;

namespace {

ConsoleError malformed(const Error& error) { return {pg::sqlstate::protocol_violation, error.message}; }

}  // namespace

// ---------------------------------------------------------------- answers

void ConsoleTalk::fail_with(const ConsoleError& error) {
  if (transaction_ == 'T') transaction_ = 'E';
  pg::append_error_response(out_, {.sqlstate = error.sqlstate, .message = error.message, .hint = error.hint});
}

void ConsoleTalk::fail_extended(const ConsoleError& error) {
  fail_with(error);
  skips_ = true;
}

void ConsoleTalk::finish(const ConsoleResult& result) {
  if (result.table && result.table->is_cut) {
    const std::string message =
        "there are more rows; the console shows " + std::to_string(console_rows_max) + " at most";
    pg::append_notice_response(out_, {.severity = "NOTICE", .sqlstate = "01004", .message = message});
  }
  pg::append_command_complete(out_, result.tag);
}

Task<void> ConsoleTalk::flush() {
  // A session that ends says why, and nothing else.
  if (desk_.is_broken_off()) out_.clear();
  if (out_.empty() || is_gone_) co_return;
  const std::string bytes = std::exchange(out_, {});
  const net::Deadline deadline(shard_, stream_, console_send_ms);
  net::Send sending(stream_, bytes);
  Result<void> sent = co_await sending;
  is_gone_ = !sent;
  is_too_slow_ = deadline.has_passed();
  bytes_sent_ += bytes.size();
}

Task<size_t> ConsoleTalk::send_rows(const ConsoleTable& table, const ResultFormats& formats, size_t begin,
                                    size_t rows_max) {
  size_t at = begin;
  for (; at < table.rows.size() && at - begin < rows_max && !is_gone_; ++at) {
    append_data_row(out_, table.columns, table.rows[at], formats);
    if (out_.size() < console_send_bytes) continue;
    auto flushing = flush();
    co_await flushing;
  }
  co_return at;
}

// ---------------------------------------------------------------- both kinds of queries

// BEGIN and its kind change nothing but what clients are told of.
void ConsoleTalk::take_transaction(ConsoleVerb verb, ConsoleResult& result) {
  if (verb == ConsoleVerb::begin) {
    transaction_ = 'T';
  } else if (verb == ConsoleVerb::commit || verb == ConsoleVerb::rollback) {
    if (transaction_ == 'E') result.tag = "ROLLBACK";
    transaction_ = 'I';
  }
}

Task<ConsoleResult> ConsoleTalk::run(const ConsoleCommand& command) {
  const bool ends_it = command.verb == ConsoleVerb::commit || command.verb == ConsoleVerb::rollback;
  ConsoleResult result;
  if (transaction_ == 'E' && !ends_it) {
    result.error = {pg::sqlstate::in_failed_transaction,
                    "current transaction is aborted, commands ignored until end of transaction block"};
    desk_.refuse(command, *result.error);
    co_return result;
  }
  auto running = desk_.run(command);
  result = co_await running;
  if (result.error) co_return result;
  take_transaction(command.verb, result);
  if (command.verb == ConsoleVerb::deallocate) {
    if (command.argument.empty()) statements_.clear();
    else statements_.erase(command.argument);
  }
  co_return result;
}

Task<void> ConsoleTalk::query(std::string_view text) {
  statements_.erase("");
  portals_.clear();
  const std::vector<ConsoleCommand> commands = parse_console(text);
  if (commands.empty()) append_empty(out_, from_server::empty_query_response);
  for (const ConsoleCommand& command : commands) {
    ConsoleResult result;
    if (command.has_parameter()) {
      result.error = {"42P02", "there is no parameter $1", "Write the session's id behind KILL."};
      desk_.refuse(command, *result.error);
    } else {
      auto running = run(command);
      result = co_await running;
    }
    if (result.error) {
      fail_with(*result.error);
      break;
    }
    if (result.table) {
      append_row_description(out_, result.table->columns, {});
      auto sending = send_rows(*result.table, {}, 0, result.table->rows.size());
      co_await sending;
    }
    finish(result);
  }
  pg::append_ready_for_query(out_, transaction_);
}

// ---------------------------------------------------------------- extended queries

void ConsoleTalk::parse(ByteView body) {
  auto message = pg::parse_parse(body);
  if (!message) return fail_extended(malformed(message.error()));
  std::vector<ConsoleCommand> commands = parse_console(message->text);
  if (commands.size() > 1) {
    return fail_extended({pg::sqlstate::syntax_error, "a prepared statement is one command",
                          "Prepare each by itself, or send them as a simple query."});
  }
  const bool is_known = statements_.contains(message->name);
  if (is_known && !message->name.empty()) {
    return fail_extended(
        {"42P05", "prepared statement \"" + make_valid_text(message->name) + "\" exists already"});
  }
  if (!is_known && statements_.size() >= console_statements_max) {
    return fail_extended({pg::sqlstate::program_limit_exceeded,
                          "the console keeps " + std::to_string(console_statements_max) +
                              " prepared statements of a session at most",
                          "Close some."});
  }
  Statement made;
  made.is_empty = commands.empty();
  if (!made.is_empty) made.command = std::move(commands[0]);
  if (!made.is_empty && made.command.verb == ConsoleVerb::unknown) {
    const ConsoleError error = unknown_command(made.command);
    desk_.refuse(made.command, error);
    return fail_extended(error);
  }
  if (message->type_count > 0) made.parameter_type = message->type(0);
  statements_.insert_or_assign(std::string(message->name), std::move(made));
  append_empty(out_, from_server::parse_complete);
}

std::optional<ConsoleError> ConsoleTalk::take_parameter(const Statement& statement, pg::BindMessage& message,
                                                        ConsoleCommand& to) const {
  const size_t wanted = statement.command.has_parameter() ? 1 : 0;
  if (message.parameters.count() != wanted) {
    return ConsoleError{pg::sqlstate::protocol_violation,
                        "the command takes " + std::to_string(wanted) + " parameters, and " +
                            std::to_string(message.parameters.count()) + " are given"};
  }
  if (wanted == 0) return std::nullopt;
  const auto value = message.parameters.next();
  if (!value || value->is_null)
    return ConsoleError{pg::sqlstate::invalid_parameter_value, "a session's id is no null"};
  Uuid id{};
  // A client that says uuid may send it as its bytes.
  if (value->format == 1 && value->value.size() == id.bytes.size()) {
    std::copy(value->value.begin(), value->value.end(), id.bytes.begin());
    to.argument = to_string(id);
  } else {
    to.argument = std::string(value->value);
  }
  // An empty one is none that there is, and no second parameter.
  if (to.argument.empty()) to.argument = "''";
  return std::nullopt;
}

void ConsoleTalk::bind(ByteView body) {
  auto message = pg::parse_bind(body);
  if (!message) return fail_extended(malformed(message.error()));
  const auto found = statements_.find(message->statement);
  if (found == statements_.end()) {
    return fail_extended(
        {pg::sqlstate::invalid_statement_name,
         "prepared statement \"" + make_valid_text(message->statement) + "\" does not exist"});
  }
  if (!portals_.contains(message->portal) && portals_.size() >= console_statements_max) {
    return fail_extended(
        {pg::sqlstate::program_limit_exceeded,
         "the console keeps " + std::to_string(console_statements_max) + " portals of a session at most",
         "Close some, or send Sync."});
  }
  Portal made;
  made.statement = found->second;
  // The formats are the last that stands in the message.
  Reader formats(body.substr(body.size() - 2 * size_t{message->result_format_count}));
  for (uint16_t i = 0; i < message->result_format_count; ++i) made.formats.push_back(formats.u16());
  if (!fits(made.formats, console_columns(found->second.command).size()))
    return fail_extended({pg::sqlstate::protocol_violation, "the formats of results fit no result"});
  if (auto wrong = take_parameter(found->second, *message, made.statement.command))
    return fail_extended(*wrong);
  portals_.insert_or_assign(std::string(message->portal), std::move(made));
  append_empty(out_, from_server::bind_complete);
}

void ConsoleTalk::describe(ByteView body) {
  auto message = pg::parse_describe(body);
  if (!message) return fail_extended(malformed(message.error()));
  const Statement* statement = nullptr;
  ResultFormats formats;
  if (message->is_portal) {
    const auto found = portals_.find(message->name);
    if (found == portals_.end())
      return fail_extended({pg::sqlstate::invalid_cursor_name, "there is no such portal"});
    statement = &found->second.statement;
    formats = found->second.formats;
  } else {
    const auto found = statements_.find(message->name);
    if (found == statements_.end())
      return fail_extended({pg::sqlstate::invalid_statement_name, "there is no such prepared statement"});
    statement = &found->second;
    append_parameter_description(out_, statement->command.has_parameter() ? 1 : 0, statement->parameter_type);
  }
  const std::vector<ConsoleColumn> columns = console_columns(statement->command);
  if (columns.empty()) append_empty(out_, from_server::no_data);
  else append_row_description(out_, columns, formats);
}

void ConsoleTalk::close(ByteView body) {
  auto message = pg::parse_close(body);
  if (!message) return fail_extended(malformed(message.error()));
  if (message->is_portal) {
    if (const auto found = portals_.find(message->name); found != portals_.end()) portals_.erase(found);
  } else if (const auto found = statements_.find(message->name); found != statements_.end()) {
    statements_.erase(found);
  }
  append_empty(out_, from_server::close_complete);
}

bool ConsoleTalk::has_rows_left() const {
  return std::any_of(portals_.begin(), portals_.end(), [](const auto& each) {
    const Portal& portal = each.second;
    return portal.result && portal.result->table && !portal.result->table->rows.empty();
  });
}

Task<void> ConsoleTalk::execute(ByteView body) {
  auto message = pg::parse_execute(body);
  const auto found = message ? portals_.find(message->portal) : portals_.end();
  if (!message) fail_extended(malformed(message.error()));
  else if (found == portals_.end())
    fail_extended({pg::sqlstate::invalid_cursor_name, "there is no such portal"});
  if (found == portals_.end()) co_return;
  Portal& portal = found->second;
  if (portal.statement.is_empty) {
    append_empty(out_, from_server::empty_query_response);
    co_return;
  }
  if (!portal.result) {
    if (has_rows_left()) {
      fail_extended({pg::sqlstate::program_limit_exceeded,
                     "the console keeps the rows of one portal at a time",
                     "Take all rows of the other portal first, or close it."});
      co_return;
    }
    auto running = run(portal.statement.command);
    ConsoleResult result = co_await running;
    if (result.error) {
      fail_extended(*result.error);
      co_return;
    }
    portal.result = std::move(result);
  }
  const ConsoleResult& result = *portal.result;
  if (result.table) {
    const size_t rows_max =
        message->rows_max > 0 ? static_cast<size_t>(message->rows_max) : result.table->rows.size();
    auto sending = send_rows(*result.table, portal.formats, portal.sent, rows_max);
    portal.sent = co_await sending;
    if (portal.sent < result.table->rows.size()) {
      append_empty(out_, from_server::portal_suspended);
      co_return;
    }
  }
  finish(result);
  // One that is run again has no more rows.
  if (portal.result->table) portal.result->table = ConsoleTable{result.table->columns};
  portal.sent = 0;
}

void ConsoleTalk::sync() {
  skips_ = false;
  if (transaction_ == 'I') portals_.clear();
  pg::append_ready_for_query(out_, transaction_);
}

Task<void> ConsoleTalk::extended(char type, ByteView body) {
  if (skips_) co_return;
  switch (type) {
    case from_client::parse: parse(body); break;
    case from_client::bind: bind(body); break;
    case from_client::describe: describe(body); break;
    case from_client::close: close(body); break;
    case from_client::execute: {
      auto executing = execute(body);
      co_await executing;
      break;
    }
    default: break;
  }
}

// ---------------------------------------------------------------- messages

Task<ConsoleTalk::Next> ConsoleTalk::take(Message message) {
  bool is_due = out_.size() >= console_send_bytes;  // For what is waited for.
  switch (message.type) {
    case from_client::query: {
      auto text = pg::parse_query(message.body);
      if (!text) co_return Next::is_broken;
      auto answering = query(*text);
      co_await answering;
      is_due = true;
      break;
    }
    case from_client::parse:
    case from_client::bind:
    case from_client::describe:
    case from_client::close:
    case from_client::execute: {
      auto taking = extended(message.type, message.body);
      co_await taking;
      break;
    }
    case from_client::sync:
      sync();
      is_due = true;
      break;
    case from_client::flush: is_due = true; break;
    case from_client::function_call:
      fail_with({pg::sqlstate::feature_not_supported, "the console has no functions to call"});
      pg::append_ready_for_query(out_, transaction_);
      is_due = true;
      break;
    // Of a COPY that has failed, as PostgreSQL takes them.
    case from_client::copy_data:
    case from_client::copy_done:
    case from_client::copy_fail: break;
    case from_client::terminate: co_return Next::said_goodbye;
    default: co_return Next::is_broken;
  }
  if (is_due) {
    auto flushing = flush();
    co_await flushing;
  }
  co_return is_gone_ ? Next::is_gone : Next::goes_on;
}

}  // namespace ringfence::proxy
