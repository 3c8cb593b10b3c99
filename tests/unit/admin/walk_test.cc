// Every route, for every built-in role, with every kind of proof: who gets in is who has the route's scope.
#include "api_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;

namespace {

enum class Gives : uint8_t { nothing, scopes, no_csrf };

struct Caller {
  std::string name;
  std::string headers;
  Gives gives = Gives::scopes;
  auth::Scopes scopes;
};

std::string path_of(const Route& route) {
  std::string out = route.pattern;
  for (size_t at = out.find('{'); at != std::string::npos; at = out.find('{'))
    out.replace(at, out.find('}') - at + 1, "0198d0f4-0000-7000-8000-000000000001");
  return out;
}

bool is_safe(const Route& route) { return route.method == "GET"; }

bool may(const Route& route, const Caller& proof) {
  return route.is_open() || (route.scope.empty() && proof.gives != Gives::nothing) ||
         proof.scopes.has(route.scope) || (!route.own_scope.empty() && proof.scopes.has(route.own_scope));
}

// The statuses with which a request is kept from its handler; 0: it gets there. By the rules, written down
// once more.
int refusal_of(const Router& router, const Route& route, const Caller& proof) {
  if (route.is_open()) return 0;
  if (proof.gives == Gives::nothing) return 401;
  if (proof.gives == Gives::no_csrf && !is_safe(route)) return 403;
  if (may(route, proof)) return 0;
  // Another method of the same path, which he may use, gives the path away.
  for (const Route& other : router.routes())
    if (other.pattern == route.pattern && may(other, proof)) return 405;
  return 404;
}

// Whether the answer is the handler's own.
bool is_of_handler(const std::string& response) {
  for (const char* refusal : {"this needs a proof of who asks", "there is nothing at this path",
                              "is not possible here", "a browser session needs the header X-CSRF-Token"})
    if (has(response, refusal)) return false;
  return status_of(response) != 0;
}

}  // namespace

TEST_CASE("all routes x all roles x all kinds of proof") {
  ApiFixture f;
  std::vector<Caller> proofs = {{"none", "", Gives::nothing, {}},
                                {"wrong token", bearer + "wrong-token-of-tests\r\n", Gives::nothing, {}},
                                {"token", as_admin(), Gives::scopes, auth::Scopes::all()}};
  for (const auth::BuiltInRole& role : auth::built_in_roles()) {
    const std::string name(role.name);
    auth::Scopes scopes;
    for (const std::string_view scope : role.scopes) REQUIRE(scopes.add(scope));
    const control::UserFacts& user = f.put_user(name, scopes, "secret of " + name);
    const Browser browser(f, name, "secret of " + name);
    REQUIRE(!browser.csrf.empty());
    const std::string key = f.put_key(user, {});
    const auth::Scopes narrow({"users:read"});
    proofs.push_back({name + " basic", basic(name, "secret of " + name), Gives::scopes, scopes});
    proofs.push_back({name + " wrong password", basic(name, "x"), Gives::nothing, {}});
    proofs.push_back({name + " key", "X-API-Key: " + key + "\r\n", Gives::scopes, scopes});
    proofs.push_back({name + " bearer key", bearer + key + "\r\n", Gives::scopes, scopes});
    proofs.push_back({name + " narrow key", "X-API-Key: " + f.put_key(user, narrow) + "\r\n", Gives::scopes,
                      both(scopes, narrow)});
    proofs.push_back({name + " cookie", browser.headers(), Gives::scopes, scopes});
    proofs.push_back({name + " cookie without CSRF", browser.headers(false), Gives::no_csrf, scopes});
  }
  size_t calls = 0, allowed = 0;
  for (const Route& route : f.server->router().routes()) {
    // A logout ends the session that others of this walk need.
    if (route.pattern.ends_with("/logout")) continue;
    for (const Caller& proof : proofs) {
      f.records.asked.clear();
      f.directory.ended.clear();
      const bool has_body = !is_safe(route) && route.method != "DELETE";
      const std::string response = f.ask(route.method, path_of(route), proof.headers, has_body ? "{}" : "");
      const bool was_asked = !f.records.asked.empty() || !f.directory.ended.empty();
      const int refusal = refusal_of(f.server->router(), route, proof);
      const bool is_right = refusal == 0
                                ? is_of_handler(response)
                                : status_of(response) == refusal && !is_of_handler(response) && !was_asked;
      CHECK_MESSAGE(is_right, refusal << " " << route.method << " " << route.pattern << " " << proof.name
                                      << "\n"
                                      << response);
      ++calls;
      allowed += status_of(response) < 300 ? 1 : 0;
    }
  }
  CHECK(calls == (f.server->router().routes().size() - 1) * proofs.size());
  CHECK(allowed > calls / 10);
  CHECK(allowed < calls / 2);
}

TEST_CASE("each role of those that come built in has routes, and only admin may write records") {
  ApiFixture f;
  for (const Route& route : f.server->router().routes()) {
    if (!route.scope.ends_with(":write")) continue;
    for (const auth::BuiltInRole& role : auth::built_in_roles()) {
      const std::vector<std::string> names = {std::string(role.name)};
      CHECK(auth::scopes_of_roles(names).has(route.scope) == (role.name == "admin"));
    }
  }
  const std::vector<std::string> auditor = {"auditor"};
  for (const Route& route : f.server->router().routes()) {
    CAPTURE(route.pattern);
    if (route.method == "GET" && !route.scope.empty()) CHECK(auth::scopes_of_roles(auditor).has(route.scope));
  }
}
