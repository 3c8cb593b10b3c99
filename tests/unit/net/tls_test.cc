// TLS over streams in memory: every split of the bytes, every way to end, every way to go wrong.
#include <doctest/doctest.h>

#include <cerrno>
#include <random>

#include "noise.h"
#include "tls_fixture.h"

using namespace tls_test;
using net_test::noise;

namespace {

// Two engines by hand: no streams between them.
struct Engines {
  Engines(std::shared_ptr<const TlsContext> client_side, std::shared_ptr<const TlsContext> server_side)
      : client(std::move(client_side), to_server), server(std::move(server_side), to_client) {
    client.expect_host("db.example");
  }
  // Carries what waits, until neither has anything to say.
  bool shake_hands() {
    for (int i = 0; i < 20 && !(client.is_established() && server.is_established()); ++i) {
      step(client, to_client.bytes, client_input);
      step(server, to_server.bytes, server_input);
    }
    return client.is_established() && server.is_established();
  }
  static void step(TlsEngine& engine, std::string& from, std::string& keep) {
    if (!engine.has_input() && !from.empty()) {
      keep = std::exchange(from, {});
      engine.give(keep);
    }
    if (!engine.is_established()) engine.handshake();
  }
  std::string read(TlsEngine& engine, std::string& from, std::string& keep, TlsEngine::Step& last) {
    if (!engine.has_input() && !from.empty()) {
      keep = std::exchange(from, {});
      engine.give(keep);
    }
    std::string out;
    char buffer[1000];
    size_t got = 0;
    while ((last = engine.read(buffer, sizeof buffer, got)) == TlsEngine::Step::done) out.append(buffer, got);
    return out;
  }
  Collector to_server, to_client;
  std::string client_input, server_input;
  TlsEngine client;
  TlsEngine server;
};

}  // namespace

