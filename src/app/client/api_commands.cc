// What is no record: any operation of the API, how the appliance is, and who asks.
#include <algorithm>
#include <cstdio>
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

// The API's own bound of a body.
constexpr size_t body_bytes_max = size_t{1} << 20;

struct ApiOptions {
  std::string method;
  std::string path;
  std::string data;
  std::vector<std::string> headers;
  bool lists = false;
  bool is_agreed = false;
};

// Method, path, scope and summary of each operation.
Outcome<void> list_operations(const CommonOptions& common) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto document =
      connection->ask_json({.path = "/api/openapi.json", .what = "list the operations", .scope = ""});
  if (!document) return passed_on(std::move(document).error());
  if (common.json) {
    print(json_text(*document));
    return {};
  }
  Table table({"method", "path", "scope", "summary"});
  const Json paths = document->value("paths", Json::object());
  for (const auto& [path, methods] : paths.items()) {
    if (!methods.is_object()) continue;
    for (const auto& [method, operation] : methods.items()) {
      if (!operation.is_object()) continue;
      std::string capitals = method;
      std::transform(capitals.begin(), capitals.end(), capitals.begin(),
                     [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
      table.add({cell_of(Json(capitals)), cell_of(Json(path)),
                 cell_of(operation.value("x-required-scope", Json())),
                 cell_of(operation.value("summary", Json()))});
    }
  }
  print(table.text());
  return {};
}

bool is_method(const std::string& method) {
  return !method.empty() &&
         std::all_of(method.begin(), method.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool has_control_or_blank(const std::string& text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
}

Outcome<HttpRequest> request_of(const ApiOptions& options) {
  HttpRequest out{.method = options.method, .path = options.path};
  if (!is_method(out.method))
    return failed(Exit::usage, "the method is none; use GET, POST, PUT, PATCH or DELETE");
  if (!out.path.starts_with('/') || has_control_or_blank(out.path))
    return failed(Exit::usage, "the path is none; write it as /api/v1/users?limit=10, blanks as %20");
  for (const std::string& header : options.headers) {
    const size_t colon = header.find(':');
    const bool is_line = header.find_first_of("\r\n") == std::string::npos;
    if (colon == std::string::npos || colon == 0 || !is_line)
      return failed(Exit::usage, "the header \"" + header + "\" is none; write it as NAME: VALUE");
    out.headers.push_back(header);
  }
  if (options.data.empty()) return out;
  auto text = read_text(options.data, body_bytes_max);
  if (!text) return passed_on(std::move(text).error());
  out.body = std::move(*text);
  return out;
}

Outcome<void> call_api(const CommonOptions& common, const ApiOptions& options) {
  if (options.lists) return list_operations(common);
  if (options.path.empty())
    return failed(Exit::usage, "give METHOD and PATH, or --list to see the operations");
  auto request = request_of(options);
  if (!request) return passed_on(std::move(request).error());
  if (request->method == "DELETE") {
    auto agreed = confirm("delete " + request->path, options.is_agreed);
    if (!agreed) return agreed;
  }
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  char last = '\n';
  // What others have written does not steer the terminal.
  request->sink = [&last, is_shown = shows_on_terminal()](ByteView piece) {
    if (!piece.empty()) last = piece.back();
    if (is_shown) {
      print(shown_text(piece, true));
      return std::fflush(stdout) == 0;
    }
    return std::fwrite(piece.data(), 1, piece.size(), stdout) == piece.size() && std::fflush(stdout) == 0;
  };
  auto answer = connection->send(*request);
  if (!answer) return passed_on(std::move(answer).error());
  if (answer->is_success()) {
    if (last != '\n') print("\n");
    return {};
  }
  // The problem is what a program wants to read; the sentence is for people.
  if (common.json) print(answer->body);
  return passed_on(failure_of(*answer, options.method + " " + options.path, connection->url()));
}

// ---------------------------------------------------------------- how it is, and who asks

// A member of a member: "sessions.open".
Json member_of(const Json& json, const std::string& path) {
  const size_t dot = path.find('.');
  const Json found = json.is_object() ? json.value(path.substr(0, dot), Json()) : Json();
  return dot == std::string::npos ? found : member_of(found, path.substr(dot + 1));
}

Outcome<void> show_status(const CommonOptions& common) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto readiness = connection->send({.path = "/readyz"});
  if (!readiness) return passed_on(std::move(readiness).error());
  auto stats =
      connection->ask_json({.path = "/api/v1/stats", .what = "ask for the status", .scope = "stats:read"});
  if (!stats) return passed_on(std::move(stats).error());
  if (common.json) {
    print(json_text(*stats));
  } else {
    std::vector<std::pair<std::string, std::string>> pairs = {{"url", connection->url()}};
    for (const char* path : {"node", "version", "state", "started_at", "sessions.open", "sessions.total",
                             "sessions.refused", "statements.total", "logins.succeeded", "logins.failed",
                             "trail.state", "trail.journal_records", "trail.dropped"})
      pairs.emplace_back(path, cell_of(member_of(*stats, path)));
    print(pairs_text(pairs));
  }
  if (readiness->is_success()) return {};
  return passed_on(failure_of(*readiness, "take sessions", connection->url()));
}

Outcome<void> show_me(const CommonOptions& common) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto me = connection->ask_json({.path = "/api/v1/auth/me", .what = "ask who you are", .scope = ""});
  if (!me) return passed_on(std::move(me).error());
  if (common.json) {
    print(json_text(*me));
    return {};
  }
  print(pairs_text({{"url", connection->url()},
                    {"name", cell_of(member_of(*me, "name"))},
                    {"proof", cell_of(member_of(*me, "method"))},
                    {"roles", cell_of(member_of(*me, "user.roles"))},
                    {"scopes", cell_of(member_of(*me, "scopes"))}}));
  return {};
}

}  // namespace

void add_api_commands(CommandTree& tree) {
  tree.add("status", "Say how the appliance is; fails when it takes no sessions.",
           [&tree] { return show_status(tree.common()); });
  tree.add("whoami", "Say who you are to the appliance, and what you may.",
           [&tree] { return show_me(tree.common()); });
  auto options = std::make_shared<ApiOptions>();
  CLI::App& api = tree.add("api", "Call any operation of the API, and print its answer.",
                           [&tree, options] { return call_api(tree.common(), *options); });
  api.add_option("method", options->method, "GET, POST, PUT, PATCH or DELETE")->option_text("METHOD");
  api.add_option("path", options->path, "/api/v1/..., with its query")->option_text("PATH");
  api.add_option("--data,-d", options->data, "The body: a file with JSON; -: standard input");
  api.add_option("--header,-H", options->headers, "A header, NAME: VALUE; may be given several times")
      ->allow_extra_args(false);
  api.add_flag("--list", options->lists, "List the operations that the appliance has");
  api.add_flag("--yes,-y", options->is_agreed, "Do not ask before DELETE");
  tree.complete(api, {"GET", "POST", "PUT", "PATCH", "DELETE"});
}

}  // namespace ringfence::client
