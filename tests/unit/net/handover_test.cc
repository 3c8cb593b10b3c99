// Keys that leave an engine are those of its next record: records made with them here are read by OpenSSL's
// own end.
#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include "record_maker.h"
#include "tls_fixture.h"

using namespace tls_test;

namespace {

// An engine of ours and libssl's own object on the other side, over memory.
class Pair {
 public:
  Pair(bool engine_is_server, const char* suite, bool with_tickets, int version = TLS1_3_VERSION)
      : context_(SSL_CTX_new(engine_is_server ? TLS_client_method() : TLS_server_method())) {
    if (suite != nullptr) SSL_CTX_set_ciphersuites(context_, suite);
    SSL_CTX_set_max_proto_version(context_, version);
    KernelTlsUse use{7, false};
    if (engine_is_server) {
      TlsServerOptions options = server_options();
      options.kernel = use;
      engine = std::make_unique<TlsEngine>(TlsContext::server(std::move(options)).value(), sink);
      if (with_tickets) engine->use_ticket_keys(TlsTicketKeys::rotate(nullptr).value());
    } else {
      TlsClientOptions options = client_options();
      options.kernel = use;
      engine = std::make_unique<TlsEngine>(TlsContext::client(std::move(options)).value(), sink);
      engine->expect_host("db.example");
      show_certificate();
    }
    ssl = SSL_new(context_);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (engine_is_server) SSL_set_connect_state(ssl);
    else SSL_set_accept_state(ssl);
    for (int i = 0; i < 10 && !(SSL_is_init_finished(ssl) && engine->is_established()); ++i) turn();
    turn();
  }
  ~Pair() {
    engine.reset();
    SSL_free(ssl);
    SSL_CTX_free(context_);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  // What libssl wants sent reaches the engine, and the other way round.
  void turn() {
    if (!SSL_is_init_finished(ssl)) SSL_do_handshake(ssl);
    char* data = nullptr;
    long size = BIO_get_mem_data(SSL_get_wbio(ssl), &data);
    std::string in(data, static_cast<size_t>(size));
    (void)BIO_reset(SSL_get_wbio(ssl));
    engine->give(in);
    char buffer[256];
    size_t got = 0;
    last = engine->is_established() ? engine->read(buffer, sizeof buffer, got) : engine->handshake();
    heard.append(buffer, got);
    deliver();
  }
  void deliver() {
    BIO_write(SSL_get_rbio(ssl), sink.bytes.data(), static_cast<int>(sink.bytes.size()));
    sink.bytes.clear();
  }
  std::string read() {
    char buffer[64 * 1024];
    std::string out;
    int got = 0;
    while ((got = SSL_read(ssl, buffer, sizeof buffer)) > 0) out.append(buffer, static_cast<size_t>(got));
    error = SSL_get_error(ssl, got);
    return out;
  }

  Collector sink;
  std::unique_ptr<TlsEngine> engine;
  SSL* ssl = nullptr;
  TlsEngine::Step last = TlsEngine::Step::wants_input;
  std::string heard;
  int error = 0;

 private:
  void show_certificate() {
    BIO* certificate = BIO_new_mem_buf(key_pair().certificate_pem.data(), -1);
    BIO* key = BIO_new_mem_buf(key_pair().key_pem.data(), -1);
    X509* one = PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr);
    EVP_PKEY* other = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
    REQUIRE(SSL_CTX_use_certificate(context_, one) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(context_, other) == 1);
    X509_free(one);
    EVP_PKEY_free(other);
    BIO_free(certificate);
    BIO_free(key);
  }
  SSL_CTX* context_;
};

}  // namespace

