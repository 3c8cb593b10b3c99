#include "console_tables.h"

#include <algorithm>
#include <map>

#include "ringfence/proxy/core/find_access.h"

namespace ringfence::proxy {

using Type = ConsoleColumn::Type;
using Row = ConsoleTable::Row;

namespace {

constexpr ConsoleColumn targets_columns[] = {
    {"name"},   {"type"},    {"hosts"}, {"port", Type::integer},     {"database"},
    {"user"},   {"sslmode"}, {"tags"},  {"sessions", Type::integer}, {"connections_max", Type::integer},
    {"source"},
};
constexpr ConsoleColumn grants_columns[] = {
    {"user"}, {"target"}, {"level"}, {"grant", Type::integer}, {"policies"}};
constexpr ConsoleColumn stats_columns[] = {{"name"}, {"value"}};
constexpr ConsoleColumn config_columns[] = {{"key"}, {"value"}};
constexpr ConsoleColumn help_columns[] = {{"command"}, {"scope"}, {"description"}};
constexpr ConsoleColumn version_columns[] = {{"version"}, {"node"}};

struct HelpLine {
  std::string_view command;
  ConsoleVerb verb;
  std::string_view description;
};
constexpr HelpLine help_lines[] = {
    {"SHOW SESSIONS", ConsoleVerb::show_sessions, "who is connected, the oldest session first"},
    {"SHOW TARGETS", ConsoleVerb::show_targets, "the servers that users reach"},
    {"SHOW GRANTS", ConsoleVerb::show_grants,
     "who reaches which target, at which level, by which grant and policies"},
    {"SHOW STATS", ConsoleVerb::show_stats, "counts since the start"},
    {"SHOW CONFIG", ConsoleVerb::show_config, "the configuration in force, without secrets"},
    {"SHOW VERSION", ConsoleVerb::show_version, "the version of the appliance, and its node"},
    {"SHOW HELP", ConsoleVerb::show_help, "these lines"},
    {"KILL <id>", ConsoleVerb::kill, "ends the session of this id; its running statement is cancelled"},
};

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

template <size_t n>
ConsoleTable empty_table(const ConsoleColumn (&columns)[n]) {
  ConsoleTable out;
  out.columns.assign(std::begin(columns), std::end(columns));
  return out;
}

void cut(ConsoleTable& table) {
  if (table.rows.size() <= console_rows_max) return;
  table.rows.resize(console_rows_max);
  table.is_cut = true;
}

std::vector<std::string> names_of(const auto& map) {
  std::vector<std::string> out;
  for (const auto& [name, value] : map) out.push_back(name);
  std::sort(out.begin(), out.end());
  return out;
}

Row target_row(const Target& target) {
  std::string mode;
  for (const auto& [name, value] : model::ssl_mode_names) {
    if (value == target.sslmode) mode = name;
  }
  return {target.name,
          "postgres",
          joined(target.hosts),
          std::to_string(target.port),
          target.database,
          target.user,
          mode,
          joined(target.tags),
          std::to_string(target.sessions->load(std::memory_order_relaxed)),
          std::to_string(target.connections_max),
          target.id.is_nil() ? "configuration" : "store"};
}

Row target_row(const TcpTarget& target) {
  return {target.name,
          "tcp",
          joined(target.hosts),
          std::to_string(target.port),
          std::nullopt,
          std::nullopt,
          std::nullopt,
          joined(target.tags),
          std::to_string(target.sessions->load(std::memory_order_relaxed)),
          std::to_string(target.connections_max),
          target.id.is_nil() ? "configuration" : "store"};
}

// Rows without the user.
std::vector<Row> reach_of(const Snapshot& snapshot, const User& user, const std::vector<std::string>& targets,
                          const std::function<bool()>& is_late) {
  std::vector<Row> out;
  for (const std::string& name : targets) {
    TargetPlace place = pg_place(snapshot, name);
    if (place.tags == nullptr) place = tcp_place(snapshot, name);
    if (place.tags == nullptr) continue;
    const policy::Access access =
        find_access(snapshot, user.roles, place, deciding_grant(snapshot, user, place));
    if (is_late()) break;
    if (!access.is_granted()) continue;
    std::vector<std::string> policies;
    for (const policy::Policy* policy : access.policies) policies.push_back(policy->name);
    std::optional<std::string> grant;
    if (access.grant) grant = std::to_string(access.grant->number);
    out.push_back({name, sql::level_name(access.level), std::move(grant), joined(policies)});
  }
  return out;
}

}  // namespace

std::vector<ConsoleColumn> console_columns(const ConsoleCommand& command) {
  const auto all = [](const auto& columns) {
    return std::vector<ConsoleColumn>(std::begin(columns), std::end(columns));
  };
  switch (command.verb) {
    case ConsoleVerb::show_sessions: return console_session_columns();
    case ConsoleVerb::show_targets: return all(targets_columns);
    case ConsoleVerb::show_grants: return all(grants_columns);
    case ConsoleVerb::show_stats: return all(stats_columns);
    case ConsoleVerb::show_config: return all(config_columns);
    case ConsoleVerb::show_help: return all(help_columns);
    case ConsoleVerb::show_version: return all(version_columns);
    case ConsoleVerb::show_setting: return {{command.argument}};
    case ConsoleVerb::select_number: return {{"?column?", Type::integer}};
    case ConsoleVerb::select_version: return {{"version"}};
    default: return {};
  }
}

ConsoleTable targets_table(const Snapshot& snapshot) {
  ConsoleTable out = empty_table(targets_columns);
  for (const auto& [name, target] : snapshot.targets) out.rows.push_back(target_row(target));
  for (const auto& [name, target] : snapshot.tcp_targets) out.rows.push_back(target_row(target));
  std::sort(out.rows.begin(), out.rows.end(), [](const Row& a, const Row& b) { return a[0] < b[0]; });
  cut(out);
  return out;
}

ConsoleTable grants_table(const Snapshot& snapshot, const std::function<bool()>& is_late) {
  ConsoleTable out = empty_table(grants_columns);
  std::vector<std::string> targets = names_of(snapshot.targets);
  const std::vector<std::string> tcp = names_of(snapshot.tcp_targets);
  targets.insert(targets.end(), tcp.begin(), tcp.end());
  std::sort(targets.begin(), targets.end());
  // Where there are no grants, users with the same roles reach the same.
  std::map<std::vector<std::string>, std::vector<Row>> known;
  for (const std::string& name : names_of(snapshot.users)) {
    const User& user = *snapshot.find_user(name);
    if (!snapshot.grants.empty()) known.clear();
    auto found = known.find(user.roles);
    if (found == known.end())
      found = known.emplace(user.roles, reach_of(snapshot, user, targets, is_late)).first;
    for (const Row& reach : found->second) {
      Row row = {name};
      row.insert(row.end(), reach.begin(), reach.end());
      out.rows.push_back(std::move(row));
    }
    if (out.rows.size() <= console_rows_max && !is_late()) continue;
    out.is_cut = true;
    break;
  }
  cut(out);
  return out;
}

ConsoleTable help_table() {
  ConsoleTable out = empty_table(help_columns);
  for (const HelpLine& line : help_lines) {
    const std::string_view scope = console_scope(line.verb);
    out.rows.push_back({std::string(line.command),
                        scope.empty() ? std::nullopt : std::optional<std::string>(scope),
                        std::string(line.description)});
  }
  return out;
}

ConsoleTable version_table(std::string_view node) {
  ConsoleTable out = empty_table(version_columns);
  out.rows.push_back({"Ringfence " RINGFENCE_VERSION, std::string(node)});
  return out;
}

ConsoleTable table_of(const ConsoleCommand& command, std::vector<Row> rows) {
  ConsoleTable out;
  out.columns = console_columns(command);
  out.rows = std::move(rows);
  cut(out);
  return out;
}

}  // namespace ringfence::proxy
