// The keys by which the store's records are proved and its secrets sealed, and their rotation.
#include <memory>
#include <nlohmann/json.hpp>

#include "command_tree.h"
#include "field_text.h"
#include "listing.h"
#include "ringfence/base/clock.h"
#include "table.h"
#include "terminal.h"

namespace ringfence::client {

using model::Json;

namespace {

const std::vector<std::string> key_columns = {"key_id",     "key_version", "state",   "is_expired",
                                              "created_at", "expires_at",  "records", "credentials"};

struct RingOptions {
  std::string id = "current";
  std::string expires;
  bool is_agreed = false;
};

std::string path_below(const std::string& rest) { return "/api/v1/security/" + rest; }

std::string path_of_key(const std::string& id) { return path_of({"security", "keys", id}); }

// What the answer says of a rotation, on one line.
std::string rotation_text(const Json& rotation) {
  if (!rotation.is_object()) return "none";
  const auto cell = [&rotation](const char* name) { return cell_of(rotation.value(name, Json())); };
  std::string out = cell("state") + ", " + cell("rotation_progress") + " %, " + cell("moved") + " of " +
                    cell("total") + " moved to " + cell("to_key") + " since " + cell("started_at");
  if (rotation.value("left_out", Json(0)) != Json(0)) out += ", " + cell("left_out") + " left out";
  if (rotation.value("message", Json()).is_string()) out += ": " + cell("message");
  return out;
}

// With the rotation on one line, and its members no further.
std::string ring_status_text(Json status) {
  if (status.contains("rotation")) status["rotation"] = rotation_text(status["rotation"]);
  return record_text(status, {"encryption_enabled", "algorithm", "current_key_id", "rotation", "problem"});
}

Outcome<Json> ask_ring(const CommonOptions& common, Question question) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  return connection->ask_json(question);
}

Outcome<void> show_ring_status(const CommonOptions& common) {
  auto status = ask_ring(common, {.path = path_below("encryption/status"),
                                  .what = "ask for the state of the keys",
                                  .scope = "encryption:read"});
  if (!status) return passed_on(std::move(status).error());
  print(common.json ? json_text(*status) : ring_status_text(*status));
  const Json problem = status->value("problem", Json());
  if (!problem.is_string()) return {};
  return failed(Exit::refused, "the key ring is not this store's: " + problem.get<std::string>());
}

Outcome<void> list_ring_keys(const CommonOptions& common, const ListOptions& options) {
  return print_list(common,
                    {.path = path_below("keys"),
                     .member = "keys",
                     .what = "list the keys",
                     .scope = "encryption:read",
                     .takes_pages = false,
                     .columns = key_columns},
                    options);
}

Outcome<void> show_ring_key(const CommonOptions& common, const RingOptions& options) {
  auto key = ask_ring(
      common,
      {.path = path_of_key(options.id), .what = "show key " + options.id, .scope = "encryption:read"});
  if (!key) return passed_on(std::move(key).error());
  print(common.json ? json_text(*key) : record_text(*key, key_columns));
  return {};
}

// The body of a request that makes a key.
Outcome<std::string> new_key(const RingOptions& options) {
  Json out = Json::object();
  if (options.expires.empty()) return out.dump();
  auto lifetime_us = parse_duration_us(options.expires);
  if (!lifetime_us) return passed_on(std::move(lifetime_us).error());
  out["expires_at"] = rfc3339(wall_us() + *lifetime_us);
  return out.dump();
}

Outcome<void> make_key(const CommonOptions& common, const RingOptions& options) {
  auto body = new_key(options);
  if (!body) return passed_on(std::move(body).error());
  auto key = ask_ring(common, {.method = "POST",
                               .path = path_below("keys/generate"),
                               .what = "make a key",
                               .scope = "encryption:manage",
                               .body = std::move(*body)});
  if (!key) return passed_on(std::move(key).error());
  if (common.json) print(json_text(*key));
  else
    print("made key " + cell_of(key->value("key_id", Json())) + " (" + cell_of(key->value("state", Json())) +
          "); ringfence encryption rotate moves everything to it\n");
  return {};
}

Outcome<void> rotate_keys(const CommonOptions& common, const RingOptions& options) {
  auto body = new_key(options);
  if (!body) return passed_on(std::move(body).error());
  const std::string what = "move everything from key " + options.id + " to another one";
  if (auto agreed = confirm(what, options.is_agreed); !agreed) return agreed;
  auto key = ask_ring(common, {.method = "POST",
                               .path = path_of_key(options.id) + "/rotate",
                               .what = what,
                               .scope = "encryption:manage",
                               .body = std::move(*body)});
  if (!key) return passed_on(std::move(key).error());
  if (common.json) print(json_text(*key));
  else
    print("everything moves to key " + cell_of(key->value("key_id", Json())) +
          "; ringfence encryption status says how far it is\n");
  return {};
}

Outcome<void> destroy_key(const CommonOptions& common, const RingOptions& options) {
  const std::string what = "destroy key " + options.id + " for good";
  if (auto agreed = confirm(what, options.is_agreed); !agreed) return agreed;
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto done = connection->ask({.method = "DELETE",
                               .path = path_of_key(options.id),
                               .what = "destroy key " + options.id,
                               .scope = "encryption:manage"});
  if (!done) return passed_on(std::move(done).error());
  if (!common.json) print("destroyed key " + cell_of(Json(options.id)) + "\n");
  return {};
}

using RingCommand = Outcome<void> (*)(const CommonOptions&, const RingOptions&);

}  // namespace

void add_encryption_commands(CommandTree& tree) {
  CLI::App& group = tree.group("encryption", "The keys of what the store keeps, and their rotation.");
  auto options = std::make_shared<RingOptions>();
  auto list_options = std::make_shared<ListOptions>();
  const auto add = [&](const char* name, const char* help, RingCommand run) -> CLI::App& {
    return tree.add(group, name, help, [&tree, options, run] { return run(tree.common(), *options); });
  };
  tree.add(group, "status", "Say which key is in use, and how far a rotation is.",
           [&tree] { return show_ring_status(tree.common()); });
  tree.add(group, "keys", "List the keys of the ring, never their bytes.",
           [&tree, list_options] { return list_ring_keys(tree.common(), *list_options); });
  CLI::App& show = add("show", "Show one key.", show_ring_key);
  CLI::App& generate = add("generate", "Make a key, which is used for nothing until a rotation.", make_key);
  CLI::App& rotate =
      add("rotate", "Move everything from the active key to the prepared one, or to a new one; asks before.",
          rotate_keys);
  CLI::App& destroy =
      add("destroy", "Destroy a key by which nothing is kept any more; asks before.", destroy_key);
  for (CLI::App* command : {&show, &rotate, &destroy})
    command->add_option("id", options->id, "The key's id, or current")
        ->option_text("ID")
        ->required(command == &destroy);
  for (CLI::App* command : {&generate, &rotate})
    command->add_option("--expires", options->expires, "After how long another key should take over: 365d");
  for (CLI::App* command : {&rotate, &destroy})
    command->add_flag("--yes,-y", options->is_agreed, "Do not ask");
}

}  // namespace ringfence::client
