// Streams, bodies and other protocols over sockets and a ring, with peers that do not behave.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

#include "ringfence/net/address.h"
#include "web_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;

namespace {

http::Response text_head() {
  http::Response head;
  head.content_type = "text/plain";
  return head;
}

// As fast as the peer takes it, without an end.
ring::Task<void> flood(const Call&, Responder& responder) {
  AnswerStream& out = responder.stream(text_head());
  const std::string piece(10'000, 'f');
  for (bool goes_on = true; goes_on && !out.is_stopping();) {
    ring::Task<bool> writing = out.write(piece);
    goes_on = co_await writing;
  }
}

ring::Task<void> silence(const Call&, Responder& responder) {
  AnswerStream& out = responder.stream(text_head());
  while (!out.has_ended() && !out.is_stopping()) {
    ring::Task<bool> waiting = out.wait(0);
    co_await waiting;
  }
}

ring::Task<void> add_up(const Call& call, Responder& responder) {
  size_t total = 0;
  for (;;) {
    ring::Task<std::optional<std::string>> reading = call.body->next();
    std::optional<std::string> piece = co_await reading;
    if (!piece) co_return;
    if (piece->empty()) break;
    total += piece->size();
  }
  responder.answer(http::json_response(200, std::to_string(total)));
}

ring::Task<void> echo(Upgraded upgraded) {
  std::string heard = std::move(upgraded.ahead);
  for (;;) {
    net::Send send(*upgraded.stream, heard);
    Result<void> sent = co_await send;
    if (!sent) co_return;
    net::Receive receive(*upgraded.stream);
    Result<net::Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) co_return;
    heard = chunk->bytes();
  }
}

ring::Task<void> offer_echo(const Call&, Responder& responder) {
  responder.upgrade("echo", {}, echo);
  co_return;
}

class Peer {
 public:
  explicit Peer(const sockaddr_in& to) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    int small = 4'096;
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  }
  ~Peer() { ::close(fd_); }
  void say(const std::string& text) {
    REQUIRE(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
  // Until so many bytes were heard, or the end.
  std::string hear(size_t bytes) {
    std::string out;
    char piece[65'536];
    while (out.size() < bytes) {
      ssize_t got = ::recv(fd_, piece, std::min(sizeof piece, bytes - out.size()), 0);
      if (got <= 0) break;
      out.append(piece, static_cast<size_t>(got));
    }
    return out;
  }
  std::string hear_until(const std::string& end) {
    std::string out;
    while (!out.ends_with(end)) {
      std::string more = hear(1);
      if (more.empty()) break;
      out += more;
    }
    return out;
  }

 private:
  int fd_;
};

struct Serving {
  Serving() : shard(named()), router(who) {
    auto address = net::numeric_address("127.0.0.1", 0);
    fd = *net::listen(*address, "admin.port");
    socklen_t size = sizeof bound;
    REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0);
    auto started = shard.start();
    REQUIRE(started);
    router.add({"GET", "/flood", "", {}, "Flood."}, Handler(flood));
    router.add({"GET", "/silence", "", {}, "Silence."}, Handler(silence));
    router.add({"GET", "/echo", "", {}, "Echo."}, Handler(offer_echo));
    router.add({"POST", "/sum", "", {}, "Sum.", 100 << 20}, Handler(add_up));
    on_shard([this] {
      ServerOptions options;
      options.body_ms = 400;
      options.header_ms = 400;
      server.emplace(shard, options, router, counters, asks);
      server->listen(fd);
    });
  }
  ~Serving() {
    if (server) stop(200);
    shard.stop();
    shard.join();
  }
  static ring::ShardOptions named() {
    ring::ShardOptions out;
    out.name = "admin";
    return out;
  }
  void on_shard(std::function<void()> job) {
    std::promise<void> done;
    shard.post([&] {
      job();
      done.set_value();
    });
    done.get_future().get();
  }
  // True: in time.
  bool stop(uint64_t deadline_ms) {
    std::promise<void> stopped;
    shard.post([&] {
      server->stop(deadline_ms, [&] {
        shard.post([&] {
          server.reset();
          stopped.set_value();
        });
      });
    });
    return stopped.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  }
  bool comes_to(std::function<bool()> state) {
    for (int i = 0; i < 2'000; ++i) {
      bool is_so = false;
      on_shard([&] { is_so = state(); });
      if (is_so) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  ring::Shard shard;
  NamedScopes who;
  Router router;
  AdminCounters counters;
  Asks asks;
  std::optional<Server> server;
  int fd = -1;
  sockaddr_in bound{};
};

}  // namespace

TEST_CASE("over a socket: a stream keeps up with its reader, and one that never reads loses its connection") {
  Serving s;
  Peer never(s.bound), reader(s.bound);
  never.say(get("/flood"));
  reader.say(get("/flood"));
  CHECK(reader.hear(3'000'000).size() == 3'000'000);
  CHECK(s.comes_to([&] { return s.counters.streams_stalled == 2; }));
  // The reader has come to its end, too, and reads no more.
  CHECK(s.comes_to([&] { return s.server->connections() == 0; }));
}

TEST_CASE("over a socket: a peer that leaves a silent stream is noticed at once") {
  Serving s;
  {
    Peer peer(s.bound);
    peer.say(get("/silence"));
    CHECK(has(peer.hear_until("\r\n\r\n"), "Transfer-Encoding: chunked"));
    CHECK(s.comes_to([&] { return s.server->connections() == 1; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    s.on_shard([&] { CHECK(s.server->connections() == 1); });
  }
  CHECK(s.comes_to([&] { return s.server->connections() == 0; }));
  CHECK(s.counters.streams_stalled == 0);
}

TEST_CASE("over a socket: stopping ends streams, silent, read or not, and other protocols") {
  Serving s;
  Peer silent(s.bound), never(s.bound), echoing(s.bound);
  silent.say(get("/silence"));
  silent.hear_until("\r\n\r\n");
  never.say(get("/flood"));
  echoing.say(get("/echo", "Connection: Upgrade\r\nUpgrade: echo\r\n"));
  echoing.hear_until("\r\n\r\n");
  CHECK(s.comes_to([&] { return s.server->connections() == 3; }));
  CHECK(s.stop(300));
  CHECK(silent.hear(100) == "0\r\n\r\n");
  CHECK(echoing.hear(100).empty());
}

TEST_CASE("over a socket: behind 101 each byte is the other protocol's") {
  Serving s;
  Peer peer(s.bound);
  peer.say(get("/echo", "Connection: Upgrade\r\nUpgrade: echo\r\n") + "ahead");
  CHECK(has(peer.hear_until("\r\n\r\n"), "101 Switching Protocols"));
  CHECK(peer.hear(5) == "ahead");
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  peer.say(get("/flood"));
  CHECK(peer.hear(get("/flood").size()) == get("/flood"));
}

TEST_CASE("over a socket: a large body comes in pieces, one that stalls is not waited for") {
  Serving s;
  Peer large(s.bound);
  large.say("POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n");
  for (int i = 0; i < 80; ++i) large.say(std::string(100'000, 'x'));
  CHECK(large.hear_until("8000000").ends_with("\r\n\r\n8000000"));
  Peer slow(s.bound);
  slow.say("POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  CHECK(slow.hear(100).empty());
  Peer cut(s.bound);
  cut.say("POST /sum HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc");
  cut.say("defgh\r\n");
  CHECK(status_of(cut.hear(1'000)) == 400);
}
