#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "ringfence/net/address.h"
#include "web_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;

namespace {

const std::string health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

}  // namespace

TEST_CASE("requests in any pieces, one after the other or at once, are answered in order") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Fixture f(seed);
    std::string heard =
        f.talk(health +
                   "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\nPOST /healthz HTTP/1.1\r\nHost: x\r\n"
                   "Content-Length: 5\r\n\r\nhello" +
                   health,
               1 + seed % 9);
    CHECK(count(heard, "HTTP/1.1 200 OK") == 3);
    CHECK(count(heard, "HTTP/1.1 405 ") == 1);
    CHECK(heard.find("ready") < heard.find("405"));
    CHECK(f.server->connections() == 1);
  }
}

TEST_CASE("a connection ends after its last answer when either side wants that") {
  Fixture f;
  std::string heard = f.talk("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + health);
  CHECK(count(heard, "HTTP/1.1 200 OK") == 1);
  CHECK(has(heard, "Connection: close\r\n"));
  CHECK(f.clients.back()->has_ended);
  heard = f.talk("GET /healthz HTTP/1.0\r\n\r\n");
  CHECK(count(heard, "HTTP/1.1 200 OK") == 1);
  CHECK(f.clients.back()->has_ended);
}

TEST_CASE("what is no request is answered with its status and the connection ends") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Fixture f(seed);
    std::string heard = f.talk(health + "nonsense\r\n\r\n" + health, 1 + seed % 5);
    CHECK(count(heard, "HTTP/1.1 200 OK") == 1);
    CHECK(count(heard, "HTTP/1.1 400 ") == 1);
    CHECK(f.clients.back()->has_ended);
    heard = f.talk("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" +
                   std::string(5000, 'x'));
    CHECK(count(heard, "HTTP/1.1 413 ") == 1);
  }
}

