// The process's log: one line an entry on standard error, as key=value or JSON.
//
//   log_info("listener ready", {{"address", address}, {"shards", std::to_string(n)}});
//
// No secrets at any level; no statement text at info or above. Safe from every thread: a line is one
// write(2). Data shards log only what happens a bounded number of times a connection, never per statement.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace ringfence {

enum class LogLevel : uint8_t { debug, info, warning, error };
enum class LogFormat : uint8_t { text, json };

struct LogField {
  std::string_view key;
  std::string value;
};
using LogFields = std::initializer_list<LogField>;

void log_configure(LogLevel level, LogFormat format);
bool log_enabled(LogLevel level);
void log_write(LogLevel level, std::string_view message, LogFields fields);
// The line that log_write would print, without its final newline. Control bytes are escaped, so that a peer's
// text can neither break a line nor drive a terminal.
std::string log_line(LogFormat format, uint64_t unix_us, LogLevel level, std::string_view message,
                     LogFields fields);

inline void log_debug(std::string_view m, LogFields f = {}) {
  if (log_enabled(LogLevel::debug)) log_write(LogLevel::debug, m, f);
}
inline void log_info(std::string_view m, LogFields f = {}) { log_write(LogLevel::info, m, f); }
inline void log_warning(std::string_view m, LogFields f = {}) { log_write(LogLevel::warning, m, f); }
inline void log_error(std::string_view m, LogFields f = {}) { log_write(LogLevel::error, m, f); }

}  // namespace ringfence