TEST_CASE(
    "with the keys and the number that an engine hands over its stream goes on, whatever was sent before") {
  for (bool is_server : {true, false}) {
    for (unsigned i = 0; i < 3; ++i) {
      for (bool with_tickets : {true, false}) {
        for (int said : {0, 1, 5}) {
          CAPTURE(is_server);
          CAPTURE(suites[i]);
          CAPTURE(with_tickets);
          CAPTURE(said);
          Pair pair(is_server, suites[i], with_tickets);
          REQUIRE(pair.engine->is_established());
          REQUIRE(pair.engine->may_leave_sending());
          for (int n = 0; n < said; ++n)
            REQUIRE(pair.engine->write(std::string(20'000, 'a')) == TlsEngine::Step::done);
          pair.deliver();
          CHECK(pair.read().size() == static_cast<size_t>(said) * 20'000);
          TlsSendingKeys keys;
          REQUIRE(pair.engine->sending_keys(keys));
          CHECK(keys.suite == 0x1301 + i);
          CHECK(keys.sequence == static_cast<uint64_t>(2 * said) + (is_server && with_tickets ? 1 : 0));
          pair.engine->leave_sending();
          CHECK_FALSE(pair.engine->may_leave_sending());
          RecordMaker maker(keys);
          pair.sink.bytes = maker.make(23, "one");
          pair.sink.bytes += maker.make(23, "two");
          pair.deliver();
          CHECK(pair.read() == "onetwo");
          // The other direction is the engine's as before.
          REQUIRE(SSL_write(pair.ssl, "back", 4) == 4);
          pair.turn();
          CHECK(pair.heard == "back");
        }
      }
    }
  }
}

TEST_CASE(
    "an engine that has left sending gives alerts to its sink in the clear, and nothing that is encrypted") {
  Pair pair(true, suites[0], true);
  TlsSendingKeys keys;
  REQUIRE(pair.engine->sending_keys(keys));
  pair.engine->leave_sending();
  pair.engine->close();
  CHECK(pair.sink.bytes.empty());
  CHECK(pair.sink.alerts == std::string("\x01\x00", 2));  // warning, close_notify
  RecordMaker maker(keys);
  pair.sink.bytes = maker.make(21, pair.sink.alerts);
  pair.deliver();
  CHECK(pair.read().empty());
  CHECK(pair.error == SSL_ERROR_ZERO_RETURN);
  // What breaks TLS is answered the same way.
  Pair broken(true, suites[0], true);
  REQUIRE(broken.engine->sending_keys(keys));
  broken.engine->leave_sending();
  broken.engine->give(ByteView("\x17\x03\x03\x00\x13nineteen bytes here", 24));
  char buffer[100];
  size_t got = 0;
  CHECK(broken.engine->read(buffer, sizeof buffer, got) == TlsEngine::Step::failed);
  CHECK(broken.sink.bytes.empty());
  CHECK(broken.sink.alerts == std::string("\x02\x14", 2));  // fatal, bad_record_mac
}

TEST_CASE("a peer that asks for new keys after that ends the connection, with a reason and an alert") {
  Pair pair(true, suites[0], true);
  TlsSendingKeys keys;
  REQUIRE(pair.engine->sending_keys(keys));
  pair.engine->leave_sending();
  // New keys of its own alone are no matter.
  REQUIRE(SSL_key_update(pair.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
  REQUIRE(SSL_write(pair.ssl, "x", 1) == 1);
  pair.turn();
  CHECK(pair.heard == "x");
  REQUIRE(SSL_key_update(pair.ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
  REQUIRE(SSL_do_handshake(pair.ssl) == 1);
  pair.turn();
  CHECK(pair.last == TlsEngine::Step::failed);
  CHECK(pair.engine->failure() == TlsFailure::key_update);
  CHECK(pair.sink.bytes.empty());
  CHECK(pair.sink.alerts == std::string("\x02\x50", 2));  // fatal, internal_error
}

TEST_CASE("keys that were changed, or are about to be, are not handed over") {
  Pair pair(true, suites[0], true);
  TlsSendingKeys keys;
  REQUIRE(SSL_key_update(pair.ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
  REQUIRE(SSL_write(pair.ssl, "x", 1) == 1);
  pair.turn();
  CHECK_FALSE(pair.engine->sending_keys(keys));
  REQUIRE(pair.engine->write("y") == TlsEngine::Step::done);
  pair.deliver();
  CHECK(pair.read() == "y");
  CHECK_FALSE(pair.engine->sending_keys(keys));
}

TEST_CASE("where the context does not allow it, in TLS 1.2, and after close_notify nothing is handed over") {
  TlsSendingKeys keys;
  Collector sink;
  TlsEngine plain(server_context(), sink);
  CHECK_FALSE(plain.may_leave_sending());
  CHECK_FALSE(plain.sending_keys(keys));
  Pair older(true, nullptr, true, TLS1_2_VERSION);
  REQUIRE(older.engine->is_established());
  CHECK_FALSE(older.engine->may_leave_sending());
  Pair closed(true, suites[0], true);
  closed.engine->close();
  CHECK_FALSE(closed.engine->sending_keys(keys));
}
