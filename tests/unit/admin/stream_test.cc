#include "web_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;

namespace {

http::Response event_head() {
  http::Response head;
  head.content_type = "text/event-stream";
  return head;
}

// A producer that the test speaks through.
struct Producer {
  AnswerStream* stream = nullptr;
  std::string pending;
  bool is_over = false;
  bool has_returned = false;
  int silences = 0;
  uint64_t patience_ms = 15'000;

  Handler handler() {
    return [this](const Call& call, Responder& responder) { return run(call, responder); };
  }
  ring::Task<void> run(const Call&, Responder& responder) {
    AnswerStream& out = responder.stream(event_head());
    stream = &out;
    while (!out.has_ended() && !out.is_stopping()) {
      std::string now = std::exchange(pending, {});
      ring::Task<bool> writing = out.write(now);
      bool was_written = co_await writing;
      if (!was_written || (is_over && pending.empty())) break;
      ring::Task<bool> waiting = out.wait(patience_ms);
      bool has_news = co_await waiting;
      if (!has_news) {
        ++silences;
        out.try_write(": still there\n\n");
      }
    }
    stream = nullptr;
    has_returned = true;
  }
  void tell(const std::string& text) {
    pending += text;
    if (stream != nullptr) stream->wake();
  }
  void end() {
    is_over = true;
    if (stream != nullptr) stream->wake();
  }
};

struct Streaming : WebFixture {
  explicit Streaming(uint64_t seed = 1) : WebFixture(seed) {
    router.add({"GET", "/events", "", {}, "Events."}, producer.handler());
    router.add({"GET", "/ok", "", {}, "Ok."}, WholeHandler([](const Call&) -> ring::Task<http::Response> {
                 co_return http::json_response(200, "fine");
               }));
  }
  Producer producer;
};

}  // namespace

TEST_CASE("a stream goes out in chunks while it is made, and the next request follows it") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Streaming f(seed);
    Client& client = f.connect(get("/events"), 1 + seed % 7);
    CHECK(has(client.heard, "Transfer-Encoding: chunked\r\n"));
    CHECK(has(client.heard, "Content-Type: text/event-stream\r\n"));
    CHECK(has(client.heard, "Cache-Control: no-store\r\n"));
    f.producer.tell("data: 1\n\n");
    f.network.run();
    CHECK(client.heard.ends_with("\r\n\r\n9\r\ndata: 1\n\n\r\n"));
    // Asked before the stream's end, answered behind it.
    f.say(client, get("/ok"));
    CHECK_FALSE(has(client.heard, "fine"));
    f.producer.tell("data: 2\n\n");
    f.producer.end();
    f.network.run();
    CHECK(dechunked(body_of(client.heard)) == "data: 1\n\ndata: 2\n\n");
    CHECK(has(client.heard, "0\r\n\r\nHTTP/1.1 200 OK"));
    CHECK(client.heard.ends_with("fine"));
    CHECK_FALSE(client.has_ended);
    f.say(client, get("/ok"));
    CHECK(count(client.heard, "fine") == 2);
  }
}

TEST_CASE("requests that came with the one for a stream are answered behind it") {
  Streaming f;
  Client& client = f.connect(get("/events") + get("/ok") + get("/ok"));
  f.producer.tell("x");
  f.producer.end();
  f.network.run();
  CHECK(count(client.heard, "fine") == 2);
  CHECK(dechunked(body_of(client.heard)) == "x");
}

