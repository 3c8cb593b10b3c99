// What the running appliance makes of a statement, by the policies and grants in force.
#include <memory>
#include <nlohmann/json.hpp>

#include "command_tree.h"
#include "listing.h"
#include "ringfence/model/json_fields.h"
#include "shown_text.h"
#include "table.h"
#include "terminal.h"

namespace ringfence::client {

using model::Json;
using model::text_in;

namespace {

// The API's bound of a body, less what stands around the text there.
constexpr size_t statement_bytes_max = 900'000;

struct StatementOptions {
  std::string user;
  std::vector<std::string> roles;
  std::string target;
  std::string statement = "-";
  int server_version = 15;
};

Json member(const Json& json, const char* name) {
  return json.is_object() ? json.value(name, Json()) : Json();
}

std::string access_text(const Json& access) {
  if (member(access, "granted") != Json(true))
    return "no policy and no grant gives access: the connection itself is refused\n";
  std::string out = "access level " + cell_of(member(access, "level")) +
                    (member(access, "unrestricted") == Json(true) ? ", unrestricted" : "") + ", by\n";
  if (const Json grant = member(access, "grant"); grant.is_object())
    out += "  grant " + cell_of(grant) + "\n";
  const Json policies = member(access, "policies");
  for (const Json& policy : policies.is_array() ? policies : Json::array())
    out += "  policy " + cell_of(member(policy, "name")) + " (" + cell_of(member(policy, "where")) +
           "), level " + cell_of(member(policy, "level")) + "\n";
  return out;
}

std::string statement_text(const Json& statement, size_t number) {
  const bool is_allowed = member(statement, "allowed") == Json(true);
  std::string out =
      "\nstatement " + std::to_string(number) + ": " + (is_allowed ? "allowed" : "refused") + "\n";
  if (!is_allowed) {
    out += "  " + cell_of(member(statement, "rule")) + ": " + cell_of(member(statement, "message")) + "\n";
    const Json character = member(member(statement, "position"), "character");
    if (character.is_number_integer()) out += "  at character " + cell_of(character) + "\n";
    if (const std::string hint = text_in(statement, "hint"); !hint.empty())
      out += "  hint: " + shown_text(hint) + "\n";
  }
  const Json matched = member(statement, "matched");
  for (const Json& one : matched.is_array() ? matched : Json::array())
    out += std::string("  ") + (member(one, "effect") == Json("refuses") ? "- " : "+ ") +
           cell_of(member(one, "rule")) + ": " + cell_of(member(one, "why")) + "\n";
  if (const std::string why = text_in(statement, "not_analysed_because"); !why.empty())
    out += "  not analysed: " + shown_text(why) + "\n";
  return out;
}

std::string answer_text(const Json& answer, const StatementOptions& options) {
  std::string who = options.user;
  for (const std::string& role : options.roles) who += (who.empty() ? "roles " : ", ") + role;
  std::string out = std::string(member(answer, "allowed") == Json(true) ? "allowed: " : "refused: ") +
                    shown_text(who) + " on " + shown_text(options.target) + "\n";
  out += access_text(member(answer, "access"));
  const Json statements = member(answer, "statements");
  size_t number = 0;
  for (const Json& statement : statements.is_array() ? statements : Json::array())
    out += statement_text(statement, ++number);
  return out;
}

Outcome<std::string> question_of(const StatementOptions& options) {
  Json out = {{"target", options.target},
              {"statement", options.statement},
              {"server_version", options.server_version}};
  if (options.user.empty()) out["roles"] = options.roles;
  else out["user"] = options.user;
  if (options.statement == "-") {
    auto text = read_text("-", statement_bytes_max);
    if (!text) return passed_on(std::move(text).error());
    out["statement"] = std::move(*text);
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Outcome<void> explain_statement(const CommonOptions& common, const StatementOptions& options) {
  if (options.user.empty() == options.roles.empty())
    return failed(Exit::usage, "give --user or --role, one of them");
  auto body = question_of(options);
  if (!body) return passed_on(std::move(body).error());
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto answer = connection->ask_json({.method = "POST",
                                      .path = "/api/v1/policy/explain",
                                      .what = "ask what becomes of the statement",
                                      .scope = "policy:explain",
                                      .body = std::move(*body)});
  if (!answer) return passed_on(std::move(answer).error());
  print(common.json ? json_text(*answer) : answer_text(*answer, options));
  if (member(*answer, "allowed") == Json(true)) return {};
  return failed(Exit::refused, "the statement would be refused");
}

}  // namespace

void add_policy_explain(CommandTree& tree, CLI::App& group) {
  auto options = std::make_shared<StatementOptions>();
  CLI::App& explain = tree.add(group, "explain",
                               "Say what the appliance makes of a statement, and why; 1 when it is refused.",
                               [&tree, options] { return explain_statement(tree.common(), *options); });
  explain.add_option("--user,-u", options->user, "Who runs it");
  explain.add_option("--role,-r", options->roles, "In place of a user: a role; may be given several times")
      ->allow_extra_args(false);
  explain.add_option("--target,-t", options->target, "Where")->required();
  explain.add_option("--server-version", options->server_version, "The major version of the target's server")
      ->capture_default_str()
      ->check(CLI::Range(8, 99));
  explain.add_option("statement", options->statement,
                     "The text, of one statement or several; - or nothing: standard input");
}

}  // namespace ringfence::client
