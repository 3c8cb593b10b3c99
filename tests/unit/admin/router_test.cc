#include "web_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;

namespace {

ring::Task<http::Response> tell_call(const Call& call) {
  std::string out = call.by();
  for (const std::string& part : call.captured) out += " [" + part + "]";
  if (const std::string* a = call.parameter("a")) out += " a=" + *a;
  co_return http::json_response(200, out);
}

void add_routes(Router& router) {
  router.add({"GET", "/open", "", {}, "Open."}, WholeHandler(tell_call));
  router.add({"POST", "/open", "open:write", {}, "Not open."}, WholeHandler(tell_call));
  router.add({"GET", "/things/{id}", "things:read", {"a"}, "Read."}, WholeHandler(tell_call));
  router.add({"DELETE", "/things/{id}", "things:end", {}, "End."}, WholeHandler(tell_call));
  router.add({"GET", "/things/{id}/parts/{part}", "things:read", {}, "Part."}, WholeHandler(tell_call));
}

std::string as(const std::string& scopes) { return "X-Scopes: " + scopes + "\r\n"; }
std::string do_delete(const std::string& headers) {
  return "DELETE /things/1 HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n";
}

}  // namespace

TEST_CASE("a route is found by method and path, and gets what stands in place of its names") {
  WebFixture f;
  add_routes(f.router);
  CHECK(body_of(f.talk(get("/things/a%2Fb?a=7", as("things:read")))) == "header from memory [a/b] a=7");
  CHECK(body_of(f.talk(get("/things/1/parts/2", as("things:read")))) == "header from memory [1] [2]");
  CHECK(status_of(f.talk(get("/things/1/parts", as("things:read")))) == 404);
  CHECK(status_of(f.talk(get("/things/", as("things:read")))) == 404);
  CHECK(status_of(f.talk(get("/things/1?b=7", as("things:read")))) == 400);
  CHECK(status_of(f.talk(get("/things/1?a=7&a=8", as("things:read")))) == 400);
  CHECK(f.router.routes().size() == 5);
  CHECK(f.router.routes()[2].scope == "things:read");
}

TEST_CASE("an open route asks for no proof, another method of the same path does") {
  WebFixture f;
  add_routes(f.router);
  CHECK(status_of(f.talk(get("/open"))) == 200);
  CHECK(status_of(f.talk("PATCH /open HTTP/1.1\r\nHost: x\r\n\r\n")) == 405);
  CHECK(f.who.asked == 0);
  const std::string post = "POST /open HTTP/1.1\r\nHost: x\r\n";
  CHECK(status_of(f.talk(post + "\r\n")) == 401);
  CHECK(status_of(f.talk(post + as("open:write") + "\r\n")) == 200);
  CHECK(f.who.asked == 2);
}

TEST_CASE("who lacks a scope does not learn what exists") {
  WebFixture f;
  add_routes(f.router);
  // Nobody: one answer whatever the path.
  CHECK(status_of(f.talk(get("/things/1"))) == 401);
  CHECK(status_of(f.talk(get("/nothing"))) == 401);
  // Somebody without the scope: as if it was not there.
  const std::string none = f.talk(get("/things/1", as("other:read")));
  CHECK(status_of(none) == 404);
  CHECK(has(none, "there is nothing at this path"));
  // Of two methods one.
  const std::string reader = f.talk(do_delete(as("things:read")));
  CHECK(status_of(reader) == 405);
  CHECK(has(reader, "Allow: GET, HEAD\r\n"));
  CHECK(has(f.talk("PUT /things/1 HTTP/1.1\r\nHost: x\r\n" + as("things:read things:end") + "\r\n"),
            "Allow: GET, HEAD, DELETE\r\n"));
  CHECK(status_of(f.talk(do_delete(as("things:end")))) == 200);
  // A scope's name is whole.
  CHECK(status_of(f.talk(get("/things/1", as("things:rea things:reader")))) == 404);
}

