// Whether a target's server lets the appliance in.
#include <memory>
#include <nlohmann/json.hpp>

#include "command_tree.h"
#include "listing.h"
#include "table.h"

namespace ringfence::client {

using model::Json;

namespace {

std::string text_of_host(const Json& host) {
  if (!host.is_object()) return cell_of(host);
  std::string out = cell_of(host.value("host", Json())) + " (" + cell_of(host.value("address", Json())) + ")";
  const Json message = host.value("message", Json());
  return message.is_null() ? out : out + ": " + cell_of(message);
}

Outcome<void> test_target(const CommonOptions& common, const std::string& id) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  const std::string what = "test target " + id;
  auto result = connection->ask_json(
      {.method = "POST", .path = path_of({"targets", id, "test"}), .what = what, .scope = "targets:test"});
  if (!result) return passed_on(std::move(result).error());
  const Json hosts = result->value("hosts", Json::array());
  if (common.json) {
    print(json_text(*result));
  } else {
    Json shown = *result;
    shown.erase("hosts");
    print(record_text(shown, {"ok", "stage", "message", "hint", "server_version", "tls", "latency_ms"}));
    for (const Json& host : hosts) print("host  " + text_of_host(host) + "\n");
  }
  if (result->value("ok", Json()) == Json(true)) return {};
  return failed(Exit::refused, "the target " + id + " cannot be reached: it fails at the stage " +
                                   cell_of(result->value("stage", Json())));
}

}  // namespace

void add_target_test(CommandTree& tree, CLI::App& group) {
  auto id = std::make_shared<std::string>();
  CLI::App& test = tree.add(group, "test", "Try a connection to the target's server, and say where it fails.",
                            [&tree, id] { return test_target(tree.common(), *id); });
  test.add_option("id", *id, "Its name or id")->required()->option_text("ID");
}

}  // namespace ringfence::client
