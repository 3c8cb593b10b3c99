#include "ringfence/admin/web/router.h"

#include <algorithm>

namespace ringfence::admin {

using http::problem;
using http::Request;
using http::Response;
using ring::Task;

namespace {

// What is wrong with the query, or an empty text.
std::string check_query(const Request& request, const std::vector<std::string>& known) {
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

std::string_view method_of(const Request& request) {
  return request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
}

Task<void> answer_whole(const WholeHandler& handler, const Call& call, Responder& responder) {
  Task<Response> handling = handler(call);
  Response response = co_await handling;
  responder.answer(std::move(response));
}

}  // namespace

const std::string* Call::parameter(std::string_view name) const {
  for (const auto& [key, value] : request.query) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Router::add(Route route, Handler handler) {
  RINGFENCE_ASSERT(route.pattern.starts_with("/") && handler);
  for (const Route& other : routes_)
    RINGFENCE_ASSERT(other.method != route.method || other.pattern != route.pattern);
  routes_.push_back(std::move(route));
  handlers_.push_back(std::move(handler));
}

void Router::add(Route route, WholeHandler handler) {
  add(std::move(route), Handler([whole = std::move(handler)](const Call& call, Responder& responder) {
        return answer_whole(whole, call, responder);
      }));
}

bool Router::matches(std::string_view pattern, std::string_view path, std::vector<std::string>& captured) {
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

// No proof is asked for by a route that is open, and by a path of open routes for another method.
bool Router::needs_proof(const Request& request) const {
  bool has_open = false;
  std::vector<std::string> captured;
  for (const Route& route : routes_) {
    if (!matches(route.pattern, request.path, captured)) continue;
    if (route.method == method_of(request)) return !route.scope.empty();
    has_open = has_open || route.scope.empty();
  }
  return !has_open;
}

Router::Choice Router::choose(const Request& request, const std::string& client_addr) const {
  Choice choice;
  if (needs_proof(request)) {
    choice.principal = authenticator_.authenticate(request, client_addr);
    if (choice.principal.is_anonymous()) {
      choice.refusal = authenticator_.challenge();
      return choice;
    }
  }
  std::string allowed;
  for (size_t i = 0; i < routes_.size(); ++i) {
    const Route& route = routes_[i];
    std::vector<std::string> captured;
    if (!matches(route.pattern, request.path, captured)) continue;
    if (!route.scope.empty() && !choice.principal.scopes.has(route.scope)) continue;
    allowed += (allowed.empty() ? "" : ", ") + route.method;
    if (route.method == "GET") allowed += ", HEAD";
    if (route.method != method_of(request)) continue;
    if (std::string wrong = check_query(request, route.parameters); !wrong.empty()) {
      choice.refusal = problem(400, wrong, request.path);
      return choice;
    }
    choice.handler = &handlers_[i];
    choice.captured = std::move(captured);
    return choice;
  }
  if (allowed.empty()) {
    choice.refusal = problem(404, "there is nothing at this path", request.path);
    return choice;
  }
  choice.refusal = problem(405, request.method + " is not possible here; possible: " + allowed, request.path);
  choice.refusal.headers.push_back({"Allow", allowed});
  return choice;
}

const Route* Router::streaming(const Request& request) const {
  std::vector<std::string> captured;
  for (const Route& route : routes_) {
    if (route.streamed_body_bytes_max > 0 && route.method == method_of(request) &&
        matches(route.pattern, request.path, captured))
      return &route;
  }
  return nullptr;
}

}  // namespace ringfence::admin
