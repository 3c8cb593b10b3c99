// Sessions: who is connected, and how that ends.
#include <memory>
#include <nlohmann/json.hpp>

#include "command_tree.h"
#include "listing.h"
#include "terminal.h"

namespace ringfence::client {

using model::Json;

namespace {

const std::vector<std::string> session_fields = {"id",
                                                 "user",
                                                 "target",
                                                 "database",
                                                 "state",
                                                 "application_name",
                                                 "client_addr",
                                                 "shard",
                                                 "tls",
                                                 "protocol",
                                                 "connected_at",
                                                 "last_activity_at",
                                                 "running_since",
                                                 "statements",
                                                 "bytes_to_client",
                                                 "bytes_to_server"};
const std::vector<std::string> usual_session_fields = {"id",    "user",        "target",       "database",
                                                       "state", "client_addr", "connected_at", "statements"};

struct EndOptions {
  std::vector<std::string> ids;
  bool is_agreed = false;
};

Outcome<void> list_sessions(const CommonOptions& common, const ListOptions& options) {
  Listing listing{
      .path = "/api/v1/sessions", .member = "sessions", .what = "list sessions", .scope = "sessions:read"};
  for (const std::string& word : options.filters) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (equals == std::string::npos || (name != "user" && name != "target"))
      return failed(Exit::usage, "\"" + word + "\" is no filter of sessions; use user=NAME or target=NAME");
    listing.parameters.emplace_back(name, word.substr(equals + 1));
  }
  auto columns = columns_of(options, usual_session_fields, session_fields);
  if (!columns) return passed_on(std::move(columns).error());
  listing.columns = std::move(*columns);
  return print_list(common, listing, options);
}

Outcome<void> show_session(const CommonOptions& common, const std::string& id) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto session = connection->ask_json(
      {.path = path_of({"sessions", id}), .what = "show session " + id, .scope = "sessions:read"});
  if (!session) return passed_on(std::move(session).error());
  print(common.json ? json_text(*session) : record_text(*session, session_fields));
  return {};
}

Outcome<void> end_sessions(const CommonOptions& common, const EndOptions& options) {
  std::string all;
  for (const std::string& id : options.ids) all += (all.empty() ? "" : ", ") + id;
  const char* what = options.ids.size() == 1 ? "end session " : "end sessions ";
  if (auto agreed = confirm(what + all, options.is_agreed); !agreed) return agreed;
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  for (const std::string& id : options.ids) {
    auto done = connection->ask_json({.method = "DELETE",
                                      .path = path_of({"sessions", id}),
                                      .what = "end session " + id,
                                      .scope = "sessions:end"});
    if (!done) return passed_on(std::move(done).error());
    print(common.json ? json_text(*done) : "session " + id + " is ending\n");
  }
  return {};
}

}  // namespace

void add_session_commands(CommandTree& tree) {
  CLI::App& group = tree.group("sessions", "Who is connected, and how that ends.");
  auto list_options = std::make_shared<ListOptions>();
  CLI::App& list = tree.add(group, "list", "List the open sessions.",
                            [&tree, list_options] { return list_sessions(tree.common(), *list_options); });
  list.add_option("filters", list_options->filters, "Only of this user or target: user=NAME, target=NAME")
      ->option_text("FIELD=VALUE ...");
  add_list_options(list, *list_options);
  tree.complete(list, {"user=", "target="});
  auto id = std::make_shared<std::string>();
  CLI::App& show = tree.add(group, "show", "Show one open session.",
                            [&tree, id] { return show_session(tree.common(), *id); });
  show.add_option("id", *id, "The session's id")->required()->option_text("ID");
  auto end_options = std::make_shared<EndOptions>();
  CLI::App& end = tree.add(group, "end", "End sessions and cancel what they run; asks before.",
                           [&tree, end_options] { return end_sessions(tree.common(), *end_options); });
  end.add_option("ids", end_options->ids, "The sessions' ids")->required()->option_text("ID ...");
  end.add_flag("--yes,-y", end_options->is_agreed, "Do not ask");
}

}  // namespace ringfence::client
