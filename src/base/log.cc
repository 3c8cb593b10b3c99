#include "ringfence/base/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "ringfence/base/clock.h"

namespace ringfence {
namespace {

std::atomic<LogLevel> g_level{LogLevel::info};
std::atomic<LogFormat> g_format{LogFormat::text};

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "unknown";
}

bool needs_quotes(std::string_view value) {
  if (value.empty()) return true;
  for (char c : value) {
    auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == '"' || byte == '=' || byte == '\\' || byte == 0x7f) return true;
  }
  return false;
}

// JSON string escapes; they serve both formats. Bytes that are not valid UTF-8 pass as they are in text and
// become U+FFFD in JSON, whose readers refuse them.
void append_quoted(std::string& out, std::string_view value, bool strict_utf8) {
  out.push_back('"');
  for (size_t i = 0; i < value.size(); ++i) {
    auto byte = static_cast<unsigned char>(value[i]);
    switch (byte) {
      case '"': out += "\\\""; continue;
      case '\\': out += "\\\\"; continue;
      case '\n': out += "\\n"; continue;
      case '\r': out += "\\r"; continue;
      case '\t': out += "\\t"; continue;
      default: break;
    }
    if (byte < 0x20 || byte == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      out += escape;
    } else if (byte < 0x80 || !strict_utf8) {
      out.push_back(value[i]);
    } else {
      size_t length = byte >= 0xf0 && byte < 0xf5 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 0;
      if (byte >= 0xf5) length = 0;
      bool valid = length > 0 && i + length <= value.size();
      for (size_t k = 1; valid && k < length; ++k) {
        valid = (static_cast<unsigned char>(value[i + k]) & 0xc0) == 0x80;
      }
      if (valid) {
        out.append(value.substr(i, length));
        i += length - 1;
      } else {
        out += "\\ufffd";
      }
    }
  }
  out.push_back('"');
}

}  // namespace

void log_configure(LogLevel level, LogFormat format) {
  g_level = level;
  g_format = format;
}

bool log_enabled(LogLevel level) { return level >= g_level.load(std::memory_order_relaxed); }

std::string log_line(LogFormat format, uint64_t unix_us, LogLevel level, std::string_view message,
                     LogFields fields) {
  std::string out;
  out.reserve(160);
  bool json = format == LogFormat::json;
  if (json) {
    out += "{\"ts\":\"" + rfc3339(unix_us) + "\",\"level\":\"";
    out.append(level_name(level)).append("\",\"msg\":");
    append_quoted(out, message, true);
  } else {
    out += "ts=" + rfc3339(unix_us) + " level=";
    out.append(level_name(level)).append(" msg=");
    append_quoted(out, message, false);
  }
  for (const LogField& field : fields) {
    if (json) {
      out.push_back(',');
      append_quoted(out, field.key, true);
      out.push_back(':');
      append_quoted(out, field.value, true);
    } else {
      out.push_back(' ');
      out.append(field.key).push_back('=');
      if (needs_quotes(field.value)) append_quoted(out, field.value, false);
      else out += field.value;
    }
  }
  if (json) out.push_back('}');
  return out;
}

void log_write(LogLevel level, std::string_view message, LogFields fields) {
  if (!log_enabled(level)) return;
  std::string line = log_line(g_format, wall_us(), level, message, fields);
  line.push_back('\n');
  // A log that cannot be written must not stop the appliance; there is nobody left to tell.
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace ringfence
