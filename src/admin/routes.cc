#include "routes.h"

#include <algorithm>
#include <charconv>

#include "ask.h"
#include "json.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::admin {

using http::problem;
using http::Request;
using http::Response;
using ring::Task;

namespace {

constexpr uint64_t page_default = 100;
constexpr uint64_t page_max = 1000;  // About half a megabyte of JSON.

const std::string* parameter(const Request& request, std::string_view name) {
  for (const auto& [key, value] : request.query) {
    if (key == name) return &value;
  }
  return nullptr;
}

// What is wrong with the query, or an empty text.
std::string check_query(const Request& request, const std::vector<std::string_view>& known) {
  for (const auto& [name, value] : request.query) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      return "unknown query parameter \"" + name + "\"";
    auto same = [&](const auto& other) { return other.first == name; };
    if (std::count_if(request.query.begin(), request.query.end(), same) > 1) {
      return "query parameter \"" + name + "\" is given more than once";
    }
  }
  return "";
}

std::string_view next_segment(std::string_view& path) {
  path.remove_prefix(1);
  size_t end = std::min(path.find('/'), path.size());
  std::string_view segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

}  // namespace

const std::vector<Routes::Route>& Routes::table() {
  static const std::vector<Route> routes = {
      {"GET", "/healthz", Access::open, {}, &Routes::health},
      {"GET", "/readyz", Access::open, {}, &Routes::readiness},
      {"GET", "/metrics", Access::metrics, {}, &Routes::metrics},
      {"GET", "/api/v1/version", Access::token, {}, &Routes::version},
      {"GET", "/api/v1/stats", Access::token, {}, &Routes::stats},
      {"GET", "/api/v1/sessions", Access::token, {"limit", "cursor", "user", "target"}, &Routes::sessions},
      {"GET", "/api/v1/sessions/{id}", Access::token, {}, &Routes::session},
      {"DELETE", "/api/v1/sessions/{id}", Access::token, {}, &Routes::end_session},
      {"POST", "/api/v1/policy/explain", Access::token, {}, &Routes::explain},
  };
  return routes;
}

bool Routes::matches(std::string_view pattern, std::string_view path, std::vector<std::string>& captured) {
  captured.clear();
  while (!pattern.empty() && !path.empty()) {
    std::string_view expected = next_segment(pattern);
    auto segment = http::percent_decode(next_segment(path));
    if (!segment) return false;
    if (expected.starts_with("{")) {
      if (segment->empty()) return false;
      captured.push_back(std::move(*segment));
    } else if (*segment != expected) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

bool Routes::is_authenticated(const Request& request, const std::string& client_addr) {
  constexpr std::string_view scheme = "Bearer ";
  const std::string* header = request.header("Authorization");
  bool is_there = header != nullptr && request.count("Authorization") == 1 &&
                  header->size() > scheme.size() &&
                  http::equals_ignoring_case(std::string_view(*header).substr(0, scheme.size()), scheme);
  if (is_there) {
    std::string_view token = std::string_view(*header).substr(scheme.size());
    while (token.starts_with(' ')) token.remove_prefix(1);
    crypto::Digest digest = crypto::sha256(token);
    if (crypto::constant_time_equal(crypto::view_of(digest), crypto::view_of(options_.token_digest)))
      return true;
  }
  ++counters_.authentication_failures;
  if (sources_.authentication_failed) {
    sources_.authentication_failed(
        {client_addr, request.method, request.path, is_there ? "wrong" : "missing"});
  }
  return false;
}

Response Routes::refuse_token() const {
  Response response = problem(401, "this needs the administrator's token: Authorization: Bearer …");
  response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"ringfence\""});
  return response;
}

Task<Response> Routes::answer(const Request& request, const std::string& client_addr) {
  ++counters_.requests;
  std::string_view method =
      request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  Call call{request, client_addr, {}};
  const Route* found = nullptr;
  std::string allowed;
  Access access = Access::token;
  for (const auto& route : table()) {
    std::vector<std::string> captured;
    if (!matches(route.pattern, request.path, captured)) continue;
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    if (route.method == "GET") allowed += ", HEAD";
    access = route.access;
    if (route.method != method) continue;
    found = &route;
    call.captured = std::move(captured);
    break;
  }
  // Who has no token does not learn what exists.
  bool needs_token = access == Access::token || (access == Access::metrics && !options_.metrics_public);
  if (needs_token && !is_authenticated(request, client_addr)) co_return refuse_token();
  if (allowed.empty()) co_return problem(404, "there is nothing at this path", request.path);
  if (found == nullptr) {
    Response response =
        problem(405, request.method + " is not possible here; possible: " + allowed, request.path);
    response.headers.push_back({"Allow", allowed});
    co_return response;
  }
  std::string wrong = check_query(request, found->parameters);
  if (!wrong.empty()) co_return problem(400, wrong, request.path);
  Task<Response> handling = (this->*found->handler)(call);
  Response response = co_await handling;
  co_return response;
}

Task<Response> Routes::health(const Call&) { co_return http::json_response(200, "{\"status\":\"ok\"}\n"); }

