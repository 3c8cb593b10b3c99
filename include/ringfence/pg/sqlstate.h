// The SQLSTATEs that we send or look for ("PostgreSQL Error Codes").
#pragma once

#include <string_view>

namespace ringfence::pg::sqlstate {

constexpr std::string_view success = "00000";
constexpr std::string_view connection_exception = "08000";
constexpr std::string_view connection_failure = "08006";
constexpr std::string_view cannot_connect_to_server = "08001";
constexpr std::string_view protocol_violation = "08P01";
constexpr std::string_view feature_not_supported = "0A000";
constexpr std::string_view invalid_parameter_value = "22023";
constexpr std::string_view invalid_transaction_state = "25000";
constexpr std::string_view in_failed_transaction = "25P02";
constexpr std::string_view idle_in_transaction_timeout = "25P03";
constexpr std::string_view invalid_statement_name = "26000";
constexpr std::string_view invalid_authorization = "28000";
constexpr std::string_view invalid_password = "28P01";
constexpr std::string_view invalid_cursor_name = "34000";
constexpr std::string_view invalid_catalog_name = "3D000";
constexpr std::string_view insufficient_privilege = "42501";
constexpr std::string_view syntax_error = "42601";
constexpr std::string_view undefined_object = "42704";
constexpr std::string_view undefined_function = "42883";
constexpr std::string_view too_many_connections = "53300";
constexpr std::string_view configuration_limit_exceeded = "53400";
constexpr std::string_view program_limit_exceeded = "54000";
constexpr std::string_view query_canceled = "57014";
constexpr std::string_view admin_shutdown = "57P01";
constexpr std::string_view crash_shutdown = "57P02";
constexpr std::string_view cannot_connect_now = "57P03";
constexpr std::string_view idle_session_timeout = "57P05";
constexpr std::string_view system_error = "58000";
constexpr std::string_view io_error = "58030";
constexpr std::string_view internal_error = "XX000";

// Five characters of [0-9A-Z].
constexpr bool is_well_formed(std::string_view code) {
  if (code.size() != 5) return false;
  for (char c : code)
    if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'))) return false;
  return true;
}

}  // namespace ringfence::pg::sqlstate