TEST_CASE("for HTTP/1.0 a stream lasts until the connection ends, for HEAD it has no body") {
  Streaming f;
  Client& old = f.connect("GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  f.producer.tell("data: 1\n\n");
  f.producer.end();
  f.network.run();
  CHECK_FALSE(has(old.heard, "Transfer-Encoding"));
  CHECK(has(old.heard, "Connection: close\r\n"));
  CHECK(body_of(old.heard) == "data: 1\n\n");
  CHECK(old.has_ended);
  Streaming g;
  Client& head = g.connect("HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n" + get("/ok"));
  CHECK(has(head.heard, "Transfer-Encoding: chunked\r\n"));
  CHECK(g.producer.has_returned);
  CHECK(head.heard.ends_with("fine"));
}

TEST_CASE("a producer without news is told the time, and the peer that leaves ends it") {
  Streaming f;
  Client& client = f.connect(get("/events"));
  f.pass_ms(14'999);
  CHECK(f.producer.silences == 0);
  f.pass_ms(15'000);
  CHECK(f.producer.silences == 1);
  CHECK(has(client.heard, ": still there\n\n"));
  // A silent stream has no deadline.
  f.pass_ms(90'000);
  CHECK_FALSE(client.has_ended);
  client.stream->shutdown();
  f.network.run();
  CHECK(f.producer.has_returned);
  CHECK(f.server->connections() == 0);
}

TEST_CASE("a stream keeps to its buffer's bound, and its producer goes on when the peer takes some") {
  Streaming f;
  std::string big;
  for (int i = 0; i < 60'000; ++i) big += std::to_string(i) + " ";
  f.producer.tell(big);
  f.producer.end();
  CHECK(dechunked(body_of(f.talk(get("/events"), 977))) == big);
}

TEST_CASE("what is written without waiting is taken whole or not at all") {
  WebFixture f;
  std::vector<bool> taken;
  bool had_room_again = false;
  f.router.add({"GET", "/burst", "", {}, "Burst."},
               Handler([&](const Call&, Responder& responder) -> ring::Task<void> {
                 AnswerStream& out = responder.stream(event_head());
                 for (int i = 0; i < 10; ++i)
                   taken.push_back(out.try_write(std::string(10'000, static_cast<char>('a' + i))));
                 ring::Task<bool> waiting = out.wait(0);
                 had_room_again = co_await waiting;
                 CHECK(out.try_write("z"));
               }));
  std::string heard = f.talk(get("/burst"));
  size_t accepted = std::count(taken.begin(), taken.end(), true);
  CHECK(accepted >= 6);
  CHECK(accepted < 10);
  CHECK(had_room_again);
  CHECK(dechunked(body_of(heard))->size() == accepted * 10'000 + 1);
}

TEST_CASE("a peer that takes nothing loses its connection, and the producer learns it") {
  Streaming f;
  // On a network that nobody drives, no send completes.
  Client& client = f.connect();
  ring::spawn(client.say(get("/events")));
  while (f.producer.stream == nullptr) f.network.step();
  f.producer.tell("late");
  f.shard.timers().run(29'999 * 1'000'000ull);
  CHECK(f.counters.streams_stalled == 0);
  CHECK_FALSE(f.producer.has_returned);
  f.shard.timers().run(30'000 * 1'000'000ull);
  CHECK(f.counters.streams_stalled == 1);
  f.network.run();
  CHECK(f.producer.has_returned);
  CHECK(client.has_ended);
}

TEST_CASE("stopping tells streams at once, and cuts those off that do not end") {
  Streaming f;
  f.router.add({"GET", "/stubborn", "", {}, "Goes on."},
               Handler([](const Call&, Responder& responder) -> ring::Task<void> {
                 AnswerStream& out = responder.stream(event_head());
                 for (bool goes_on = true; goes_on;) {
                   ring::Task<bool> waiting = out.wait(0);
                   co_await waiting;
                   ring::Task<bool> writing = out.write("more");
                   goes_on = co_await writing;
                 }
               }));
  Client& willing = f.connect(get("/events"));
  Client& stubborn = f.connect(get("/stubborn"));
  bool stopped = false;
  f.server->stop(5'000, [&] {
    stopped = true;
    f.server.reset();
  });
  f.network.run();
  CHECK(f.producer.has_returned);
  CHECK(willing.heard.ends_with("0\r\n\r\n"));
  f.pass_ms(4'999);
  CHECK(willing.has_ended);
  CHECK_FALSE(stubborn.has_ended);
  CHECK_FALSE(stopped);
  f.pass_ms(5'000);
  CHECK(stubborn.has_ended);
  CHECK_FALSE(stubborn.heard.ends_with("0\r\n\r\n"));
  CHECK(stopped);
}

TEST_CASE("a body that is broken off does not look complete") {
  WebFixture f;
  f.router.add({"GET", "/half", "", {}, "Half."},
               Handler([](const Call&, Responder& responder) -> ring::Task<void> {
                 AnswerStream& out = responder.stream(event_head());
                 out.try_write("half");
                 out.break_off();
                 co_return;
               }));
  Client& client = f.connect(get("/half") + get("/half"));
  CHECK(client.heard.ends_with("4\r\nhalf\r\n"));
  client.stream->shutdown_write();
  f.network.run();
  CHECK(client.has_ended);
  CHECK(count(client.heard, "HTTP/1.1") == 1);
}

TEST_CASE("a status without content has no body, whatever is written") {
  WebFixture f;
  bool was_taken = true;
  f.router.add({"GET", "/none", "", {}, "None."},
               Handler([&](const Call&, Responder& responder) -> ring::Task<void> {
                 http::Response head;
                 head.status = 204;
                 was_taken = responder.stream(std::move(head)).try_write("text");
                 co_return;
               }));
  std::string heard = f.talk(get("/none") + get("/none"));
  CHECK(count(heard, "HTTP/1.1 204 ") == 2);
  CHECK_FALSE(has(heard, "Transfer-Encoding"));
  CHECK_FALSE(has(heard, "text"));
  CHECK_FALSE(was_taken);
}