Task<Response> Routes::readiness(const Call& call) {
  Readiness now = sources_.readiness();
  if (now.is_ready) co_return http::json_response(200, "{\"status\":\"ready\"}\n");
  co_return problem(503, now.reason.empty() ? "not ready" : now.reason, call.request.path);
}

Task<Response> Routes::metrics(const Call&) {
  MetricsWriter writer;
  writer.gauge("ringfence_build_info", "Always 1; the labels say what runs.", 1,
               {{"version", RINGFENCE_VERSION}, {"node", options_.node}});
  if (sources_.metrics) sources_.metrics(writer);
  writer.counter("ringfence_admin_requests_total", "Requests to the admin API.", counters_.requests);
  for (int i = 2; i <= 5; ++i) {
    writer.counter("ringfence_admin_responses_total", "Responses of the admin API by class of status.",
                   counters_.responses_by_class[i], {{"class", std::to_string(i) + "xx"}});
  }
  writer.counter("ringfence_admin_authentication_failures_total", "Requests without the right token.",
                 counters_.authentication_failures);
  writer.counter("ringfence_admin_connections_refused_total", "Connections beyond the bound.",
                 counters_.connections_refused);
  writer.counter("ringfence_admin_answers_late_total", "Requests that other shards did not answer in time.",
                 counters_.answers_late);
  writer.gauge("ringfence_admin_connections", "Open connections of the admin API.",
               static_cast<double>(connections));
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = writer.take();
  co_return response;
}

Task<Response> Routes::stats(const Call&) {
  co_return http::json_response(200, to_json(sources_.stats(), options_.node, shard_.now_us()));
}

Task<Response> Routes::version(const Call&) {
  co_return http::json_response(200, version_json(options_.node));
}

Response Routes::late(std::string_view who) {
  ++counters_.answers_late;
  Response response = problem(503, std::string(who) + " did not answer in time; try again");
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

Task<Response> Routes::sessions(const Call& call) {
  uint64_t limit = page_default;
  if (const std::string* text = parameter(call.request, "limit")) {
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
    bool is_number = error == std::errc() && end == text->data() + text->size();
    if (!is_number || limit < 1 || limit > page_max) {
      co_return problem(400, "limit must be a whole number from 1 to " + std::to_string(page_max),
                        call.request.path);
    }
  }
  Uuid after{};
  if (const std::string* text = parameter(call.request, "cursor")) {
    auto id = parse_uuid(*text);
    if (!id) co_return problem(400, "cursor is none that this API gave", call.request.path);
    after = *id;
  }
  Ask<std::vector<SessionView>> ask(asks, shard_, options_.answer_ms);
  sources_.sessions->list(ask.done());
  std::optional<std::vector<SessionView>> all = co_await ask;
  if (!all) co_return late();
  const std::string* user = parameter(call.request, "user");
  const std::string* target = parameter(call.request, "target");
  std::erase_if(*all, [&](const SessionView& session) {
    return session.id <= after || (user != nullptr && session.user != *user) ||
           (target != nullptr && session.target != *target);
  });
  std::sort(all->begin(), all->end(), [](const SessionView& a, const SessionView& b) { return a.id < b.id; });
  std::string next;
  if (all->size() > limit) {
    all->resize(limit);
    next = to_string(all->back().id);
  }
  co_return http::json_response(200, to_json(*all, next));
}

Task<Response> Routes::session(const Call& call) {
  auto id = parse_uuid(call.captured[0]);
  if (!id) co_return problem(400, "a session's id is a UUID", call.request.path);
  Ask<std::vector<SessionView>> ask(asks, shard_, options_.answer_ms);
  sources_.sessions->list(ask.done());
  std::optional<std::vector<SessionView>> all = co_await ask;
  if (!all) co_return late();
  for (const auto& session : *all) {
    if (session.id == *id) co_return http::json_response(200, to_json(session));
  }
  co_return problem(404, "no such session is open", call.request.path);
}

Task<Response> Routes::end_session(const Call& call) {
  auto id = parse_uuid(call.captured[0]);
  if (!id) co_return problem(400, "a session's id is a UUID", call.request.path);
  Ask<bool> ask(asks, shard_, options_.answer_ms);
  sources_.sessions->end(*id, "admin token from " + call.client_addr, ask.done());
  std::optional<bool> found = co_await ask;
  if (!found) co_return late();
  if (!*found) co_return problem(404, "no such session is open", call.request.path);
  // The session ends by its own ordinary returns, a moment later.
  co_return http::json_response(202, "{\"id\":\"" + to_string(*id) + "\",\"status\":\"ending\"}\n");
}

Task<Response> Routes::explain(const Call& call) {
  Ask<PolicyAnswer> ask(asks, shard_, options_.explain_ms);
  sources_.explain(call.request.body, "admin token from " + call.client_addr, ask.done());
  std::optional<PolicyAnswer> answer = co_await ask;
  if (!answer) co_return late("who analyses statements");
  if (answer->status == 200) co_return http::json_response(200, std::move(answer->text));
  Response response = problem(answer->status, answer->text, call.request.path);
  if (answer->status == 503) response.headers.push_back({"Retry-After", "1"});
  co_return response;
}

}  // namespace ringfence::admin
