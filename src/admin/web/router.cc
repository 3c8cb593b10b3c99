#include "ringfence/admin/web/router.h"

#include <algorithm>

namespace ringfence::admin {

using http::problem;
using http::Request;
using http::Response;
using ring::Task;

namespace {

// What is wrong with the query, or an empty text.
std::string check_query(const Request& request, const std::vector<Parameter>& known) {
  for (const auto& [name, value] : request.query) {
    const auto is_this = [&](const Parameter& parameter) { return parameter.name == name; };
    if (std::none_of(known.begin(), known.end(), is_this)) return "unknown query parameter \"" + name + "\"";
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

// `authenticator`: null where the answer tells nothing that somebody else could have asked for.
Task<void> answer_whole(const WholeHandler& handler, const Authenticator* authenticator, const Call& call,
                        Responder& responder) {
  Task<Response> handling = handler(call);
  Response response = co_await handling;
  if (authenticator != nullptr && response.status < 300 && !authenticator->holds(call.principal))
    response = problem(
        403, "what you may do was taken away while the request was under way; prove again who you are",
        call.request.path);
  responder.answer(std::move(response));
}

// Its answer tells what there is, and it changes nothing of the caller's own. The others decide when they
// change something.
bool is_reading(const Route& route) {
  return route.method == "GET" || (route.method == "POST" && route.exchange.status == 200);
}

bool may_use(const Principal& principal, const Route& route) {
  return route.is_open() || route.admits != Admits::scope || principal.scopes.has(route.scope) ||
         (!route.own_scope.empty() && principal.scopes.has(route.own_scope));
}

Response password_is_due(const Request& request) {
  return problem(403, "the password must be changed first: PUT /api/v1/auth/password", request.path);
}

}  // namespace

std::string Call::by() const {
  const std::string who =
      principal.user_id.is_nil() ? principal.method : principal.name + " (" + principal.method + ")";
  return who + " from " + client_addr;
}

const std::string* Call::parameter(std::string_view name) const {
  for (const auto& [key, value] : request.query) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Router::add(Route route, Handler handler) {
  RINGFENCE_ASSERT(route.pattern.starts_with("/") && handler);
  RINGFENCE_ASSERT(route.scope.empty() || auth::check_scope(route.scope).empty());
  RINGFENCE_ASSERT(route.own_scope.empty() || auth::check_scope(route.own_scope).empty());
  for (const Route& other : routes_)
    RINGFENCE_ASSERT(other.method != route.method || other.pattern != route.pattern);
  routes_.push_back(std::move(route));
  handlers_.push_back(std::move(handler));
}

void Router::add(Route route, WholeHandler handler) {
  const Authenticator* again = !route.is_open() && is_reading(route) ? &authenticator_ : nullptr;
  add(std::move(route), Handler([whole = std::move(handler), again](const Call& call, Responder& responder) {
        return answer_whole(whole, again, call, responder);
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
    if (route.method == method_of(request)) return !route.is_open();
    has_open = has_open || route.is_open();
  }
  return !has_open;
}

Task<Router::Choice> Router::choose(const Request& request, const std::string& client_addr) const {
  Task<Choice> choosing = choose_any(request, client_addr);
  Choice choice = co_await choosing;
  if (choice.handler == nullptr && on_refusal_) on_refusal_(request, choice.refusal);
  co_return choice;
}

Task<Router::Choice> Router::choose_any(const Request& request, const std::string& client_addr) const {
  Choice choice;
  if (needs_proof(request)) {
    Task<Authentication> authenticating = authenticator_.authenticate(request, client_addr);
    Authentication found = co_await authenticating;
    choice.principal = std::move(found.principal);
    if (choice.principal.is_anonymous()) {
      RINGFENCE_ASSERT(found.refusal.status >= 400);
      choice.refusal = std::move(found.refusal);
      co_return choice;
    }
    if (choice.principal.must_change_password) {
      const Route* route = find(request);
      if (route == nullptr || route->admits != Admits::password_due) {
        choice.refusal = password_is_due(request);
        co_return choice;
      }
    }
  }
  choose_route(request, choice);
  co_return choice;
}

void Router::choose_route(const Request& request, Choice& choice) const {
  std::vector<const Route*> possible;
  const Route* hidden = nullptr;  // Of this method, and not for this principal.
  for (size_t i = 0; i < routes_.size(); ++i) {
    const Route& route = routes_[i];
    std::vector<std::string> captured;
    if (!matches(route.pattern, request.path, captured)) continue;
    const bool is_wanted = route.method == method_of(request);
    if (!may_use(choice.principal, route)) {
      if (is_wanted && hidden == nullptr) hidden = &route;
      continue;
    }
    possible.push_back(&route);
    // What is hidden does not become another route, whose pattern fits, too.
    if (!is_wanted || hidden != nullptr) continue;
    if (std::string wrong = check_query(request, route.parameters); !wrong.empty()) {
      choice.refusal = problem(400, wrong, request.path);
      return;
    }
    choice.handler = &handlers_[i];
    choice.captured = std::move(captured);
    return;
  }
  std::string allowed;
  for (const Route* route : possible) {
    if (hidden != nullptr && route->pattern != hidden->pattern) continue;
    allowed += (allowed.empty() ? "" : ", ") + route->method;
    if (route->method == "GET") allowed += ", HEAD";
  }
  if (allowed.empty()) {
    choice.refusal = problem(404, "there is nothing at this path", request.path);
    return;
  }
  choice.refusal = problem(405, request.method + " is not possible here; possible: " + allowed, request.path);
  choice.refusal.headers.push_back({"Allow", allowed});
}

const Route* Router::find(const Request& request) const {
  std::vector<std::string> captured;
  for (const Route& route : routes_) {
    if (route.method == method_of(request) && matches(route.pattern, request.path, captured)) return &route;
  }
  return nullptr;
}

}  // namespace ringfence::admin