TEST_CASE("a wildcard covers each action on its resource, and nothing beside it") {
  WebFixture f;
  add_routes(f.router);
  CHECK(status_of(f.talk(get("/things/1", as("things:*")))) == 200);
  CHECK(status_of(f.talk(do_delete(as("things:*")))) == 200);
  CHECK(status_of(f.talk(do_delete(as("*")))) == 200);
  CHECK(status_of(f.talk(get("/things/1", as("thing:* open:*")))) == 404);
}

TEST_CASE("a route for the proven takes any proof, and one for due passwords is all that such a user has") {
  WebFixture f;
  add_routes(f.router);
  Route mine{"GET", "/mine", "", {}, "Mine."};
  mine.admits = Admits::proven;
  f.router.add(mine, WholeHandler(tell_call));
  Route due{"PUT", "/password", "", {}, "Due."};
  due.admits = Admits::password_due;
  f.router.add(due, WholeHandler(tell_call));
  const std::string put = "PUT /password HTTP/1.1\r\nHost: x\r\n";
  CHECK(status_of(f.talk(get("/mine"))) == 401);
  CHECK(status_of(f.talk(get("/mine", "X-Scopes: \r\n"))) == 200);
  CHECK(status_of(f.talk(put + "\r\n")) == 401);
  CHECK(status_of(f.talk(put + "X-Scopes: \r\n\r\n")) == 200);
  const std::string is_due = as("*") + "X-Password-Due: yes\r\n";
  CHECK(status_of(f.talk(put + is_due + "\r\n")) == 200);
  for (const char* path : {"/mine", "/things/1", "/nothing", "/password"}) {
    const std::string heard = f.talk(get(path, is_due));
    CHECK(status_of(heard) == 403);
    CHECK(has(heard, "PUT /api/v1/auth/password"));
  }
  CHECK(status_of(f.talk(get("/open", is_due))) == 200);
}

TEST_CASE(
    "a proof that takes its time keeps its connection's next request waiting, and no other connection") {
  WebFixture f;
  add_routes(f.router);
  f.who.is_slow = true;
  Client& slow = f.connect(get("/things/1", as("things:read")) + get("/open"));
  CHECK(slow.heard.empty());
  CHECK(status_of(f.talk(get("/open"))) == 200);
  f.who.answer.set();
  f.network.run();
  CHECK(count(slow.heard, "HTTP/1.1 200 ") == 2);
  CHECK(slow.heard.find("header from memory [1]") < slow.heard.rfind("HTTP/1.1 200 "));
}

TEST_CASE("a route's own bound of the body holds before anybody is asked for a proof") {
  WebFixture f;
  Route small{"POST", "/small", "things:end", {}, "Small."};
  small.body_bytes_max = 10;
  f.router.add(small, WholeHandler(tell_call));
  const std::string post = "POST /small HTTP/1.1\r\nHost: x\r\n" + as("things:end");
  CHECK(status_of(f.talk(post + "Content-Length: 10\r\n\r\n0123456789")) == 200);
  CHECK(status_of(f.talk(post + "Content-Length: 11\r\n\r\n0123456789a")) == 413);
  CHECK(f.who.asked == 1);
}

TEST_CASE("HEAD is GET without its body") {
  WebFixture f;
  add_routes(f.router);
  std::string heard = f.talk("HEAD /open HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(status_of(heard) == 200);
  CHECK(body_of(heard).empty());
  CHECK_FALSE(has(heard, "Content-Length: 0\r\n"));
}

TEST_CASE("a handler that does not answer is our mistake, and told as such") {
  WebFixture f;
  f.router.add({"GET", "/mute", "", {}, "Mute."},
               Handler([](const Call&, Responder&) -> ring::Task<void> { co_return; }));
  std::string heard = f.talk(get("/mute") + get("/mute"));
  CHECK(count(heard, "HTTP/1.1 500 ") == 2);
}
