#include "settings.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringfence::policy {
namespace {

using sql::Level;
using sql::Setting;

bool is_any_of(std::string_view text, std::initializer_list<std::string_view> choices) {
  return std::find(choices.begin(), choices.end(), text) != choices.end();
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

// As PostgreSQL reads a boolean: any unique prefix of true, yes, on, and 1.
bool is_true(std::string_view value) {
  const std::string folded = lower(value);
  const auto is_prefix_of = [&](std::string_view word) {
    return !folded.empty() && word.starts_with(folded);
  };
  return folded == "1" || folded == "on" || is_prefix_of("true") || is_prefix_of("yes");
}

// Client encodings in which no ASCII byte is part of another character.
bool is_safe_encoding(std::string_view value) {
  std::string folded;
  for (unsigned char c : value) {
    if (std::isalnum(c) != 0) folded += static_cast<char>(std::tolower(c));
  }
  static constexpr std::string_view unsafe[] = {
      "sjis",    "shiftjis", "shiftjis2004", "mskanji",    "win932", "windows932",
      "big5",    "win950",   "windows950",   "gbk",        "win936", "windows936",
      "gb18030", "uhc",      "win949",       "windows949", "johab"};
  return std::find(std::begin(unsafe), std::end(unsafe), folded) == std::end(unsafe);
}

// A bound in time that is not "none": a whole number of PostgreSQL's units, milliseconds without one, that it
// can hold. It takes more than that, and rounds: '0.4', '1us' and '1e-9' are none.
bool is_positive_time(std::string_view value) {
  constexpr uint64_t most_ms = 2'147'483'647;  // More is an error there.
  const auto skip_spaces = [&] { value.remove_prefix(std::min(value.find_first_not_of(' '), value.size())); };
  skip_spaces();
  if (value.empty() || value[0] == '0') return false;  // Also octal and hexadecimal.
  uint64_t number = 0;
  for (; !value.empty() && value[0] >= '0' && value[0] <= '9'; value.remove_prefix(1)) {
    number = number * 10 + static_cast<uint64_t>(value[0] - '0');
    if (number > most_ms) return false;
  }
  skip_spaces();
  const std::string_view unit = value.substr(0, value.find(' '));
  value.remove_prefix(unit.size());
  skip_spaces();
  if (!value.empty()) return false;
  static constexpr std::pair<std::string_view, uint64_t> units[] = {
      {"", 1}, {"ms", 1}, {"s", 1'000}, {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  return number > 0 && std::any_of(std::begin(units), std::end(units), [&](const auto& known) {
           return known.first == unit && number * known.second <= most_ms;
         });
}

// A size of at most so many kB, which is what it counts in without a unit.
bool is_memory_within(std::string_view value, uint64_t most_kb) {
  uint64_t number = 0;
  size_t digits = 0;
  for (; digits < value.size() && value[digits] >= '0' && value[digits] <= '9'; ++digits) {
    number = number * 10 + static_cast<uint64_t>(value[digits] - '0');
    if (number > most_kb) return false;
  }
  std::string_view unit = value.substr(digits);
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  if (digits == 0 || value[0] == '0') return false;
  static constexpr std::pair<std::string_view, uint64_t> units[] = {
      {"", 1}, {"kB", 1}, {"MB", 1'024}, {"GB", 1'048'576}};
  return std::any_of(std::begin(units), std::end(units), [&](const auto& known) {
    return known.first == unit && number * known.second <= most_kb;
  });
}

bool is_number_within(std::string_view value, uint64_t most) {
  if (value.empty() || value.size() > 9 || value.find_first_not_of("0123456789") != value.npos) return false;
  uint64_t number = 0;
  for (char c : value) number = number * 10 + static_cast<uint64_t>(c - '0');
  return number <= most;
}

// Settings that extensions have under a name of their own, where they mean something to the server: they run
// functions, or say what is logged and where to connect. Every other name with a dot is an application's, for
// its row security or its log.
bool is_of_application(std::string_view name) {
  static constexpr std::string_view extensions[] = {"anon",
                                                    "auth_delay",
                                                    "auto_explain",
                                                    "basic_archive",
                                                    "citus",
                                                    "cron",
                                                    "dblink",
                                                    "file_fdw",
                                                    "google_columnar_engine",
                                                    "passwordcheck",
                                                    "pg_cron",
                                                    "pg_hint_plan",
                                                    "pg_qualstats",
                                                    "pg_stat_monitor",
                                                    "pg_stat_statements",
                                                    "pg_tle",
                                                    "pgaudit",
                                                    "pgcrypto",
                                                    "pglogical",
                                                    "pgtle",
                                                    "plcoffee",
                                                    "plls",
                                                    "plperl",
                                                    "plperlu",
                                                    "plpgsql",
                                                    "plprofiler",
                                                    "plpython",
                                                    "plpython3u",
                                                    "plr",
                                                    "pltcl",
                                                    "pltclu",
                                                    "plv8",
                                                    "postgres_fdw",
                                                    "rds",
                                                    "sepgsql",
                                                    "session_variable",
                                                    "set_user",
                                                    "supautils",
                                                    "timescaledb",
                                                    "worker_spi"};
  const size_t dot = name.find('.');
  if (dot == name.npos || dot == 0 || dot + 1 == name.size()) return false;
  return std::find(std::begin(extensions), std::end(extensions), name.substr(0, dot)) == std::end(extensions);
}

// What a plan is chosen by: PostgreSQL's categories "Query Tuning" and the parallel ones whose number of
// workers max_parallel_workers_per_gather bounds.
bool is_of_planner(std::string_view name) {
  return is_any_of(name, {"constraint_exclusion",
                          "cursor_tuple_fraction",
                          "from_collapse_limit",
                          "join_collapse_limit",
                          "recursive_worktable_factor",
                          "random_page_cost",
                          "seq_page_cost",
                          "cpu_tuple_cost",
                          "cpu_index_tuple_cost",
                          "cpu_operator_cost",
                          "parallel_setup_cost",
                          "parallel_tuple_cost",
                          "min_parallel_table_scan_size",
                          "min_parallel_index_scan_size",
                          "parallel_leader_participation",
                          "max_parallel_workers",
                          "jit_above_cost",
                          "jit_inline_above_cost",
                          "jit_optimize_above_cost",
                          "jit_expressions",
                          "jit_tuple_deforming",
                          "geqo"}) ||
         name.starts_with("geqo_") || name.starts_with("enable_");
}

// Whatever their value is, it harms nothing but what the session shows to itself.
bool is_harmless_for_readers(std::string_view name) {
  return is_any_of(name, {"application_name",
                          "datestyle",
                          "intervalstyle",
                          "timezone",
                          "extra_float_digits",
                          "bytea_output",
                          "client_min_messages",
                          "transaction_isolation",
                          "default_transaction_isolation",
                          "transaction_deferrable",
                          "default_transaction_deferrable",
                          "xmloption",
                          "xmlbinary",
                          "jit",
                          "plan_cache_mode",
                          "force_parallel_mode",
                          "debug_parallel_query",
                          "quote_all_identifiers",
                          "synchronize_seqscans",
                          "row_security",
                          "effective_cache_size",
                          "default_statistics_target",
                          "default_text_search_config",
                          "lc_monetary",
                          "lc_numeric",
                          "lc_time",
                          "array_nulls",
                          "transform_null_equals",
                          "escape_string_warning",
                          "gin_fuzzy_search_limit",
                          "stats_fetch_consistency",
                          "synchronous_commit"}) ||
         is_of_planner(name) || is_of_application(name);
}

constexpr uint64_t reader_memory_kb_max = 256 * 1'024;
constexpr uint64_t reader_workers_max = 8;

constexpr std::string_view catalog = "pg_catalog";

// Of a text with the names of a path: whether pg_catalog stands in it, and not as the first alone.
bool puts_catalog_later(std::string_view path) {
  const size_t at = path.find(catalog);
  if (at == path.npos) return false;
  const std::string_view rest = path.substr(at + catalog.size());
  const bool is_whole = rest.empty() || std::string_view(", \"").find(rest[0]) != std::string_view::npos;
  return path.find_first_not_of(" \"") != at || !is_whole || rest.find(catalog) != rest.npos;
}

// A name without a schema means PostgreSQL's own function only where no other schema is searched before
// pg_catalog, which is first unless the path names it.
std::string refuse_search_path(const std::vector<std::string>& values, bool is_reader) {
  for (size_t i = 0; i < values.size(); ++i) {
    // In one quoted string there may be several names.
    const std::string path = lower(values[i]);
    if ((is_reader && path.find("pg_temp") != path.npos) ||
        (i == 0 ? puts_catalog_later(path) : path.find(catalog) != path.npos))
      return "it would put other objects before PostgreSQL's own";
  }
  return "";
}

std::string refuse_reader(const Setting& setting) {
  const std::string& name = setting.name;
  if (is_harmless_for_readers(name)) return "";
  const std::string value = setting.values.size() == 1 ? setting.values[0] : "";
  if (is_any_of(name, {"transaction_read_only", "default_transaction_read_only"})) {
    return is_true(value) ? "" : "it would let the session write";
  }
  if (name == "work_mem")
    return is_memory_within(value, reader_memory_kb_max) ? "" : "it is not from 1kB to 256MB";
  if (name == "max_parallel_workers_per_gather") {
    return is_number_within(value, reader_workers_max)
               ? ""
               : "it is not a number from 0 to " + std::to_string(reader_workers_max);
  }
  if (name == "search_path") return refuse_search_path(setting.values, true);
  if (is_any_of(name, {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
                       "idle_session_timeout", "transaction_timeout"})) {
    return is_positive_time(value) ? ""
                                   : "it would take a time limit away, or is not a whole number with a unit";
  }
  return "it is not one of the settings that this level may change";
}

// set_config() with a value that nobody can see: only where any value is as good.
std::string refuse_computed(std::string_view name, Level level) {
  if (is_any_of(name, {"client_encoding", "standard_conforming_strings", "search_path"}))
    return "its value is not a constant";
  if (level != Level::read || is_harmless_for_readers(name)) return "";
  return "its value is not a constant";
}

}  // namespace

bool is_set_by_login_alone(std::string_view name) {
  return is_any_of(name, {"ignore_system_indexes", "jit_debugging_support", "jit_profiling_support",
                          "local_preload_libraries", "log_connections", "log_disconnections",
                          "post_auth_delay", "session_preload_libraries"});
}

std::string refuse_setting(const Setting& setting, Level level) {
  if (level == Level::admin) return "";
  if (setting.verb == Setting::Verb::reset) {
    // What the others return to was set when the session began; a transaction's own modes return to
    // read-write.
    const bool is_mode = setting.name.starts_with("transaction_") && setting.name != "transaction_timeout";
    return level == Level::read && is_mode ? "it would let the session write" : "";
  }
  if (is_any_of(setting.name, {"role", "session_authorization", "session_replication_role"})) {
    return "it changes who the session is";
  }
  if (setting.name.empty()) return "its name is not a constant";
  if (!setting.is_constant) return refuse_computed(setting.name, level);
  if (setting.verb == Setting::Verb::from_current) return "its value is not a constant";
  if (setting.name == "client_encoding" &&
      !std::all_of(setting.values.begin(), setting.values.end(), is_safe_encoding)) {
    return "in that encoding a statement cannot be read safely";
  }
  if (setting.name == "client_encoding") return "";
  if (setting.name == "standard_conforming_strings") {
    return setting.values.size() == 1 && is_true(setting.values[0]) ? "" : "it changes what statements mean";
  }
  if (level == Level::read) return refuse_reader(setting);
  return setting.name == "search_path" && !setting.is_kept ? refuse_search_path(setting.values, false) : "";
}

}  // namespace ringfence::policy
