#include "console_settings.h"

#include "ringfence/pg/build.h"
#include "ringfence/sql/lex.h"

namespace ringfence::proxy {

namespace {

struct ConsoleSetting {
  std::string_view name;  // As PostgreSQL spells it.
  std::string_view small;
  std::string_view value;
  bool is_reported = true;  // At the login, as PostgreSQL does.
};

// Clients choose what they send by the version; the console knows nothing of the newer ones.
constexpr ConsoleSetting console_settings[] = {
    {"server_version", "server_version", "15.0 (ringfence " RINGFENCE_VERSION ")"},
    {"server_version_num", "server_version_num", "150000", false},
    {"server_encoding", "server_encoding", "UTF8"},
    {"client_encoding", "client_encoding", "UTF8"},
    {"is_superuser", "is_superuser", "off"},
    {"DateStyle", "datestyle", "ISO, MDY"},
    {"IntervalStyle", "intervalstyle", "postgres"},
    {"TimeZone", "timezone", "UTC"},
    {"integer_datetimes", "integer_datetimes", "on"},
    {"standard_conforming_strings", "standard_conforming_strings", "on"},
    {"default_transaction_read_only", "default_transaction_read_only", "off"},
    {"in_hot_standby", "in_hot_standby", "off"},
    {"transaction_isolation", "transaction_isolation", "read committed", false},
    {"transaction_read_only", "transaction_read_only", "off", false},
    {"extra_float_digits", "extra_float_digits", "1", false},
    {"search_path", "search_path", "", false},
};

}  // namespace

void append_console_settings(std::string& out, std::string_view user, std::string_view application_name) {
  for (const ConsoleSetting& setting : console_settings) {
    if (setting.is_reported) pg::append_parameter_status(out, setting.name, setting.value);
  }
  pg::append_parameter_status(out, "session_authorization", user);
  pg::append_parameter_status(out, "application_name", application_name);
}

std::optional<std::string> console_setting(std::string_view name, std::string_view user,
                                           std::string_view application_name) {
  if (name == "session_authorization") return std::string(user);
  if (name == "application_name") return std::string(application_name);
  for (const ConsoleSetting& setting : console_settings) {
    if (setting.small == name) return std::string(setting.value);
  }
  return std::nullopt;
}

bool is_console_encoding(std::string_view encoding) {
  for (std::string_view name : {"utf8", "utf-8", "unicode", "default", "sql_ascii"}) {
    if (sql::is_keyword(encoding, name)) return true;
  }
  return false;
}

}  // namespace ringfence::proxy
