// Session tickets and what a client may not do, with OpenSSL's own client on the other side: ours never
// resumes.
#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include "tls_fixture.h"

using namespace tls_test;

namespace {

struct Session {
  Session() = default;
  explicit Session(SSL_SESSION* s) : session(s) {}
  Session(Session&& other) noexcept : session(std::exchange(other.session, nullptr)) {}
  Session& operator=(Session&&) = delete;
  ~Session() { SSL_SESSION_free(session); }
  SSL_SESSION* session = nullptr;
};

// A client of libssl over memory, against an engine of ours.
class Client {
 public:
  Client(std::shared_ptr<const TlsContext> context, std::shared_ptr<const TlsTicketKeys> keys, int version,
         SSL_SESSION* session)
      : server(std::move(context), from_server_), context_(SSL_CTX_new(TLS_client_method())) {
    server.use_ticket_keys(std::move(keys));
    SSL_CTX_set_max_proto_version(context_, version);
    ssl_ = SSL_new(context_);
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_);
    if (session != nullptr) SSL_set_session(ssl_, session);
    for (int i = 0; i < 10 && !(SSL_is_init_finished(ssl_) && server.is_established()); ++i) exchange();
    exchange();
  }
  ~Client() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // One turn of each side; the client reads what may be there, tickets among it.
  void exchange() {
    char buffer[100];
    if (SSL_is_init_finished(ssl_)) SSL_read(ssl_, buffer, sizeof buffer);
    else SSL_do_handshake(ssl_);
    char* data = nullptr;
    long size = BIO_get_mem_data(SSL_get_wbio(ssl_), &data);
    if (!server.has_input()) {
      to_server_.assign(data, static_cast<size_t>(size));
      (void)BIO_reset(SSL_get_wbio(ssl_));
      server.give(to_server_);
    }
    size_t got = 0;
    last = server.is_established() ? server.read(buffer, sizeof buffer, got) : server.handshake();
    BIO_write(SSL_get_rbio(ssl_), from_server_.bytes.data(), static_cast<int>(from_server_.bytes.size()));
    from_server_.bytes.clear();
  }
  bool is_resumed() const { return SSL_session_reused(ssl_) == 1 && server.is_resumed(); }
  Session session() { return Session(SSL_get1_session(ssl_)); }
  SSL* ssl() { return ssl_; }

 private:
  Collector from_server_;
  std::string to_server_;

 public:
  TlsEngine server;
  TlsEngine::Step last = TlsEngine::Step::wants_input;

 private:
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
};

}  // namespace

TEST_CASE("a ticket is good under the keys that made it and those that followed, and no longer") {
  auto first = TlsTicketKeys::rotate(nullptr).value();
  auto second = TlsTicketKeys::rotate(first.get()).value();
  auto third = TlsTicketKeys::rotate(second.get()).value();
  auto foreign = TlsTicketKeys::rotate(nullptr).value();
  auto context = server_context();
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    auto resumes_under = [&](std::shared_ptr<const TlsTicketKeys> keys) {
      Client before(context, first, version, nullptr);
      REQUIRE(before.server.is_established());
      CHECK_FALSE(before.is_resumed());
      Session kept = before.session();
      Client after(context, std::move(keys), version, kept.session);
      REQUIRE(after.server.is_established());
      return after.is_resumed();
    };
    CHECK(resumes_under(first));
    CHECK(resumes_under(second));
    CHECK_FALSE(resumes_under(third));
    CHECK_FALSE(resumes_under(foreign));
    CHECK_FALSE(resumes_under(nullptr));
  }
}

TEST_CASE("renegotiation is refused: a client that insists hangs up") {
  Client client(server_context(), nullptr, TLS1_2_VERSION, nullptr);
  REQUIRE(client.server.is_established());
  CHECK(client.server.version() == "TLSv1.2");
  SSL_renegotiate(client.ssl());
  CHECK(SSL_do_handshake(client.ssl()) != 1);
  client.exchange();
  CHECK(client.server.failure() == TlsFailure::none);  // It has answered by a warning, no_renegotiation.
  client.exchange();
  CHECK(client.server.failure() == TlsFailure::refused_by_peer);
}

TEST_CASE("no early data is offered, so none can be taken") {
  Client client(server_context(), TlsTicketKeys::rotate(nullptr).value(), TLS1_3_VERSION, nullptr);
  REQUIRE(client.server.is_established());
  Session kept = client.session();
  CHECK(SSL_SESSION_is_resumable(kept.session) == 1);
  CHECK(SSL_SESSION_get_max_early_data(kept.session) == 0);
}

TEST_CASE("a key update that the client asks for is answered with the next bytes, and both go on") {
  Client client(server_context(), nullptr, TLS1_3_VERSION, nullptr);
  REQUIRE(client.server.is_established());
  for (int i = 0; i < 5; ++i) {
    REQUIRE(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
    REQUIRE(SSL_write(client.ssl(), "x", 1) == 1);
    client.exchange();
    CHECK(client.last == TlsEngine::Step::done);
    CHECK(client.server.write("y") == TlsEngine::Step::done);
    client.exchange();
  }
  CHECK(client.server.failure() == TlsFailure::none);
}
