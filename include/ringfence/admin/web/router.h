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

  // For the trail: "admin token from 127.0.0.1:4711", "ana (password) from 127.0.0.1:4711".
  std::string by() const;
  // Null: the request's query does not have it.
  const std::string* parameter(std::string_view name) const;
};

// Call and responder live until the task has ended.
using Handler = std::function<ring::Task<void>(const Call&, Responder&)>;
// For answers in one piece.
using WholeHandler = std::function<ring::Task<http::Response>(const Call&)>;

// Who may use a route.
enum class Admits : uint8_t {
  scope,         // Who has its scope; everybody, without a proof, where that is empty.
  proven,        // Whoever has proved who he is.
  password_due,  // Likewise, and also one who must change his password first.
};

// A parameter of a route's query.
struct Parameter {
  Parameter(const char* its_name) : name(its_name) {}  // NOLINT(google-explicit-constructor)
  Parameter(std::string its_name, std::string its_description, std::string its_type = "string")
      : name(std::move(its_name)), description(std::move(its_description)), type(std::move(its_type)) {}

  std::string name;
  std::string description;
  std::string type = "string";  // As JSON Schema names it; what the text of a value stands for.
};

// What a route takes and gives, for its description. Schemas are named; who writes the description knows
// them.
struct Exchange {
  int status = 200;                             // When all goes well.
  std::string request = {};                     // Schema of the JSON body. Empty: no body.
  std::string response = {};                    // Schema of the answer's JSON. Empty: none, or no JSON.
  std::vector<int> refusals = {};               // Beside those that each route has.
  std::vector<std::string> headers = {};        // Of the request: "If-Match".
  std::string media_type = "application/json";  // Of the answer.
};

struct Route {
  std::string method;                 // GET is HEAD, too.
  std::string pattern;                // "/api/v1/sessions/{id}"
  std::string scope;                  // See Admits.
  std::vector<Parameter> parameters;  // Of the query; others are refused.
  std::string description;            // One line, for people.
  // More than 0: the body goes to the handler piece by piece, and may have so many bytes. 0: it is whole
  // before the handler is called, and has at most `body_bytes_max`.
  size_t streamed_body_bytes_max = 0;
  size_t body_bytes_max = http::RequestLimits().body_bytes_max;
  Admits admits = Admits::scope;
  Exchange exchange = {};
  std::string tag = {};  // In the description; empty: the first word of the path.
  // Who has this one and not `scope` may use the route for what is his own; the handler sees to that.
  // Empty: there is none.
  std::string own_scope = {};

  bool is_open() const { return admits == Admits::scope && scope.empty(); }
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
  // Of the route in that place; as long as no other one is added.
  const Handler& handler(size_t at) const { return handlers_[at]; }
  // Before the server begins: what is changed of each refusal that choose() gives.
  void on_refusal(std::function<void(const http::Request&, http::Response&)> change) {
    on_refusal_ = std::move(change);
  }

  // Who may not use a route does not learn that it exists: for the anonymous all is 401, for others 404. Who
  // must change his password gets 403 for all but the routes for that.
  struct Choice {
    const Handler* handler = nullptr;  // Null: `refusal` is the answer.
    http::Response refusal;
    Principal principal;
    std::vector<std::string> captured;
  };
  // Both live until the task has ended.
  ring::Task<Choice> choose(const http::Request& request, const std::string& client_addr) const;
  // The route of the request's method and path, whoever asks; null: there is none.
  const Route* find(const http::Request& request) const;

 private:
  static bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& captured);
  bool needs_proof(const http::Request& request) const;
  ring::Task<Choice> choose_any(const http::Request& request, const std::string& client_addr) const;
  void choose_route(const http::Request& request, Choice& choice) const;

  Authenticator& authenticator_;
  std::vector<Route> routes_;
  std::vector<Handler> handlers_;  // Of the route in the same place.
  std::function<void(const http::Request&, http::Response&)> on_refusal_;
};

}  // namespace ringfence::admin
