// The console's commands: text to values. Pure; reached by whoever may use the console.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringfence::proxy {

// Commands of one Query message; what stands behind them is an error.
inline constexpr size_t console_commands_max = 32;

enum class ConsoleVerb : uint8_t {
  show_sessions,
  show_targets,
  show_grants,
  show_stats,
  show_config,
  show_version,
  show_help,
  show_setting,  // Of the protocol: `argument` is its name, in small letters.
  kill,          // `argument`: the session's id as it was written; empty: it is the parameter $1.
  begin,
  commit,
  rollback,
  set,         // `argument`: the setting's name, in small letters; `value`: its value.
  reset,       // And DISCARD.
  deallocate,  // `argument`: the statement's name; empty: all.
  select_number,
  select_version,
  unknown,  // `argument`: why, in a few words.
};

struct ConsoleCommand {
  ConsoleVerb verb = ConsoleVerb::unknown;
  std::string argument = {};
  std::string value = {};
  std::string text = {};  // As it was given, without blanks and semicolons around it.

  bool has_parameter() const { return verb == ConsoleVerb::kill && argument.empty(); }
};

// The commands of a text, in their order; empty ones are left out. Of more than console_commands_max the last
// one is unknown.
std::vector<ConsoleCommand> parse_console(std::string_view text);

// The command's name for the trail and for answers: "SHOW SESSIONS", "KILL".
std::string_view console_name(ConsoleVerb verb);
// The scope that the command needs; empty: whoever is in the console has it.
std::string_view console_scope(ConsoleVerb verb);

}  // namespace ringfence::proxy
