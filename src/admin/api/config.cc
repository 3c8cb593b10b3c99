// The configuration in force, and the versions before it. Secrets are in none of them.
#include <charconv>

#include "exchange.h"
#include "resources.h"
#include "ringfence/control/config_directory.h"

namespace ringfence::admin {

using control::Answer;
using control::ConfigDirectory;
using control::ConfigHistory;
using http::Response;
using ring::Task;

namespace {

// 0: it is none.
int64_t version_number(std::string_view text) {
  int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out > 0 ? out : 0;
}

Response no_number(const Call& call) {
  return http::problem(400, "a version is a whole number from 1", call.request.path);
}

using Looking = std::function<Answer(const ConfigHistory&)>;

Task<Response> look(const Resources& resources, const Call& call, Looking looking) {
  if (resources.sources.configuration == nullptr)
    co_return http::problem(503, "the appliance is starting", call.request.path);
  co_return answer_of(looking(resources.sources.configuration->history()), call.request.path);
}

Task<Response> show_version(const Resources& resources, const Call& call) {
  const int64_t number = version_number(call.captured[0]);
  if (number == 0) co_return no_number(call);
  const Looking looking = [number](const ConfigHistory& history) { return history.read(number); };
  Task<Response> looked = look(resources, call, looking);
  co_return co_await looked;
}

Task<Response> diff_versions(const Resources& resources, const Call& call) {
  const int64_t from = version_number(call.captured[0]);
  const std::string* with = call.parameter("with");
  const int64_t to = with == nullptr ? 0 : version_number(*with);
  if (from == 0 || (with != nullptr && to == 0)) co_return no_number(call);
  const Looking looking = [from, to](const ConfigHistory& history) { return history.diff(from, to); };
  Task<Response> looked = look(resources, call, looking);
  co_return co_await looked;
}

Task<Response> roll_back(Resources& resources, const Call& call) {
  const int64_t number = version_number(call.captured[0]);
  if (number == 0) co_return no_number(call);
  if (resources.sources.configuration == nullptr)
    co_return http::problem(503, "the appliance is starting", call.request.path);
  Ask<Answer> ask(resources.asks, resources.shard, resources.options.record_ms);
  resources.sources.configuration->roll_back(number, actor_of(call), ask.done());
  std::optional<Answer> answer = co_await ask;
  if (!answer) co_return late(resources, "the main thread");
  co_return answer_of(*answer, call.request.path);
}

}  // namespace

void add_config(Router& router, Resources& resources) {
  router.add({.method = "GET",
              .pattern = "/api/v1/config",
              .scope = "config:read",
              .description = "The configuration in force, without its secrets.",
              .exchange = {200, "", "ConfigVersion", {503}}},
             WholeHandler([&resources](const Call& call) {
               return look(resources, call, [](const ConfigHistory& history) { return history.current(); });
             }));
  router.add({.method = "GET",
              .pattern = "/api/v1/config/versions",
              .scope = "config:read",
              .description = "Versions that were in force, the newest first.",
              .exchange = {200, "", "ConfigVersionList", {503}}},
             WholeHandler([&resources](const Call& call) {
               return look(resources, call, [](const ConfigHistory& history) { return history.list(); });
             }));
  router.add({.method = "GET",
              .pattern = "/api/v1/config/versions/{id}",
              .scope = "config:read",
              .description = "One version.",
              .exchange = {200, "", "ConfigVersion", {503}}},
             WholeHandler([&resources](const Call& call) { return show_version(resources, call); }));
  router.add(
      {.method = "GET",
       .pattern = "/api/v1/config/versions/{id}/diff",
       .scope = "config:read",
       .parameters = {{"with", "The other version; the one in force where it is not given.", "integer"}},
       .description = "What differs between two versions, field by field.",
       .exchange = {200, "", "ConfigDiff", {503}}},
      WholeHandler([&resources](const Call& call) { return diff_versions(resources, call); }));
  router.add({.method = "POST",
              .pattern = "/api/v1/config/versions/{id}/rollback",
              .scope = "config:write",
              .description = "Puts an earlier version in force until the next reload or start.",
              .exchange = {200, "", "ConfigVersion", {403, 409, 503}, {"X-CSRF-Token"}}},
             WholeHandler([&resources](const Call& call) { return roll_back(resources, call); }));
}

}  // namespace ringfence::admin
