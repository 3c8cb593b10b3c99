#include "console_desk.h"

#include "console_bounds.h"
#include "console_settings.h"
#include "console_tables.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/utf8.h"
#include "ringfence/pg/sqlstate.h"
#include "ringfence/sql/redact.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;
using ring::Task;

namespace {

constexpr size_t told_text_bytes_max = 1'024;
constexpr std::string_view help_hint = "SHOW HELP lists the commands.";

ConsoleResult failed(ConsoleError error) {
  ConsoleResult out;
  out.error = std::move(error);
  return out;
}

ConsoleResult done(std::string_view tag, std::optional<ConsoleTable> table = std::nullopt) {
  ConsoleResult out;
  out.tag = tag;
  out.table = std::move(table);
  return out;
}

Task<ConsoleResult> answered(ConsoleResult result) { co_return result; }

// As the trail has it: without secrets.
std::string told_text(const std::string& text) {
  std::string out = make_valid_text(text_prefix(text, told_text_bytes_max));
  if (auto redacted = sql::redact(out)) out = std::move(redacted->text);
  return out;
}

}  // namespace

ConsoleError unknown_command(const ConsoleCommand& command) {
  return {pg::sqlstate::syntax_error, "the console does not know this command: " + command.argument,
          std::string(help_hint)};
}

Task<ConsoleResult> ConsoleDesk::run(const ConsoleCommand& command) {
  auto admitting = admit(command);
  std::optional<ConsoleError> refused = co_await admitting;
  ConsoleResult result;
  if (refused) {
    result = failed(std::move(*refused));
  } else {
    auto executing = execute(command);
    result = co_await executing;
  }
  record(command, result);
  co_return result;
}

void ConsoleDesk::refuse(const ConsoleCommand& command, const ConsoleError& error) {
  record(command, failed(error));
}

void ConsoleDesk::break_off() {
  is_broken_off_ = true;
  if (waiting_) waiting_->answered();
}

// By the users and roles in force at this moment; and not before the trail has room for it.
Task<std::optional<ConsoleError>> ConsoleDesk::admit(const ConsoleCommand& command) {
  const uint64_t wait_ns = recorder_.volume().settle(shard_.core, false);
  if (wait_ns > 0) {
    auto pausing = wait_for(std::make_shared<Waiting>(), wait_ns / 1'000'000 + 1);
    co_await pausing;
  }
  if (!recorder_.has_room(Recorder::outcome_bytes_max)) {
    auto waiting = shard_.core.room.wait();
    const bool has_room = co_await waiting;
    if (!has_room) {
      co_return ConsoleError{pg::sqlstate::io_error,
                             "the audit trail cannot be written, so no command is run",
                             "The appliance's /readyz says why."};
    }
  }
  if (is_broken_off_) co_return no_answer().error;
  if (command.verb == ConsoleVerb::unknown) co_return unknown_command(command);
  const std::string_view scope = console_scope(command.verb);
  if (!scope.empty() && !user_.scopes(*shard_.core.snapshot).has(scope)) {
    co_return ConsoleError{pg::sqlstate::insufficient_privilege,
                           std::string(console_name(command.verb)) + " needs the scope " + std::string(scope),
                           "Ask an administrator for a role that has it."};
  }
  co_return std::nullopt;
}

Task<ConsoleResult> ConsoleDesk::execute(const ConsoleCommand& command) {
  switch (command.verb) {
    case ConsoleVerb::show_sessions: return ask(command, ConsoleQuestion::sessions);
    case ConsoleVerb::show_stats: return ask(command, ConsoleQuestion::stats);
    case ConsoleVerb::show_config: return ask(command, ConsoleQuestion::config);
    case ConsoleVerb::show_targets:
    case ConsoleVerb::show_grants: return look_up(command);
    case ConsoleVerb::kill: return kill(command);
    default: break;
  }
  return answered(answer_at_once(command));
}

ConsoleResult ConsoleDesk::answer_at_once(const ConsoleCommand& command) const {
  switch (command.verb) {
    case ConsoleVerb::show_help: return done("SHOW", help_table());
    case ConsoleVerb::show_version: return done("SHOW", version_table(shard_.core.options.node));
    case ConsoleVerb::select_number: return done("SELECT 1", table_of(command, {{command.argument}}));
    case ConsoleVerb::select_version:
      return done("SELECT 1", table_of(command, {{"Ringfence " RINGFENCE_VERSION}}));
    case ConsoleVerb::show_setting: {
      auto value = console_setting(command.argument, user_.then->name, recorder_.application_name());
      if (value) return done("SHOW", table_of(command, {{std::move(*value)}}));
      return failed({pg::sqlstate::syntax_error,
                     "the console has nothing to show that is called \"" +
                         make_valid_text(text_prefix(command.argument, 64)) + "\"",
                     std::string(help_hint)});
    }
    case ConsoleVerb::set:
      if (command.argument == "client_encoding" && !is_console_encoding(command.value))
        return failed({pg::sqlstate::feature_not_supported, "the console speaks UTF8 alone",
                       "Set client_encoding to UTF8."});
      return done("SET");
    default: return done(console_name(command.verb));
  }
}

