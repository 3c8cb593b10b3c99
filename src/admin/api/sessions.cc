// Who is connected, and how an administrator ends that.
#include <algorithm>
#include <charconv>

#include "json.h"
#include "resources.h"

namespace ringfence::admin {

using http::Response;
using ring::Task;

namespace {

constexpr uint64_t page_default = 100;
constexpr uint64_t page_max = 1000;  // About half a megabyte of JSON.

Task<Response> sessions(Resources& resources, const Call& call) {
  uint64_t limit = page_default;
  if (const std::string* text = call.parameter("limit")) {
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
    bool is_number = error == std::errc() && end == text->data() + text->size();
    if (!is_number || limit < 1 || limit > page_max) {
      co_return http::problem(400, "limit must be a whole number from 1 to " + std::to_string(page_max),
                              call.request.path);
    }
  }
  Uuid after{};
  if (const std::string* text = call.parameter("cursor")) {
    auto id = parse_uuid(*text);
    if (!id) co_return http::problem(400, "cursor is none that this API gave", call.request.path);
    after = *id;
  }
  Ask<std::vector<model::SessionInfo>> ask(resources.asks, resources.shard, resources.options.answer_ms);
  resources.sources.sessions->list(ask.done());
  std::optional<std::vector<model::SessionInfo>> all = co_await ask;
  if (!all) co_return late(resources);
  const std::string* user = call.parameter("user");
  const std::string* target = call.parameter("target");
  std::erase_if(*all, [&](const model::SessionInfo& session) {
    return session.id <= after || (user != nullptr && session.user != *user) ||
           (target != nullptr && session.target != *target);
  });
  std::sort(all->begin(), all->end(),
            [](const model::SessionInfo& a, const model::SessionInfo& b) { return a.id < b.id; });
  std::string next;
  if (all->size() > limit) {
    all->resize(limit);
    next = to_string(all->back().id);
  }
  co_return http::json_response(200, to_json(*all, next));
}

Task<Response> session(Resources& resources, const Call& call) {
  auto id = parse_uuid(call.captured[0]);
  if (!id) co_return http::problem(400, "a session's id is a UUID", call.request.path);
  Ask<std::vector<model::SessionInfo>> ask(resources.asks, resources.shard, resources.options.answer_ms);
  resources.sources.sessions->list(ask.done());
  std::optional<std::vector<model::SessionInfo>> all = co_await ask;
  if (!all) co_return late(resources);
  for (const auto& session : *all) {
    if (session.id == *id) co_return http::json_response(200, to_json(session));
  }
  co_return http::problem(404, "no such session is open", call.request.path);
}

Task<Response> end_session(Resources& resources, const Call& call) {
  auto id = parse_uuid(call.captured[0]);
  if (!id) co_return http::problem(400, "a session's id is a UUID", call.request.path);
  Ask<bool> ask(resources.asks, resources.shard, resources.options.answer_ms);
  resources.sources.sessions->end(*id, call.by(), ask.done());
  std::optional<bool> found = co_await ask;
  if (!found) co_return late(resources);
  if (!*found) co_return http::problem(404, "no such session is open", call.request.path);
  // The session ends by its own ordinary returns, a moment later.
  co_return http::json_response(202, "{\"id\":\"" + to_string(*id) + "\",\"status\":\"ending\"}\n");
}

}  // namespace

void add_sessions(Router& router, Resources& resources) {
  const Parameter limit(
      "limit", "How many sessions the page has at most: 1 to 1000; 100 where it is not given.", "integer");
  router.add({.method = "GET",
              .pattern = "/api/v1/sessions",
              .scope = "sessions:read",
              .parameters = {limit,
                             {"cursor", "The next_cursor of the page before."},
                             {"user", "Only sessions of this user."},
                             {"target", "Only sessions on this target."}},
              .description = "The open sessions, page by page.",
              .exchange = {200, "", "SessionList", {503}}},
             WholeHandler([&resources](const Call& call) { return sessions(resources, call); }));
  router.add({.method = "GET",
              .pattern = "/api/v1/sessions/{id}",
              .scope = "sessions:read",
              .description = "One open session.",
              .exchange = {200, "", "Session", {503}}},
             WholeHandler([&resources](const Call& call) { return session(resources, call); }));
  router.add({.method = "DELETE",
              .pattern = "/api/v1/sessions/{id}",
              .scope = "sessions:end",
              .description = "Ends a session.",
              .exchange = {202, "", "EndingSession", {503}, {"X-CSRF-Token"}}},
             WholeHandler([&resources](const Call& call) { return end_session(resources, call); }));
}

}  // namespace ringfence::admin
