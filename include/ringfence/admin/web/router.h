// The routes that the resources have registered, and who may use them. Knows no connection.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/admin/web/principal.h"
#include "ringfence/admin/web/request_body.h"
#include "ringfence/admin/web/responder.h"
#include "ringfence/http/request.h"
#include "ringfence/http/response.h"
#include "ringfence/ring/task.h"

namespace ringfence::admin {

// What a handler gets.
struct Call {
  const http::Request& request;  // Without its body where that is streamed.
  const std::string& client_addr;
  Principal principal;
  std::vector<std::string> captured;  // What stood in place of each {…}, decoded.
  RequestBody* body = nullptr;        // Of routes that stream it.

  // For the trail: "admin token from 127.0.0.1:4711".
  std::string by() const { return principal.method + " from " + client_addr; }
  // Null: the request's query does not have it.
  const std::string* parameter(std::string_view name) const;
};

// Call and responder live until the task has ended.
using Handler = std::function<ring::Task<void>(const Call&, Responder&)>;
// For answers in one piece.
using WholeHandler = std::function<ring::Task<http::Response>(const Call&)>;

struct Route {
  std::string method;                   // GET is HEAD, too.
  std::string pattern;                  // "/api/v1/sessions/{id}"
  std::string scope;                    // Empty: everybody may, without a proof.
  std::vector<std::string> parameters;  // Of the query; others are refused.
  std::string description;              // One line, for people.
  // More than 0: the body goes to the handler piece by piece, and may have so many bytes. 0: it is whole
  // before the handler is called, and has at most http::RequestLimits::body_bytes_max.
  size_t streamed_body_bytes_max = 0;
};

class Router {
 public:
  // The authenticator outlives the router.
  explicit Router(Authenticator& authenticator) : authenticator_(authenticator) {}
  // Before the server begins. Each method and pattern once.
  void add(Route route, Handler handler);
  void add(Route route, WholeHandler handler);
  // In the order of their registration.
  const std::vector<Route>& routes() const { return routes_; }

  // Who may not use a route does not learn that it exists: for the anonymous all is 401, for others 404.
  struct Choice {
    const Handler* handler = nullptr;  // Null: `refusal` is the answer.
    http::Response refusal;
    Principal principal;
    std::vector<std::string> captured;
  };
  Choice choose(const http::Request& request, const std::string& client_addr) const;
  // The route that takes the request's body piece by piece, or null.
  const Route* streaming(const http::Request& request) const;

 private:
  static bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& captured);
  bool needs_proof(const http::Request& request) const;

  Authenticator& authenticator_;
  std::vector<Route> routes_;
  std::vector<Handler> handlers_;  // Of the route in the same place.
};

}  // namespace ringfence::admin
