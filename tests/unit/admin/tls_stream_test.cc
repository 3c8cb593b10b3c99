// The kinds of answers over TLS: a stream over another one, whose receive and send are watched in turn.
#include "ringfence/net/tls_stream.h"
#include "web_fixture.h"

using namespace ringfence;
using namespace ringfence::admin;

namespace {

ring::Task<void> tick(const Call&, Responder& responder) {
  http::Response head;
  head.content_type = "text/plain";
  AnswerStream& out = responder.stream(std::move(head));
  std::string text;
  for (int i = 0; i < 30'000; ++i) text += std::to_string(i) + "\n";
  ring::Task<bool> writing = out.write(text);
  bool was_written = co_await writing;
  while (was_written && !out.has_ended() && !out.is_stopping()) {
    ring::Task<bool> waiting = out.wait(0);
    co_await waiting;
  }
}

ring::Task<void> shout_once(Upgraded upgraded) {
  std::string text = std::move(upgraded.ahead);
  while (!text.ends_with("!")) {
    net::Receive receive(*upgraded.stream);
    Result<net::Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) co_return;
    text += chunk->bytes();
  }
  for (char& c : text) c = static_cast<char>(std::toupper(c));
  net::Send send(*upgraded.stream, text);
  Result<void> sent = co_await send;
  CHECK(sent);
  upgraded.stream->shutdown_write();
}

ring::Task<void> offer(const Call&, Responder& responder) {
  responder.upgrade("shout", {}, shout_once);
  co_return;
}

// A client that says its text after the handshake.
struct TlsClient {
  TlsClient(WebFixture& f, const net::TlsKeyPair& keys, size_t piece_max) {
    net::TlsClientOptions options;
    options.ca_pem = keys.certificate_pem;
    options.verify_host = true;
    auto pair = f.network.make_pair(piece_max);
    stream = std::make_unique<net::TlsStream>(std::move(pair.left), net::TlsContext::client(options).value(),
                                              buffers);
    stream->engine().expect_host("db.example");
    f.server->serve(std::move(pair.right));
  }
  ring::Task<void> run(std::string text) {
    auto shaking = stream->handshake();
    Result<void> shaken = co_await shaking;
    REQUIRE(shaken);
    net::Send send(*stream, text);
    Result<void> sent = co_await send;
    CHECK(sent);
    for (;;) {
      net::Receive receive(*stream);
      Result<net::Chunk> chunk = co_await receive;
      if (!chunk || chunk->bytes().empty()) break;
      heard += chunk->bytes();
    }
    has_ended = true;
  }
  net::TlsBuffers buffers;
  std::unique_ptr<net::TlsStream> stream;
  std::string heard;
  bool has_ended = false;
};

const net::TlsKeyPair& keys() {
  static net::TlsKeyPair made = net::make_development_certificate("db.example", 10).value();
  return made;
}

std::shared_ptr<const net::TlsContext> server_context() {
  net::TlsServerOptions options;
  options.certificate_pem = keys().certificate_pem;
  options.key_pem = keys().key_pem;
  return net::TlsContext::server(options).value();
}

}  // namespace

TEST_CASE("over TLS a stream goes out whole, and ends when its peer leaves or the server stops") {
  for (bool leaves : {true, false}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      CAPTURE(leaves);
      CAPTURE(seed);
      WebFixture f(seed);
      f.router.add({"GET", "/tick", "", {}, "Tick."}, Handler(tick));
      f.server->use_tls(server_context());
      TlsClient client(f, keys(), 100 * seed);
      ring::spawn(client.run(get("/tick")));
      f.network.run();
      CHECK(client.heard.ends_with("\n29999\n\r\n"));
      CHECK(f.server->connections() == 1);
      CHECK(f.counters.tls_handshakes == 1);
      bool stopped = false;
      if (leaves) client.stream->shutdown();
      else f.server->stop(5'000, [&] { stopped = true; });
      f.network.run();
      if (!leaves) {
        CHECK(dechunked(body_of(client.heard)));
        client.stream->shutdown();
        f.network.run();
        CHECK(stopped);
      }
      CHECK(client.has_ended);
      CHECK(f.server->connections() == 0);
    }
  }
}

TEST_CASE("over TLS another protocol has the connection behind 101, with what was read ahead") {
  WebFixture f;
  f.router.add({"GET", "/shout", "", {}, "Shout."}, Handler(offer));
  f.server->use_tls(server_context());
  TlsClient client(f, keys(), 50);
  ring::spawn(client.run(get("/shout", "Connection: Upgrade\r\nUpgrade: shout\r\n") + "ahead of all!"));
  f.network.run();
  CHECK(body_of(client.heard) == "AHEAD OF ALL!");
  CHECK(client.has_ended);
  CHECK(f.server->connections() == 0);
}

TEST_CASE("over TLS a handshake that fails is counted by its reason, and ends the connection") {
  WebFixture f;
  f.server->use_tls(server_context());
  Client& plain = f.connect(get("/healthz"));
  CHECK(has(plain.heard, "HTTPS only"));
  CHECK(f.counters.tls_failures[static_cast<size_t>(net::TlsFailure::protocol)] == 1);
  Client& broken = f.connect(std::string("\x16\x03\x01\x00\x05", 5) + "xxxxx");
  broken.stream->shutdown_write();
  f.network.run();
  CHECK(broken.has_ended);
  Client& leaving = f.connect(std::string("\x16\x03\x01", 3));
  leaving.stream->shutdown();
  f.network.run();
  CHECK(f.counters.tls_failures[static_cast<size_t>(net::TlsFailure::closed)] == 1);
  CHECK(f.counters.tls_handshakes == 0);
  // The one that was told is listened to for a moment.
  f.pass_ms(1'000);
  CHECK(f.server->connections() == 0);
}
