// Who may do what on a target's server, by the server's own catalogs.
#include <memory>
#include <nlohmann/json.hpp>

#include "command_tree.h"
#include "listing.h"
#include "table.h"

namespace ringfence::client {

using model::Json;

namespace {

struct PrivilegeOptions {
  std::string target;
  std::string name;
  std::string object;
  std::string privilege;
};

struct PrivilegeView {
  const char* command;
  const char* help;
  const char* name;  // Of the argument.
};
constexpr PrivilegeView privilege_views[] = {
    {"role", "Show what a role of the server may do.", "ROLE"},
    {"object", "Show who may do what with a table, view, sequence, function, schema or database.", "OBJECT"},
    {"analyze", "Show which privileges of a role nobody uses, and which are dangerous.", "ROLE"},
};

std::string privileges_text(const Json& list) {
  Table table({"object", "object_type", "privilege", "role", "grantor", "grantable"});
  for (const Json& one : list.is_array() ? list : Json::array()) {
    const auto cell = [&one](const char* name) {
      return cell_of(one.is_object() ? one.value(name, Json()) : Json());
    };
    table.add({cell("object"), cell("object_type"), cell("privilege"), cell("role"), cell("grantor"),
               cell("grantable")});
  }
  return table.text();
}

std::string risks_text(const Json& list) {
  Table table({"severity", "reason", "recommendation"});
  for (const Json& one : list.is_array() ? list : Json::array()) {
    if (one.is_object())
      table.add({cell_of(one.value("severity", Json())), cell_of(one.value("reason", Json())),
                 cell_of(one.value("recommendation", Json()))});
  }
  return table.text();
}

void print_privileges(const Json& answer) {
  if (const Json attributes = answer.value("attributes", Json()); attributes.is_object())
    print(record_text(attributes, {"superuser", "createrole", "createdb"}) + "\n");
  if (answer.contains("privileges")) print(privileges_text(answer["privileges"]));
  if (answer.contains("high_risk_privileges")) {
    print(risks_text(answer["high_risk_privileges"]));
    print("\nunused since " + cell_of(answer.value("statistics_since", Json())) + "\n");
    print(privileges_text(answer.value("unused_privileges", Json())));
  }
  if (answer.value("truncated", Json()) == Json(true)) note("there are more; the answer has 1,000");
}

Outcome<void> show_privileges(const CommonOptions& common, const PrivilegeView& of,
                              const PrivilegeOptions& options) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto answer = connection->ask_json({.path = path_of({"security", "privileges", of.command, options.name}) +
                                              query_of({{"target", options.target}}),
                                      .what = "ask the server of " + options.target + " for privileges",
                                      .scope = "privileges:read"});
  if (!answer) return passed_on(std::move(answer).error());
  if (common.json) print(json_text(*answer));
  else print_privileges(*answer);
  return {};
}

// "No" has the exit status of a refusal.
Outcome<void> validate_privilege(const CommonOptions& common, const PrivilegeOptions& options) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  const Json body = {{"target", options.target},
                     {"role", options.name},
                     {"object", options.object},
                     {"privilege", options.privilege}};
  auto answer = connection->ask_json({.method = "POST",
                                      .path = path_of({"security", "privileges", "validate"}),
                                      .what = "ask the server of " + options.target + " for a privilege",
                                      .scope = "privileges:read",
                                      .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)});
  if (!answer) return passed_on(std::move(answer).error());
  const bool is_held = answer->value("valid", Json()) == Json(true);
  const std::string told = options.privilege + " on " + options.object;
  if (common.json) print(json_text(*answer));
  else if (is_held) print("the role " + cell_of(Json(options.name)) + " has " + cell_of(Json(told)) + "\n");
  if (is_held) return {};
  return failed(Exit::refused, "the role " + options.name + " has not " + told);
}

}  // namespace

void add_privilege_commands(CommandTree& tree) {
  CLI::App& group = tree.group("privileges", "Who may do what on a target's server, by its own catalogs.");
  auto options = std::make_shared<PrivilegeOptions>();
  const auto add_target = [&](CLI::App& command) {
    command.add_option("--target,-t", options->target, "The target whose server is asked")->required();
  };
  for (const PrivilegeView& one : privilege_views) {
    CLI::App& command = tree.add(group, one.command, one.help, [&tree, &one, options] {
      return show_privileges(tree.common(), one, *options);
    });
    command.add_option("name", options->name, "Its name on the server")->required()->option_text(one.name);
    add_target(command);
  }
  CLI::App& check = tree.add(group, "validate", "Say whether a role has a privilege on a table.",
                             [&tree, options] { return validate_privilege(tree.common(), *options); });
  check.add_option("role", options->name, "The role")->required()->option_text("ROLE");
  check.add_option("object", options->object, "The table")->required()->option_text("TABLE");
  check.add_option("privilege", options->privilege, "SELECT, INSERT, UPDATE, DELETE, ...")
      ->required()
      ->option_text("PRIVILEGE");
  add_target(check);
}

}  // namespace ringfence::client
