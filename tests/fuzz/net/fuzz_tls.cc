// The TLS engine against any bytes: as a client's first words (first byte even), or in place of records of an
// established connection (odd), in pieces whose sizes the input decides.
#include <cstdlib>

#include "ringfence/net/tls_engine.h"

using namespace ringfence;
using namespace ringfence::net;

namespace {

struct Collector final : TlsSink {
  void take(ByteView ciphertext, bool) override { bytes.append(ciphertext); }
  std::string bytes;
};

const TlsKeyPair& pair() {
  static TlsKeyPair made = make_development_certificate("", 10).value();
  return made;
}
std::shared_ptr<const TlsContext> server_context() {
  static std::shared_ptr<const TlsContext> made = [] {
    TlsServerOptions options;
    options.certificate_pem = pair().certificate_pem;
    options.key_pem = pair().key_pem;
    options.client_ca_pem = pair().certificate_pem;
    options.alpn = {"postgresql"};
    return TlsContext::server(options).value();
  }();
  return made;
}
std::shared_ptr<const TlsContext> client_context() {
  static std::shared_ptr<const TlsContext> made = TlsContext::client({}).value();
  return made;
}

void establish(TlsEngine& server, Collector& from_server) {
  Collector from_client;
  TlsEngine client(client_context(), from_client);
  std::string to_client, to_server;
  for (int i = 0; i < 10 && !server.is_established(); ++i) {
    client.handshake();
    to_server = std::exchange(from_client.bytes, {});
    server.give(to_server);
    server.handshake();
    to_client = std::exchange(from_server.bytes, {});
    if (!client.is_established()) client.give(to_client);
  }
  if (!server.is_established()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  Collector out;
  TlsEngine server(server_context(), out);
  if (data[0] % 2 == 1) establish(server, out);
  size_t piece_max = data[1] == 0 ? size : data[1];
  ByteView rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  char plaintext[512];
  bool is_over = false;
  while (!rest.empty() && !is_over) {
    std::string piece(rest.substr(0, piece_max));  // Of its own, so that a read past its end shows.
    rest.remove_prefix(piece.size());
    server.give(piece);
    while (server.has_input() && !is_over) {
      size_t got = 0;
      TlsEngine::Step step =
          server.is_established() ? server.read(plaintext, sizeof plaintext, got) : server.handshake();
      if (got > sizeof plaintext) std::abort();
      is_over = step == TlsEngine::Step::failed || step == TlsEngine::Step::ended;
      if (step == TlsEngine::Step::wants_input && server.has_input()) std::abort();
    }
  }
  server.close();
  server.write("x");
  return 0;
}
