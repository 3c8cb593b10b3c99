#include "web_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;

namespace {

struct Taking : WebFixture {
  explicit Taking(uint64_t seed = 1) : WebFixture(seed) {
    router.add({"POST", "/import", "import:run", {}, "Import.", 100'000},
               Handler([this](const Call& call, Responder& responder) { return take(call, responder); }));
  }
  ring::Task<void> take(const Call& call, Responder& responder) {
    ++calls;
    CHECK(call.request.body.empty());
    for (size_t pieces = 0; pieces < pieces_max; ++pieces) {
      ring::Task<std::optional<std::string>> reading = call.body->next();
      std::optional<std::string> piece = co_await reading;
      if (!piece) {
        was_cut = true;
        co_return;
      }
      if (piece->empty()) break;
      body += *piece;
    }
    responder.answer(http::json_response(200, std::to_string(body.size()) + " bytes"));
  }
  std::string head(const std::string& more) {
    return "POST /import HTTP/1.1\r\nHost: x\r\nX-Scopes: import:run\r\n" + more + "\r\n";
  }
  std::string body;
  size_t pieces_max = SIZE_MAX;
  int calls = 0;
  bool was_cut = false;
};

}  // namespace

TEST_CASE("a streamed body comes in pieces, whatever carries it, and the next request behind it") {
  const std::string text(5'000, 'x');
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Taking f(seed);
    std::string heard = f.talk(f.head("Content-Length: 5000\r\n") + text +
                                   f.head("Transfer-Encoding: chunked\r\n") + "5\r\nabcde\r\n0\r\n\r\n" +
                                   f.head("Content-Length: 0\r\n") + get("/nothing", "X-Scopes: a:b\r\n"),
                               1 + seed * 40);
    CHECK(f.body == text + "abcde");
    CHECK(f.calls == 3);
    CHECK(count(heard, "HTTP/1.1 200 OK") == 3);
    CHECK(count(heard, "HTTP/1.1 404 ") == 1);
  }
}

TEST_CASE("the handler is called before the body is there, and is told that it ends early") {
  Taking f;
  Client& client = f.connect(f.head("Content-Length: 10\r\n") + "abc");
  CHECK(f.calls == 1);
  CHECK(f.body == "abc");
  client.stream->shutdown_write();
  f.network.run();
  CHECK(f.was_cut);
  CHECK(client.has_ended);
  CHECK(client.heard.empty());
}

TEST_CASE("a streamed body that is malformed or too long is answered by the server") {
  Taking malformed;
  Client& client = malformed.connect(malformed.head("Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\nzz\r\n");
  CHECK(malformed.was_cut);
  CHECK(status_of(client.heard) == 400);
  CHECK(count(client.heard, "HTTP/1.1") == 1);
  Taking longer;
  std::string heard = longer.talk(longer.head("Transfer-Encoding: chunked\r\n") + "186a1\r\n");
  CHECK(longer.was_cut);
  CHECK(status_of(heard) == 413);
  // A length that is told is refused before anybody is called.
  Taking told;
  CHECK(status_of(told.talk(told.head("Content-Length: 100001\r\n"))) == 413);
  CHECK(told.calls == 0);
}

TEST_CASE("who may not send a body is refused before it is read") {
  Taking f;
  Client& client = f.connect("POST /import HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\nabc");
  CHECK(status_of(client.heard) == 401);
  CHECK(has(client.heard, "Connection: close\r\n"));
  CHECK(f.calls == 0);
}

TEST_CASE("a handler that has read enough answers, and the connection ends") {
  Taking f;
  f.pieces_max = 1;
  Client& client = f.connect(f.head("Content-Length: 10\r\n") + "abc");
  CHECK(status_of(client.heard) == 200);
  CHECK(has(client.heard, "Connection: close\r\n"));
  f.say(client, "defghij" + get("/nothing"));
  client.stream->shutdown_write();
  f.network.run();
  CHECK(client.has_ended);
  CHECK(count(client.heard, "HTTP/1.1") == 1);
}

TEST_CASE(
    "each piece of a streamed body has a deadline of its own, and leave to send it is given on demand") {
  Taking f;
  Client& client = f.connect(f.head("Content-Length: 4\r\nExpect: 100-continue\r\n"));
  CHECK(client.heard == "HTTP/1.1 100 Continue\r\n\r\n");
  f.pass_ms(29'999);
  CHECK_FALSE(client.has_ended);
  f.say(client, "a");
  // The shard's clock stands at 0, so that the next piece's deadline is the same one, armed anew.
  f.pass_ms(29'999);
  CHECK_FALSE(f.was_cut);
  f.pass_ms(30'000);
  CHECK(f.was_cut);
  CHECK(client.has_ended);
  Taking silent;
  silent.pieces_max = 0;
  CHECK_FALSE(has(silent.talk(silent.head("Content-Length: 4\r\nExpect: 100-continue\r\n")), "100 Continue"));
}
