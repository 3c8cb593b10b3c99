// The trail: statements, connections and events, the newest first.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/config/config_reader.h"
#include "command_tree.h"
#include "listing.h"
#include "ringfence/audit/reading.h"

namespace ringfence::client {

using model::Json;

namespace {

struct PartView {
  audit::TrailPart part;
  const char* many;
  const char* one;
  const char* noun;
  const char* path;  // Below /api/v1; of its scope, too.
  std::vector<std::string> usual;
  std::vector<std::string> all;
};

const PartView part_views[] = {
    {audit::TrailPart::queries,
     "queries",
     "query",
     "statements",
     "queries",
     {"id", "started_at", "user", "target", "outcome", "rows", "duration_us", "statement"},
     {"id",
      "started_at",
      "user",
      "target",
      "database",
      "session_id",
      "client_addr",
      "application_name",
      "message_type",
      "outcome",
      "allowed",
      "rule",
      "reason",
      "command_tag",
      "rows",
      "bytes_to_client",
      "bytes_to_server",
      "duration_us",
      "sqlstate",
      "error_message",
      "redacted",
      "attribution",
      "node",
      "statement_bytes",
      "statement_truncated",
      "parameters",
      "statement"}},
    {audit::TrailPart::connections,
     "connections",
     "connection",
     "connections",
     "connections",
     {"id", "connected_at", "disconnected_at", "user", "target", "client_addr", "statements", "reason"},
     {"id", "protocol", "connected_at", "disconnected_at", "duration_us", "user", "target", "database",
      "client_addr", "application_name", "auth_method", "statements", "bytes_to_client", "bytes_to_server",
      "reason", "node"}},
    {audit::TrailPart::events,
     "events",
     "event",
     "events",
     "audit",
     {"id", "created_at", "severity", "category", "action", "outcome", "user", "entity_type", "entity_id"},
     {"id",          "created_at",  "category",   "action",    "severity",    "outcome",       "user",
      "auth_method", "client_addr", "session_id", "target",    "entity_type", "entity_id",     "changes",
      "metadata",    "reason",      "rule",       "statement", "sqlstate",    "error_message", "node"}},
};

Outcome<void> list_part(const CommonOptions& common, const PartView& of, const ListOptions& options) {
  Listing listing{.path = path_of({of.path}),
                  .member = "items",
                  .what = std::string("list ") + of.noun + " of the trail",
                  .scope = std::string(of.path) + ":read"};
  const auto filters = audit::trail_filters(of.part);
  const std::vector<std::string> known(filters.begin(), filters.end());
  for (const std::string& word : options.filters) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (equals == std::string::npos) return failed(Exit::usage, "\"" + word + "\" is no FIELD=VALUE");
    if (std::find(known.begin(), known.end(), name) == known.end())
      return failed(Exit::usage, "there is no filter \"" + name + "\"; " + app::suggest(name, known));
    listing.parameters.emplace_back(name, word.substr(equals + 1));
  }
  auto columns = columns_of(options, of.usual, of.all);
  if (!columns) return passed_on(std::move(columns).error());
  listing.columns = std::move(*columns);
  return print_list(common, listing, options);
}

Outcome<void> show_part(const CommonOptions& common, const PartView& of, const std::string& id) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto row = connection->ask_json({.path = path_of({of.path, id}),
                                   .what = std::string("show ") + of.one + " " + id,
                                   .scope = std::string(of.path) + ":read"});
  if (!row) return passed_on(std::move(row).error());
  print(common.json ? json_text(*row) : record_text(*row, of.all));
  return {};
}

}  // namespace

void add_trail_commands(CommandTree& tree) {
  CLI::App& group = tree.group("trail", "What has happened: statements, connections, events.");
  for (const PartView& of : part_views) {
    auto options = std::make_shared<ListOptions>();
    CLI::App& list = tree.add(group, of.many, std::string("List ") + of.noun + ", the newest first.",
                              [&tree, &of, options] { return list_part(tree.common(), of, *options); });
    std::string help;
    std::vector<std::string> words;
    for (const std::string_view name : audit::trail_filters(of.part)) {
      help += (help.empty() ? "Only rows with FIELD=VALUE: " : ", ") + std::string(name);
      words.push_back(std::string(name) + "=");
    }
    list.add_option("filters", options->filters, help)->option_text("FIELD=VALUE ...");
    add_list_options(list, *options);
    tree.complete(list, std::move(words));
    auto id = std::make_shared<std::string>();
    CLI::App& show = tree.add(group, of.one, std::string("Show one of the ") + of.noun + ", whole.",
                              [&tree, &of, id] { return show_part(tree.common(), of, *id); });
    show.add_option("id", *id, "Its id")->required()->option_text("ID");
  }
}

}  // namespace ringfence::client
