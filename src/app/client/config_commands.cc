// The configuration in force and the versions before it.
#include <memory>
#include <nlohmann/json.hpp>

#include "command_tree.h"
#include "listing.h"
#include "shown_text.h"
#include "table.h"
#include "terminal.h"

namespace ringfence::client {

using model::Json;

namespace {

struct ConfigOptions {
  std::string version;
  std::string other;
  bool is_agreed = false;
};

const std::vector<std::string> version_fields = {"version", "since",      "origin",
                                                 "by",      "is_current", "can_roll_back"};

Outcome<Json> ask_about(const CommonOptions& common, Question question) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  return connection->ask_json(question);
}

// The file as it would be written, for people; secrets are not in it.
Outcome<void> show_config(const CommonOptions& common, const ConfigOptions& options) {
  const bool is_current = options.version.empty();
  auto version = ask_about(
      common, {.path = is_current ? path_of({"config"}) : path_of({"config", "versions", options.version}),
               .what = "show the configuration" + (is_current ? "" : " of version " + options.version),
               .scope = "config:read"});
  if (!version) return passed_on(std::move(version).error());
  const Json text = version->value("text", Json());
  if (common.json || !text.is_string()) print(json_text(*version));
  else print(shown_text(text.get<std::string>(), true));
  return {};
}

Outcome<void> list_versions(const CommonOptions& common, const ListOptions& options) {
  return print_list(common,
                    {.path = path_of({"config", "versions"}),
                     .member = "items",
                     .what = "list versions of the configuration",
                     .scope = "config:read",
                     .takes_pages = false,
                     .columns = version_fields},
                    options);
}

Outcome<void> show_difference(const CommonOptions& common, const ConfigOptions& options) {
  std::vector<std::pair<std::string, std::string>> parameters;
  if (!options.other.empty()) parameters.emplace_back("with", options.other);
  auto difference = ask_about(
      common, {.path = path_of({"config", "versions", options.version, "diff"}) + query_of(parameters),
               .what = "compare version " + options.version + " of the configuration",
               .scope = "config:read"});
  if (!difference) return passed_on(std::move(difference).error());
  if (common.json) {
    print(json_text(*difference));
    return {};
  }
  Table table({"field", "version " + cell_of(difference->value("from", Json())),
               "version " + cell_of(difference->value("to", Json()))});
  const Json changes = difference->value("changes", Json::array());
  for (const Json& change : changes) {
    if (!change.is_object()) continue;
    table.add({cell_of(change.value("path", Json())), cell_of(change.value("before", Json())),
               cell_of(change.value("after", Json()))});
  }
  print(table.text());
  return {};
}

Outcome<void> roll_back(const CommonOptions& common, const ConfigOptions& options) {
  const std::string what = "put version " + options.version + " of the configuration in force";
  if (auto agreed = confirm(what, options.is_agreed); !agreed) return agreed;
  auto version = ask_about(common, {.method = "POST",
                                    .path = path_of({"config", "versions", options.version, "rollback"}),
                                    .what = what,
                                    .scope = "config:write"});
  if (!version) return passed_on(std::move(version).error());
  if (common.json) print(json_text(*version));
  else
    print("version " + options.version + " is in force as version " +
          cell_of(version->value("version", Json())) + ", until the next reload or start\n");
  return {};
}

}  // namespace

void add_config_commands(CommandTree& tree) {
  CLI::App& group = tree.group("config", "The configuration in force, and the versions before it.");
  auto options = std::make_shared<ConfigOptions>();
  CLI::App& show = tree.add(group, "show", "Show what is in force, or a version, without secrets.",
                            [&tree, options] { return show_config(tree.common(), *options); });
  auto list_options = std::make_shared<ListOptions>();
  tree.add(group, "versions", "List the versions that were in force, the newest first.",
           [&tree, list_options] { return list_versions(tree.common(), *list_options); });
  CLI::App& diff =
      tree.add(group, "diff", "Say what differs between a version and another, or the one in force.",
               [&tree, options] { return show_difference(tree.common(), *options); });
  CLI::App& rollback =
      tree.add(group, "rollback", "Put an earlier version in force until the next reload; asks before.",
               [&tree, options] { return roll_back(tree.common(), *options); });
  rollback.add_flag("--yes,-y", options->is_agreed, "Do not ask");
  for (CLI::App* command : {&show, &diff, &rollback})
    command->add_option("version", options->version, "The version's number")
        ->option_text("VERSION")
        ->required(command != &show);
  diff.add_option("other", options->other, "The other version")->option_text("OTHER");
}

}  // namespace ringfence::client