TEST_CASE("bytes arrive whole and in order in both directions, however the ciphertext is cut") {
  std::string up = noise(200'000, 1);
  std::string down = noise(70'000, 2);
  for (uint64_t seed = 0; seed < 24; ++seed) {
    CAPTURE(seed);
    size_t pieces[] = {1, 7, 100, 5'000, 0};
    Link link(seed, pieces[seed % 5], client_context(), server_context());
    link.shake_hands();
    REQUIRE(link.is_established());
    ring::spawn(listen_to(&link.server));
    ring::spawn(listen_to(&link.client));
    ring::spawn(pour(&link.client, seed % 5 == 0 ? up.substr(0, 20'000) : up));
    ring::spawn(pour(&link.server, seed % 5 == 0 ? down.substr(0, 20'000) : down));
    link.network.run();
    CHECK(link.server.got == (seed % 5 == 0 ? up.substr(0, 20'000) : up));
    CHECK(link.client.got == (seed % 5 == 0 ? down.substr(0, 20'000) : down));
    CHECK(link.client.was_sent);
    CHECK(link.server.was_sent);
  }
}

TEST_CASE("a connection is TLS 1.3 and says what was agreed on") {
  Link link(1, 0, client_context(), server_context());
  link.shake_hands();
  REQUIRE(link.is_established());
  CHECK(link.server.tls->engine().version() == "TLSv1.3");
  CHECK(link.server.tls->engine().cipher() == "TLS_AES_128_GCM_SHA256");
  CHECK(link.server.tls->engine().alpn().empty());
  CHECK_FALSE(link.server.tls->engine().is_resumed());
  CHECK_FALSE(link.server.tls->engine().has_peer_certificate());
  CHECK(link.client.tls->engine().peer_names().cn == "db.example");
}

TEST_CASE("ALPN: a name in common is agreed on, none in common is refused with an alert") {
  TlsClientOptions options = client_options();
  options.alpn = {"h2", "postgresql"};
  {
    Link link(1, 3, TlsContext::client(options).value(), server_context());
    link.shake_hands();
    REQUIRE(link.is_established());
    CHECK(link.server.tls->engine().alpn() == "postgresql");
    CHECK(link.client.tls->engine().alpn() == "postgresql");
  }
  options.alpn = {"h2"};
  Link link(1, 0, TlsContext::client(options).value(), server_context());
  link.shake_hands();
  REQUIRE(link.server.is_over);
  CHECK_FALSE(link.server.shaken);
  CHECK(link.server.tls->engine().failure() == TlsFailure::alpn);
  CHECK(link.client.tls->engine().failure() == TlsFailure::refused_by_peer);
}

TEST_CASE("an end with close_notify is the end; one without is an error") {
  for (bool is_orderly : {true, false}) {
    CAPTURE(is_orderly);
    Link link(3, 5, client_context(), server_context());
    link.shake_hands();
    REQUIRE(link.is_established());
    ring::spawn(pour(&link.client, "last words"));
    link.network.run();
    if (is_orderly) link.client.tls->shutdown_write();
    else link.client.tls->inner().shutdown_write();
    ring::spawn(listen_to(&link.server));
    link.network.run();
    CHECK(link.server.got == "last words");
    REQUIRE(link.server.has_ended);
    CHECK(link.server.error == (is_orderly ? 0 : ECONNRESET));
    // The other direction goes on.
    if (!is_orderly) continue;
    ring::spawn(listen_to(&link.client));
    ring::spawn(pour(&link.server, "answer"));
    link.network.run();
    CHECK(link.client.got == "answer");
  }
}

TEST_CASE(
    "a connection that ends in the middle of a record is an error, and nothing of that record is given") {
  Engines pair(client_context(), server_context());
  REQUIRE(pair.shake_hands());
  pair.to_server.bytes.clear();
  pair.client.write("secret that was cut");
  std::string whole = pair.to_server.bytes;
  MemoryNetwork network(1);
  TlsEngine::Step last{};
  pair.to_server.bytes = whole.substr(0, whole.size() - 1);
  CHECK(pair.read(pair.server, pair.to_server.bytes, pair.server_input, last).empty());
  CHECK(last == TlsEngine::Step::wants_input);
  pair.to_server.bytes = whole.substr(whole.size() - 1);
  CHECK(pair.read(pair.server, pair.to_server.bytes, pair.server_input, last) == "secret that was cut");
}

TEST_CASE("a changed byte anywhere in a record ends the connection with an error and gives nothing") {
  for (size_t at = 0; at < 40; at += 3) {
    CAPTURE(at);
    Engines pair(client_context(), server_context());
    REQUIRE(pair.shake_hands());
    pair.to_server.bytes.clear();
    pair.client.write("0123456789 0123456789");
    REQUIRE(at < pair.to_server.bytes.size());
    pair.to_server.bytes[at] = static_cast<char>(pair.to_server.bytes[at] ^ 1);
    // Behind a longer length the record waits for bytes that never come.
    pair.to_server.bytes += noise(300, at);
    TlsEngine::Step last{};
    CHECK(pair.read(pair.server, pair.to_server.bytes, pair.server_input, last).empty());
    CHECK(last == TlsEngine::Step::failed);
    CHECK(pair.server.failure() == TlsFailure::protocol);
    CHECK(pair.server.write("more") == TlsEngine::Step::failed);
  }
}

TEST_CASE("bytes that are no TLS end the handshake, whatever they are") {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    MemoryNetwork network(seed);
    TlsBuffers buffers;
    auto pair = network.make_pair(seed % 3 == 0 ? 1 : 0);
    Side server;
    server.tls = std::make_unique<TlsStream>(std::move(pair.right), server_context(), buffers);
    ring::spawn(shake(&server));
    std::string bytes = seed == 0 ? "GET / HTTP/1.1\r\nHost: x\r\n\r\n" : noise(400, seed);
    if (seed % 2 == 1)
      bytes = std::string("\x16\x03\x01\x01\x00", 5) + bytes;  // Looks like a handshake record.
    auto write = [](Stream* stream, std::string what) -> ring::Task<void> {
      Send sending(*stream, what);
      Result<void> sent = co_await sending;
      stream->shutdown_write();
    };
    ring::spawn(write(pair.left.get(), bytes));
    network.run();
    REQUIRE(server.is_over);
    CHECK_FALSE(server.shaken);
    pair.left->shutdown();
    server.tls->shutdown();
    network.run();
  }
}

TEST_CASE("a handshake that never goes on ends when the stream is shut down") {
  Link link(1, 0, client_context(), server_context());
  ring::spawn(shake(&link.server));
  link.network.run();
  CHECK_FALSE(link.server.is_over);
  link.server.tls->shutdown();  // As a deadline does.
  link.network.run();
  REQUIRE(link.server.is_over);
  CHECK_FALSE(link.server.shaken);
}

TEST_CASE("a handshake that was begun with bytes received before goes on where they end") {
  Engines talker(client_context(), server_context());
  Engines::step(talker.client, talker.to_client.bytes, talker.client_input);
  std::string hello = talker.to_server.bytes;
  for (size_t cut : {size_t{1}, size_t{5}, hello.size()}) {
    CAPTURE(cut);
    MemoryNetwork network(1);
    TlsBuffers buffers;
    auto pair = network.make_pair(0);
    Side server;
    server.tls = std::make_unique<TlsStream>(std::move(pair.right), server_context(), buffers);
    auto write = [](Stream* stream, std::string what) -> ring::Task<void> {
      Send sending(*stream, what);
      Result<void> sent = co_await sending;
    };
    ring::spawn(shake(&server, hello.substr(0, cut)));
    ring::spawn(write(pair.left.get(), hello.substr(cut)));
    network.run();
    // The server has answered with its flight and waits for the client's.
    Receive receive(*pair.left);
    receive.start();
    network.run();
    Result<Chunk> chunk = receive.await_resume();
    REQUIRE(chunk);
    CHECK(chunk->bytes().size() > 500);
    CHECK_FALSE(server.is_over);
    chunk->reset();
    pair.left->shutdown();
    server.tls->shutdown();
    network.run();
  }
}

TEST_CASE("cancelling a receive ends it, gives back nothing twice, and the stream goes on") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    Link link(seed, 3, client_context(), server_context());
    link.shake_hands();
    REQUIRE(link.is_established());
    // Tickets are read off first.
    {
      Receive receive(*link.client.tls);
      receive.start();
      link.network.run();
      REQUIRE_FALSE(receive.await_ready());
      link.client.tls->cancel_receive();
      link.network.run();
      REQUIRE(receive.await_ready());
      Result<Chunk> chunk = receive.await_resume();
      REQUIRE_FALSE(chunk);
      CHECK(chunk.error().errno_value == ECANCELED);
    }
    // In the middle of a record.
    std::string got;
    Receive receive(*link.client.tls);
    receive.start();
    ring::spawn(pour(&link.server, "a record that comes in pieces"));
    for (uint64_t i = 0; i < seed; ++i) link.network.step();
    if (!receive.await_ready()) link.client.tls->cancel_receive();
    link.network.run();
    REQUIRE(receive.await_ready());
    Result<Chunk> chunk = receive.await_resume();
    if (chunk) {
      got = chunk->bytes();
      chunk->reset();
    }
    ring::spawn(listen_to(&link.client));
    link.network.run();
    link.server.tls->shutdown_write();
    link.network.run();
    CHECK(got + link.client.got == "a record that comes in pieces");
  }
}

TEST_CASE("a peer that does not read makes a send wait, and gets all of it in the end") {
  Link link(5, 0, client_context(), server_context());
  link.shake_hands();
  REQUIRE(link.is_established());
  std::string much = noise(1'000'000, 9);
  ring::spawn(pour(&link.server, much));
  ring::spawn(listen_to(&link.client));
  link.network.run(100'000);
  CHECK(link.client.got == much);
}

TEST_CASE("a session is resumed with a ticket, under the current key and the one before, and not after") {
  // By hand, because clients of ours never resume.
  auto first = TlsTicketKeys::rotate(nullptr).value();
  auto second = TlsTicketKeys::rotate(first.get()).value();
  auto third = TlsTicketKeys::rotate(second.get()).value();
  CHECK(first->current().cipher != second->current().cipher);
  CHECK(second->previous()->cipher == first->current().cipher);
  CHECK(third->previous()->cipher == second->current().cipher);
  CHECK(server_context()->gives_tickets());
  TlsServerOptions options = server_options();
  options.client_ca_pem = key_pair().certificate_pem;
  CHECK_FALSE(TlsContext::server(options).value()->gives_tickets());
}

TEST_CASE("a client certificate is asked for, required and told by its names") {
  TlsKeyPair person = make_development_certificate("alice", 10).value();
  TlsServerOptions asked = server_options();
  asked.client_ca_pem = person.certificate_pem;
  asked.client_certificate_required = true;
  TlsClientOptions with = client_options();
  with.certificate_pem = person.certificate_pem;
  with.key_pem = person.key_pem;
  SUBCASE("none where one is required") {
    Link link(1, 0, client_context(), TlsContext::server(asked).value());
    link.shake_hands();
    CHECK_FALSE(link.server.shaken);
    CHECK(link.server.tls->engine().failure() == TlsFailure::no_certificate);
  }
  SUBCASE("none where one is welcome") {
    asked.client_certificate_required = false;
    Link link(1, 0, client_context(), TlsContext::server(asked).value());
    link.shake_hands();
    REQUIRE(link.is_established());
    CHECK_FALSE(link.server.tls->engine().has_peer_certificate());
  }
  SUBCASE("a stranger's") {
    TlsKeyPair stranger = make_development_certificate("alice", 10).value();
    with.certificate_pem = stranger.certificate_pem;
    with.key_pem = stranger.key_pem;
    Link link(1, 0, TlsContext::client(with).value(), TlsContext::server(asked).value());
    link.shake_hands();
    CHECK_FALSE(link.server.shaken);
    CHECK(link.server.shaken.error().fault == Fault::denied);
  }
}

TEST_CASE("a server's certificate is checked: another host's, a stranger's") {
  {
    Link link(1, 0, client_context(), server_context(), "other.example");
    link.shake_hands();
    CHECK_FALSE(link.client.shaken);
    CHECK(link.client.tls->engine().failure() == TlsFailure::host_name);
    CHECK(link.client.shaken.error().fault == Fault::denied);
  }
  TlsClientOptions options = client_options();
  options.ca_pem = make_development_certificate("db.example", 10).value().certificate_pem;
  Link link(1, 0, TlsContext::client(options).value(), server_context());
  link.shake_hands();
  CHECK_FALSE(link.client.shaken);
  CHECK(link.client.shaken.error().fault == Fault::denied);
  options = client_options();
  options.ca_pem.clear();
  options.verify_host = false;
  Link lenient(1, 0, TlsContext::client(options).value(), server_context(), "other.example");
  lenient.shake_hands();
  CHECK(lenient.is_established());
}

TEST_CASE("both sides know the same bytes to bind a channel to: the certificate's hash") {
  Link link(1, 0, client_context(), server_context());
  link.shake_hands();
  REQUIRE(link.is_established());
  std::string hash = link.server.tls->engine().endpoint_hash();
  CHECK(hash.size() == 32);
  CHECK(link.client.tls->engine().endpoint_hash() == hash);
}

TEST_CASE("buffers are held while their bytes are, and a waiting connection holds none") {
  TlsBuffers buffers;
  std::vector<TlsBuffers::Buffer> taken;
  for (int i = 0; i < 300; ++i) taken.push_back(buffers.take());
  CHECK(buffers.are_scarce());
  for (auto& buffer : taken) buffers.release(buffer.id);
  CHECK_FALSE(buffers.are_scarce());
  CHECK(buffers.take().bytes != nullptr);
}

TEST_CASE("host names match as libpq has it") {
  TlsPeerNames names;
  names.cn = "cn.example";
  CHECK(matches_host(names, "cn.example"));
  CHECK(matches_host(names, "CN.Example"));
  CHECK_FALSE(matches_host(names, "cn.example.org"));
  names.dns = {"db.example", "*.pool.example"};
  CHECK(matches_host(names, "db.example"));
  CHECK(matches_host(names, "a.pool.example"));
  CHECK(matches_host(names, "A.POOL.example"));
  CHECK_FALSE(matches_host(names, "a.b.pool.example"));
  CHECK_FALSE(matches_host(names, "pool.example"));
  CHECK_FALSE(matches_host(names, ".pool.example.x"));
  CHECK_FALSE(matches_host(names, "cn.example"));  // DNS names are there, so the common name does not count.
  names.cn = "10.0.0.1";
  CHECK(matches_host(names, "10.0.0.1"));  // An address, and no IP names: the common name counts.
  names.ips = {std::string("\x0a\0\0\x02", 4)};
  CHECK(matches_host(names, "10.0.0.2"));
  CHECK_FALSE(matches_host(names, "10.0.0.1"));
  names.ips = {std::string("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16)};
  CHECK(matches_host(names, "::1"));
  CHECK_FALSE(matches_host(TlsPeerNames{}, ""));
  TlsPeerNames wild;
  wild.dns = {"*", "*.", "*.*.example", "x*.example"};
  CHECK_FALSE(matches_host(wild, "a.b.example"));
  CHECK_FALSE(matches_host(wild, "xy.example"));
}

TEST_CASE("a development certificate names this host and the loopback, and is valid") {
  TlsKeyPair made = make_development_certificate("host-1.example", 30).value();
  TlsCertificate facts = read_certificate(made.certificate_pem).value();
  CHECK(facts.subject == "CN=host-1.example");
  CHECK(facts.fingerprint.size() == 95);
  CHECK(facts.not_after_s - facts.not_before_s == 30 * 86'400 + 3'600);
  CHECK(made.key_pem.starts_with("-----BEGIN PRIVATE KEY-----"));
  TlsServerOptions options;
  options.certificate_pem = made.certificate_pem;
  options.key_pem = made.key_pem;
  auto server = TlsContext::server(options).value();
  for (const char* host : {"host-1.example", "localhost", "127.0.0.1", "::1"}) {
    CAPTURE(host);
    TlsClientOptions trusting;
    trusting.ca_pem = made.certificate_pem;
    trusting.verify_host = true;
    Link link(1, 0, TlsContext::client(trusting).value(), server, host);
    link.shake_hands();
    CHECK(link.is_established());
  }
  CHECK(read_certificate(make_development_certificate("b\nad, name", 1)->certificate_pem)->subject ==
        "CN=localhost");
}

TEST_CASE("what cannot be a context is refused with the reason") {
  TlsServerOptions options = server_options();
  options.key_pem = make_development_certificate("x", 1)->key_pem;
  CHECK(TlsContext::server(options).error().message.find("does not belong") != std::string::npos);
  options.key_pem = "nonsense";
  CHECK(TlsContext::server(options).error().message.find("private key cannot be read") != std::string::npos);
  options = server_options();
  options.certificate_pem = "nonsense";
  CHECK_FALSE(TlsContext::server(options));
  options = server_options();
  options.certificate_pem += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  CHECK_FALSE(TlsContext::server(options));
  options = server_options();
  options.client_ca_pem = "nonsense";
  CHECK_FALSE(TlsContext::server(options));
  options.client_ca_pem = key_pair().certificate_pem;
  options.crl_pem = "nonsense";
  CHECK_FALSE(TlsContext::server(options));
  options = server_options();
  options.client_certificate_required = true;
  CHECK_FALSE(TlsContext::server(options));
}
