// What becomes of access requests, and access in an emergency.
#include <memory>
#include <nlohmann/json.hpp>

#include "command_tree.h"
#include "field_text.h"
#include "listing.h"
#include "records.h"
#include "ringfence/base/clock.h"
#include "table.h"

namespace ringfence::client {

using model::Json;
using model::Noun;

namespace {

struct DecisionOptions {
  std::string id;
  std::string reason;
  int64_t version = 0;
};

struct Verb {
  const char* name;
  const char* done;
  const char* help;
  const char* scope;  // Empty: one of two is enough, and the answer's own words are all that is known.
  bool needs_reason;
};
constexpr Verb verbs[] = {
    {"approve", "approved", "Approve a request, which makes the grant.", "access-requests:decide", false},
    {"deny", "denied", "Deny a request; the reason is needed.", "access-requests:decide", true},
    {"cancel", "cancelled", "Take a request back.", "", false},
};

Outcome<void> decide(const CommonOptions& common, const Verb& verb, const DecisionOptions& options) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  Question question{.method = "POST",
                    .path = path_of({"access-requests", options.id, verb.name}),
                    .what = std::string(verb.name) + " access request " + options.id,
                    .scope = verb.scope};
  if (!options.reason.empty())
    question.body = Json({{"reason", options.reason}}).dump(-1, ' ', false, Json::error_handler_t::replace);
  if (options.version != 0) question.headers = {"If-Match: \"" + std::to_string(options.version) + "\""};
  auto record = connection->ask_json(question);
  if (!record) return passed_on(std::move(record).error());
  if (common.json) {
    print(json_text(*record));
    return {};
  }
  const Json grant = record->value("grant", Json());
  print(std::string(verb.done) + " access request " + cell_of(record->value("id", Json())) + " of " +
        cell_of(record->value("user", Json())) +
        (grant.is_string() ? "; the grant is " + cell_of(grant) : std::string()) + "\n");
  return {};
}

// ---------------------------------------------------------------- break-glass

struct BreakGlassOptions {
  std::vector<std::string> words;
  std::string reason;
};

Outcome<Json> given_by(const BreakGlassOptions& options) {
  Json out = Json::object();
  for (const std::string& word : options.words) {
    auto field = parse_field_text(model::break_glass_form(), word, false, wall_us());
    if (!field) return passed_on(std::move(field).error());
    out[std::string(field->field->name)] = std::move(field->value);
  }
  if (!options.reason.empty()) out["reason"] = options.reason;
  return out;
}

Outcome<void> break_glass(const CommonOptions& common, const BreakGlassOptions& options) {
  auto given = given_by(options);
  if (!given) return passed_on(std::move(given).error());
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto grant = connection->ask_json({.method = "POST",
                                     .path = "/api/v1/break-glass",
                                     .what = "get access in an emergency",
                                     .scope = "grants:break-glass",
                                     .body = given->dump(-1, ' ', false, Json::error_handler_t::replace)});
  if (!grant) return passed_on(std::move(grant).error());
  if (common.json) {
    print(json_text(*grant));
    return {};
  }
  const std::string id = cell_of(grant->value("id", Json()));
  print("granted level " + cell_of(grant->value("level", Json())) + " to " +
        cell_of(grant->value("user", Json())) + " until " + cell_of(grant->value("expires_at", Json())) +
        " (grant " + id + ")\n");
  note("the trail has an event of severity CRITICAL; ringfence grants delete " + id + " ends it sooner");
  return {};
}

}  // namespace

void add_request_verbs(CommandTree& tree, CLI::App& group) {
  for (const Verb& verb : verbs) {
    auto options = std::make_shared<DecisionOptions>();
    CLI::App& command = tree.add(group, verb.name, verb.help,
                                 [&tree, &verb, options] { return decide(tree.common(), verb, *options); });
    command.add_option("id", options->id, "The request's id")->required()->option_text("ID");
    command.add_option("--reason", options->reason, "Why, for who asked and for the trail")
        ->required(verb.needs_reason)
        ->option_text("TEXT");
    command.add_option("--if-version", options->version, "Only if the request still has this version")
        ->check(CLI::PositiveNumber);
  }
}

void add_break_glass(CommandTree& tree) {
  auto options = std::make_shared<BreakGlassOptions>();
  CLI::App& command =
      tree.add("break-glass", "Get access at once, for a while; the trail's event is CRITICAL.",
               [&tree, options] { return break_glass(tree.common(), *options); });
  command.add_option("fields", options->words, "FIELD=VALUE: target, target_group or tag; level, minutes")
      ->required()
      ->option_text("FIELD=VALUE ...");
  command.add_option("--reason", options->reason, "Why, for who reads the event; 10 characters at least")
      ->required()
      ->option_text("TEXT");
  tree.complete(command, field_words(model::break_glass_form(), "create"));
}

}  // namespace ringfence::client
