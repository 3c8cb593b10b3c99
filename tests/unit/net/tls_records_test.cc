// How what is written becomes records, and records sends.
#include <doctest/doctest.h>

#include "tls_fixture.h"

using namespace tls_test;

namespace {

struct Takes final : TlsSink {
  void take(ByteView ciphertext, bool more) override {
    sizes.push_back(ciphertext.size());
    mores.push_back(more);
    bytes.append(ciphertext);
  }
  void forget() {
    sizes.clear();
    mores.clear();
    bytes.clear();
  }
  std::vector<size_t> sizes;
  std::vector<bool> mores;
  std::string bytes;
};

struct RecordEngines {
  RecordEngines() {
    client.expect_host("db.example");
    for (int i = 0; i < 20 && !(client.is_established() && server.is_established()); ++i) {
      step(client, to_client);
      step(server, to_server);
    }
    REQUIRE(client.is_established());
    REQUIRE(server.is_established());
    to_client.forget();
    to_server.forget();
  }
  void step(TlsEngine& engine, Takes& from) {
    std::string bytes = from.bytes;
    from.forget();
    if (!bytes.empty()) engine.give(bytes);
    if (!engine.is_established()) engine.handshake();
  }
  Takes to_server, to_client;
  TlsEngine client{client_context(), to_server};
  TlsEngine server{server_context(), to_client};
};

// A record's header, its type and the tag (RFC 8446, section 5.2).
constexpr size_t record_overhead = 5 + 1 + 16;

}  // namespace

TEST_CASE("of the records of one write all but the last say that more follows") {
  RecordEngines engines;
  engines.server.write(std::string(65'536, 'x'));
  CHECK(engines.to_client.sizes == std::vector<size_t>(4, 16'384 + record_overhead));
  CHECK(engines.to_client.mores == std::vector<bool>{true, true, true, false});
  engines.to_client.forget();
  engines.server.write("small");
  CHECK(engines.to_client.sizes == std::vector<size_t>{5 + record_overhead});
  CHECK(engines.to_client.mores == std::vector<bool>{false});
  engines.to_client.forget();
  engines.server.write(std::string(16'385, 'x'));
  CHECK(engines.to_client.sizes == std::vector<size_t>{16'384 + record_overhead, 1 + record_overhead});
  CHECK(engines.to_client.mores == std::vector<bool>{true, false});
  engines.to_client.forget();
  engines.server.close();
  CHECK(engines.to_client.mores == std::vector<bool>{false});
}
