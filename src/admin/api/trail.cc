// The trail: statements, events and connections, page by page, the newest first.
#include <charconv>
#include <nlohmann/json.hpp>

#include "exchange.h"
#include "resources.h"
#include "ringfence/control/trail_directory.h"

namespace ringfence::admin {

using audit::TrailPart;
using control::Answer;
using control::TrailDirectory;
using http::Response;
using ring::Task;

namespace {

struct PartOfTrail {
  TrailPart part;
  const char* path;
  const char* scope;
  const char* schema;
  const char* description;
};
constexpr PartOfTrail parts[] = {
    {TrailPart::queries, "/api/v1/queries", "queries:read", "Query",
     "Statements of the trail with their outcomes, the newest first."},
    {TrailPart::connections, "/api/v1/connections", "connections:read", "Connection",
     "Connections of the trail, those that have ended among them, the newest first."},
    {TrailPart::events, "/api/v1/audit", "audit:read", "AuditEvent",
     "Events of the trail that are no statements, the newest first."},
};

using AskingTrail = std::function<void(TrailDirectory&, TrailDirectory::Done)>;

Task<Response> answered_by_trail(Resources& resources, const Call& call, AskingTrail asking) {
  if (resources.sources.trail == nullptr)
    co_return http::problem(501, "this appliance has no store for the trail; set audit.enabled",
                            call.request.path);
  Ask<Answer> ask(resources.asks, resources.shard, resources.options.trail_ms);
  asking(*resources.sources.trail, ask.done());
  std::optional<Answer> answer = co_await ask;
  if (!answer) co_return late(resources, "the trail");
  // It is the query that makes no sense.
  if (answer->kind == Answer::Kind::invalid) co_return http::problem(400, answer->message, call.request.path);
  if (answer->kind == Answer::Kind::conflict)
    co_return http::problem(422, answer->message, call.request.path);
  co_return answer_of(*answer, call.request.path);
}

Task<Response> list_trail(Resources& resources, const PartOfTrail& of, const Call& call) {
  audit::TrailRequest request;
  request.part = of.part;
  for (const auto& [name, value] : call.request.query) {
    if (name == "cursor") {
      request.cursor = value;
    } else if (name != "limit") {
      request.filters.emplace_back(name, value);
    } else {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), request.limit);
      if (error != std::errc() || end != value.data() + value.size()) request.limit = 0;
    }
  }
  AskingTrail asking = [&](TrailDirectory& trail, TrailDirectory::Done done) {
    trail.list(request, actor_of(call), std::move(done));
  };
  Task<Response> answering = answered_by_trail(resources, call, std::move(asking));
  co_return co_await answering;
}

Task<Response> read_trail(Resources& resources, const PartOfTrail& of, const Call& call) {
  auto id = parse_uuid(call.captured[0]);
  if (!id) co_return http::problem(400, "the id is no UUID", call.request.path);
  AskingTrail asking = [&](TrailDirectory& trail, TrailDirectory::Done done) {
    trail.read(of.part, *id, actor_of(call), std::move(done));
  };
  Task<Response> answering = answered_by_trail(resources, call, std::move(asking));
  co_return co_await answering;
}

std::string description_of_filter(std::string_view name) {
  if (name == "start_time") return "Only from this time on: 2026-01-02T03:04:05Z.";
  if (name == "end_time") return "Only up to this time.";
  return "Only rows with this value.";
}

}  // namespace

void add_trail(Router& router, Resources& resources) {
  for (const PartOfTrail& of : parts) {
    const std::string path = of.path, schema = of.schema;
    Route list;
    list.method = "GET";
    list.pattern = path;
    list.scope = of.scope;
    list.parameters = {
        {"limit", "How many rows the page has at most: 1 to 1000; 100 where it is not given.", "integer"},
        {"cursor", "The next_cursor of the page before."}};
    for (const std::string_view name : audit::trail_filters(of.part))
      list.parameters.emplace_back(std::string(name), description_of_filter(name));
    list.description = of.description;
    list.exchange = {200, "", schema + "List", {422, 501, 503}};
    router.add(std::move(list),
               WholeHandler([&resources, &of](const Call& call) { return list_trail(resources, of, call); }));
    Route one;
    one.method = "GET";
    one.pattern = path + "/{id}";
    one.scope = of.scope;
    one.description = "One of them, whole. " + std::string(of.description);
    one.exchange = {200, "", schema, {422, 501, 503}};
    router.add(std::move(one),
               WholeHandler([&resources, &of](const Call& call) { return read_trail(resources, of, call); }));
  }
}

}  // namespace ringfence::admin