TEST_CASE("a client that waits for leave to send its body gets it once") {
  Fixture f;
  Client& client = f.connect();
  ring::spawn(
      client.say("POST /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
  f.network.run();
  CHECK(client.heard == "HTTP/1.1 100 Continue\r\n\r\n");
  ring::spawn(client.say("ab"));
  f.network.run();
  ring::spawn(client.say("cd"));
  f.network.run();
  CHECK(count(client.heard, "100 Continue") == 1);
  CHECK(count(client.heard, "HTTP/1.1 405 ") == 1);
}

TEST_CASE("a silent connection, a slow head and a slow body each end at their deadline") {
  Fixture f;
  Client& silent = f.connect();
  f.network.run();
  f.pass_ms(9'999);
  CHECK_FALSE(silent.has_ended);
  f.pass_ms(10'000);
  CHECK(silent.has_ended);
  Client& slow_head = f.connect();
  ring::spawn(slow_head.say("GET / HT"));
  f.network.run();
  f.pass_ms(10'000);
  CHECK(slow_head.has_ended);
  Client& slow_body = f.connect();
  ring::spawn(slow_body.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"));
  f.network.run();
  f.pass_ms(29'999);
  CHECK_FALSE(slow_body.has_ended);
  f.pass_ms(30'000);
  CHECK(slow_body.has_ended);
  Client& idle = f.connect();
  ring::spawn(idle.say(health));
  f.network.run();
  f.pass_ms(59'999);
  CHECK_FALSE(idle.has_ended);
  f.pass_ms(60'000);
  CHECK(idle.has_ended);
  CHECK(f.server->connections() == 0);
}

TEST_CASE("connections beyond the bound are turned away and counted") {
  Fixture f;
  for (int i = 0; i < 256; ++i) f.connect();
  f.network.run();
  CHECK(f.server->connections() == 256);
  Client& one_more = f.connect();
  f.network.run();
  CHECK(one_more.has_ended);
  CHECK(f.server->counters().connections_refused == 1);
}

TEST_CASE("stopping ends idle connections at once and lets a running request finish") {
  Fixture f;
  f.directory.is_busy = true;
  Client& idle = f.connect();
  ring::spawn(idle.say(health));
  Client& running = f.connect();
  ring::spawn(running.say("GET /api/v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token +
                          "\r\n\r\n" + health));
  f.network.run();
  bool stopped = false;
  f.server->stop(5'000, [&] { stopped = true; });
  f.network.run();
  CHECK(idle.has_ended);
  CHECK_FALSE(stopped);
  f.directory.late_list({});
  f.network.run();
  CHECK(count(running.heard, "HTTP/1.1 200 OK") == 1);
  CHECK(has(running.heard, "Connection: close\r\n"));
  running.stream->shutdown();
  f.network.run();
  CHECK(stopped);
}

TEST_CASE("stopping waits no longer than its deadline") {
  Fixture f;
  Client& slow = f.connect();
  ring::spawn(slow.say("GET /heal"));
  f.network.run();
  bool stopped = false;
  f.server->stop(5'000, [&] { stopped = true; });
  f.pass_ms(4'999);
  CHECK_FALSE(stopped);
  f.pass_ms(5'000);
  CHECK(stopped);
}

// A request that comes to its end after the stop began, and asks shards that are gone: nobody answers.
TEST_CASE("a request whose answer does not come keeps nobody from stopping in time, and is told so") {
  const std::string head = " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n";
  for (const std::string& request :
       {"GET /api/v1/sessions" + head, "DELETE /api/v1/sessions/018f0000-0000-7000-8000-000000000001" + head,
        "POST /api/v1/policy/explain" + head + "Content-Length: 0\r\n"}) {
    for (bool began_before : {true, false}) {
      CAPTURE(request);
      CAPTURE(began_before);
      Fixture f;
      f.directory.is_busy = true;
      Client& client = f.connect();
      ring::spawn(client.say(request));
      f.network.run();
      if (began_before) ring::spawn(client.say("\r\n"));
      f.network.run();
      bool stopped = false;
      f.server->stop(1'000, [&] {
        stopped = true;
        f.server.reset();
      });
      f.network.run();
      if (!began_before) ring::spawn(client.say("\r\n"));
      f.network.run();
      f.pass_ms(499);
      CHECK(client.heard.empty());
      CHECK_FALSE(stopped);
      f.pass_ms(500);
      CHECK(status_of(client.heard) == 503);
      CHECK(has(client.heard, "Connection: close\r\n"));
      f.pass_ms(1'000);
      CHECK(client.has_ended);
      CHECK(stopped);
    }
  }
}

TEST_CASE("a request that comes when no answer is waited for any more is told so at once") {
  Fixture f;
  f.directory.is_busy = true;
  Client& client = f.connect();
  ring::spawn(
      client.say("GET /api/v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\n"));
  f.network.run();
  bool stopped = false;
  f.server->stop(1'000, [&] { stopped = true; });
  f.pass_ms(999);
  ring::spawn(client.say("\r\n"));
  f.network.run();
  CHECK(status_of(client.heard) == 503);
  f.pass_ms(1'000);
  CHECK(stopped);
}

TEST_CASE("a stop that is over at once may destroy the server, however many connections it ends") {
  for (bool at_deadline : {false, true}) {
    Fixture f;
    for (int i = 0; i < 3; ++i) ring::spawn(f.connect().say(at_deadline ? "GET /heal" : ""));
    f.network.run();
    bool stopped = false;
    f.server->stop(1'000, [&] {
      stopped = true;
      f.server.reset();
    });
    f.network.run();
    CHECK(stopped != at_deadline);
    f.pass_ms(1'000);
    CHECK(stopped);
    for (auto& client : f.clients) CHECK(client->has_ended);
  }
}

TEST_CASE("on a shard of its own the server answers a socket, and stops") {
  auto address = net::numeric_address("127.0.0.1", 0);
  REQUIRE(address);
  auto fd = net::listen(*address, "admin.port");
  REQUIRE(fd);
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  REQUIRE(getsockname(*fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0);

  ring::ShardOptions shard_options;
  shard_options.name = "admin";
  ring::Shard shard(shard_options);
  auto started = shard.start();
  if (!started) {
    MESSAGE("no ring here: " << started.error().message);
    ::close(*fd);
    return;
  }
  FakeDirectory directory;
  std::unique_ptr<AdminServer> server;
  std::promise<void> ready, stopped;
  shard.post([&] {
    AdminOptions options;
    options.token_digest = crypto::sha256(token);
    Sources sources;
    sources.readiness = [] { return Readiness{true, ""}; };
    sources.stats = [] { return StatsSnapshot{}; };
    sources.sessions = &directory;
    server = std::make_unique<AdminServer>(shard, options, sources);
    server->listen(*fd);
    ready.set_value();
  });
  ready.get_future().get();

  auto ask = [&](const std::string& text) {
    int client = ::socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(::connect(client, reinterpret_cast<sockaddr*>(&bound), sizeof bound) == 0);
    REQUIRE(::send(client, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    std::string heard;
    char piece[4096];
    for (ssize_t got = 0; (got = ::recv(client, piece, sizeof piece, 0)) > 0;)
      heard.append(piece, static_cast<size_t>(got));
    ::close(client);
    return heard;
  };
  const std::string close_after =
      "Host: x\r\nConnection: close\r\nAuthorization: Bearer " + token + "\r\n\r\n";
  CHECK(status_of(ask("GET /healthz HTTP/1.1\r\n" + close_after)) == 200);
  CHECK(status_of(ask("GET /api/v1/sessions HTTP/1.1\r\n" + close_after)) == 200);
  CHECK(status_of(ask("GET /api/v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")) == 401);
  // More than any buffer of the socket: the answer arrives although most of it is never read.
  CHECK(status_of(ask("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" +
                      std::string(100'000, 'x'))) == 413);
  int idle = ::socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(::connect(idle, reinterpret_cast<sockaddr*>(&bound), sizeof bound) == 0);

  shard.post([&] {
    server->stop(1'000, [&] {
      // Not inside the server's own call.
      shard.post([&] {
        server.reset();
        stopped.set_value();
      });
    });
  });
  CHECK(stopped.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  ::close(idle);
  shard.stop();
  shard.join();
}