ConsoleResult ConsoleDesk::no_answer() const {
  if (is_broken_off_) return failed({pg::sqlstate::query_canceled, "the session has ended meanwhile"});
  return failed({pg::sqlstate::query_canceled, "the appliance did not answer in time",
                 "It is busy; try again in a moment."});
}

Task<void> ConsoleDesk::wait_for(WaitingPtr waiting, uint64_t ms) {
  waiting_ = waiting;
  ring::CallbackTimer timer(shard_.core.shard.timers(), [waiting] { waiting->answered(); });
  timer.arm(shard_.core.shard.now_ns() + ms * 1'000'000);
  if (!is_broken_off_) {
    ring::Event& event = waiting->event;
    co_await event;
  }
  waiting->is_over = true;
  waiting_.reset();
}

Task<ConsoleResult> ConsoleDesk::ask(const ConsoleCommand& command, ConsoleQuestion question) {
  auto waiting = std::make_shared<Waiting>();
  shard_.core.options.console->ask(question, console_rows_max + 1, shard_.core.shard,
                                   [waiting](std::vector<ConsoleTable::Row> rows) {
                                     waiting->rows = std::move(rows);
                                     waiting->answered();
                                   });
  auto answering = wait_for(waiting, console_answer_ms);
  co_await answering;
  if (!waiting->rows) co_return no_answer();
  co_return done("SHOW", table_of(command, std::move(*waiting->rows)));
}

// Of the snapshot, which may be large: on a thread that has the time.
Task<ConsoleResult> ConsoleDesk::look_up(const ConsoleCommand& command) {
  auto waiting = std::make_shared<Waiting>();
  const uint64_t due_ns = mono_ns() + console_answer_ms * 1'000'000 / 2;
  const bool is_taken = shard_.core.workers.analyses.post(
      [waiting, due_ns, verb = command.verb, snapshot = shard_.core.snapshot, &home = shard_.core.shard] {
        ConsoleTable table = verb == ConsoleVerb::show_targets
                                 ? targets_table(*snapshot)
                                 : grants_table(*snapshot, [due_ns] { return mono_ns() > due_ns; });
        home.deliver([waiting, table = std::move(table)]() mutable {
          waiting->table = std::move(table);
          waiting->answered();
        });
      });
  if (!is_taken) co_return no_answer();
  auto answering = wait_for(waiting, console_answer_ms);
  co_await answering;
  if (!waiting->table) co_return no_answer();
  co_return done("SHOW", std::move(*waiting->table));
}

Task<ConsoleResult> ConsoleDesk::kill(const ConsoleCommand& command) {
  const auto id = parse_uuid(command.argument);
  if (!id) {
    co_return failed({pg::sqlstate::invalid_parameter_value, "a session's id is a UUID",
                      "SHOW SESSIONS lists the sessions and their ids."});
  }
  auto waiting = std::make_shared<Waiting>();
  std::string by = user_.then->name + " (console) from " + std::string(recorder_.client_addr());
  shard_.core.options.console->end(*id, std::move(by), shard_.core.shard, [waiting](bool found) {
    waiting->found = found;
    waiting->answered();
  });
  auto answering = wait_for(waiting, console_answer_ms);
  co_await answering;
  if (!waiting->found) co_return no_answer();
  if (*waiting->found) co_return done("KILL");
  co_return failed({pg::sqlstate::undefined_object, "no such session is open",
                    "SHOW SESSIONS lists the sessions and their ids."});
}

void ConsoleDesk::record(const ConsoleCommand& command, const ConsoleResult& result) {
  ++commands_;
  const bool is_denied = result.error && result.error->sqlstate == pg::sqlstate::insufficient_privilege;
  const bool is_open = result.error && result.error->sqlstate == pg::sqlstate::query_canceled;
  const Outcome outcome = !result.error ? Outcome::success
                          : is_denied   ? Outcome::denied
                          : is_open     ? Outcome::unknown
                                        : Outcome::failure;
  const bool takes_away = command.verb == ConsoleVerb::kill;
  auto event = recorder_.event(Category::system, "console_command",
                               is_denied || takes_away ? Severity::warning : Severity::info, outcome,
                               shard_.core.shard.now_us());
  const auto id = parse_uuid(command.argument);
  const bool has_session = takes_away && id.has_value();
  event.text(Tag::entity_type, has_session ? "session" : "console");
  event.text(Tag::entity_id, has_session ? to_string(*id) : std::string(console_name(command.verb)));
  event.text(Tag::statement, told_text(command.text));
  if (result.table) event.integer(Tag::rows, static_cast<int64_t>(result.table->rows.size()));
  if (result.error)
    event.text(Tag::sqlstate, result.error->sqlstate).text(Tag::reason, result.error->message);
  recorder_.publish(std::move(event));
}

}  // namespace ringfence::proxy
