// Certificates for tests, made on the spot, and two TLS streams over a pair in memory.
#pragma once

#include <string>

#include "ringfence/net/memory_stream.h"
#include "ringfence/net/tls.h"
#include "ringfence/net/tls_stream.h"

namespace tls_test {

using namespace ringfence;
using namespace ringfence::net;

inline constexpr const char* suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                         "TLS_CHACHA20_POLY1305_SHA256"};

// What an engine wants sent.
struct Collector final : TlsSink {
  void take(ByteView ciphertext, bool) override { bytes.append(ciphertext); }
  void take_alert(ByteView alert) override { alerts.append(alert); }
  std::string bytes;
  std::string alerts;
};

inline const TlsKeyPair& key_pair() {
  static TlsKeyPair made = make_development_certificate("db.example", 10).value();
  return made;
}
inline TlsServerOptions server_options() {
  TlsServerOptions out;
  out.certificate_pem = key_pair().certificate_pem;
  out.key_pem = key_pair().key_pem;
  out.alpn = {std::string(alpn_postgresql)};
  return out;
}
inline std::shared_ptr<const TlsContext> server_context() {
  return TlsContext::server(server_options()).value();
}
inline TlsClientOptions client_options() {
  TlsClientOptions out;
  out.ca_pem = key_pair().certificate_pem;
  out.verify_host = true;
  return out;
}
inline std::shared_ptr<const TlsContext> client_context() {
  return TlsContext::client(client_options()).value();
}

struct Side {
  std::unique_ptr<TlsStream> tls;
  Result<void> shaken = fail(Fault::timeout, "not over");
  bool is_over = false;
  std::string got;
  int error = 0;
  bool has_ended = false;
  bool was_sent = false;
};

inline ring::Task<void> shake(Side* side, std::string first = {}) {
  auto shaking = side->tls->handshake(std::move(first));
  Result<void> done = co_await shaking;
  side->shaken = std::move(done);
  side->is_over = true;
}
inline ring::Task<void> pour(Side* side, std::string bytes) {
  Send sending(*side->tls, bytes);
  Result<void> sent = co_await sending;
  side->was_sent = sent.has_value();
}
inline ring::Task<void> listen_to(Side* side) {
  for (;;) {
    Receive receive(*side->tls);
    Result<Chunk> chunk = co_await receive;
    if (!chunk) side->error = chunk.error().errno_value;
    if (!chunk || chunk->bytes().empty()) break;
    side->got.append(chunk->bytes());
  }
  side->has_ended = true;
}

// A client and a server whose ciphertext comes in pieces of at most `piece_max`.
struct Link {
  Link(uint64_t seed, size_t piece_max, std::shared_ptr<const TlsContext> client_side,
       std::shared_ptr<const TlsContext> server_side, const std::string& host = "db.example")
      : network(seed) {
    auto pair = network.make_pair(piece_max);
    client.tls = std::make_unique<TlsStream>(std::move(pair.left), std::move(client_side), buffers);
    server.tls = std::make_unique<TlsStream>(std::move(pair.right), std::move(server_side), buffers);
    client.tls->engine().expect_host(host);
  }
  ~Link() {
    client.tls->shutdown();
    server.tls->shutdown();
    network.run();
  }
  void shake_hands() {
    ring::spawn(shake(&client));
    ring::spawn(shake(&server));
    network.run();
  }
  bool is_established() const { return client.shaken.has_value() && server.shaken.has_value(); }

  MemoryNetwork network;
  TlsBuffers buffers;
  Side client;
  Side server;
};

}  // namespace tls_test
