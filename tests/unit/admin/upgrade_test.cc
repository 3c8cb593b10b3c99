#include "web_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;

namespace {

// Another protocol: says in capitals what it hears, until "!".
struct Shouting : WebFixture {
  explicit Shouting(uint64_t seed = 1) : WebFixture(seed) {
    router.add({"GET", "/shout", "", {}, "Shout."},
               Handler([this](const Call&, Responder& responder) -> ring::Task<void> {
                 responder.upgrade("shout", {{"X-Loud", "yes"}},
                                   [this](Upgraded upgraded) { return shout(std::move(upgraded)); });
                 co_return;
               }));
  }
  ring::Task<void> shout(Upgraded upgraded) {
    ++open;
    if (is_polite) upgraded.on_stop = [stream = upgraded.stream.get()] { stream->shutdown(); };
    std::string heard = upgraded.ahead;
    for (;;) {
      bool is_over = heard.find('!') != std::string::npos;
      for (char& c : heard) c = static_cast<char>(std::toupper(c));
      net::Send send(*upgraded.stream, heard);
      Result<void> sent = co_await send;
      if (!sent || is_over) break;
      net::Receive receive(*upgraded.stream);
      Result<net::Chunk> chunk = co_await receive;
      if (!chunk || chunk->bytes().empty()) break;
      heard = chunk->bytes();
    }
    --open;
  }
  int open = 0;
  bool is_polite = false;
};

const std::string ask = get("/shout", "Connection: keep-alive, Upgrade\r\nUpgrade: shout\r\n");

}  // namespace

TEST_CASE("after 101 the handler has the connection, with what was read ahead") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Shouting f(seed);
    // What looks like a request behind it is none any more.
    Client& client = f.connect(ask + get("/shout"), seed % 3 == 0 ? 0 : 1 + seed);
    CHECK(client.heard.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
    CHECK(has(client.heard, "Connection: Upgrade\r\n"));
    CHECK(has(client.heard, "X-Loud: yes\r\n"));
    CHECK(body_of(client.heard) == "GET /SHOUT HTTP/1.1\r\nHOST: X\r\n\r\n");
    // No deadline of the server's holds any more.
    f.pass_ms(90'000);
    f.say(client, "hello!");
    CHECK(client.heard.ends_with("HELLO!"));
    CHECK(client.has_ended);
    CHECK(f.open == 0);
    CHECK(f.server->connections() == 0);
  }
}

TEST_CASE("who does not ask for the protocol is told which one, and goes on") {
  Shouting f;
  std::string heard = f.talk(get("/shout") + get("/shout", "Connection: Upgrade\r\nUpgrade: whisper\r\n") +
                             get("/shout", "Upgrade: shout\r\n") + get("/nothing", "X-Scopes: a:b\r\n"));
  CHECK(count(heard, "HTTP/1.1 426 Upgrade Required\r\n") == 3);
  CHECK(count(heard, "Upgrade: shout\r\n") == 3);
  CHECK(count(heard, "HTTP/1.1 404 ") == 1);
  CHECK(f.open == 0);
}

TEST_CASE("stopping tells upgraded connections, and shuts those down that do not end") {
  for (bool is_polite : {true, false}) {
    CAPTURE(is_polite);
    Shouting f;
    f.is_polite = is_polite;
    Client& client = f.connect(ask);
    CHECK(f.open == 1);
    bool stopped = false;
    f.server->stop(5'000, [&] {
      stopped = true;
      f.server.reset();
    });
    f.network.run();
    CHECK(stopped == is_polite);
    f.pass_ms(5'000);
    CHECK(stopped);
    CHECK(client.has_ended);
    CHECK(f.open == 0);
  }
}
