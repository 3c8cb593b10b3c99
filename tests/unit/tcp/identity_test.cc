// Who a client of a raw TCP listener is.
#include <doctest/doctest.h>

#include "proxy/tcp/tcp_identity.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

struct Rules {
  Rules() {
    snapshot.users["ada"].name = "ada";
    snapshot.users["bob"].name = "bob";
    listener.protocol = "tcp";
    listener.tls = ListenerTls::off;
  }
  TcpIdentity of(const char* address, const net::TlsPeerNames* certificate = nullptr) {
    listener.client_networks = ClientNetworks(listener);
    return identify(snapshot, listener, {place_of(address), certificate});
  }
  // The user, or why there is none.
  std::string who(const char* address, const net::TlsPeerNames* certificate = nullptr) {
    const TcpIdentity found = of(address, certificate);
    return found.refusal.empty() ? found.user : "- " + found.refusal;
  }
  Snapshot snapshot;
  Listener listener;
};

}  // namespace

TEST_CASE("the narrowest network that has the address names the user") {
  Rules rules;
  rules.listener.network_users = {
      {"10.0.0.0/8", "ada"}, {"10.1.0.0/16", "bob"}, {"10.1.2.3", "nobody"}, {"::1", "bob"}};
  CHECK(rules.who("10.2.0.1:77") == "ada");
  CHECK(rules.who("10.1.0.1:77") == "bob");
  CHECK(rules.who("10.1.2.3:77") == "- no such user");
  CHECK(rules.who("[::1]:77") == "bob");
  CHECK(rules.who("[::ffff:10.1.0.1]:77") == "bob");
  CHECK(rules.who("11.0.0.1:77") == "- no rule of network_users has the address");
  CHECK(rules.who("unix:") == "- no rule of network_users has the address");
  CHECK(rules.of("10.2.0.1:77").method == "network");
}

TEST_CASE("a client of a Unix socket has no address, and an address is no Unix socket") {
  Rules rules;
  rules.listener.network_users = {{"unix", "ada"}};
  CHECK(rules.who("unix:") == "ada");
  CHECK(rules.who("unix:/run/x") == "ada");
  CHECK(rules.who("127.0.0.1:1") == "- no rule of network_users has the address");
  rules.listener.networks = {"127.0.0.0/8"};
  CHECK(rules.who("unix:") == "- the address is in none of the listener's networks");
  rules.listener.networks = {"unix"};
  CHECK(rules.who("unix:") == "ada");
  CHECK(rules.who("127.0.0.1:1") == "- the address is in none of the listener's networks");
  CHECK(rules.who("[fe80::1%eth0]:1") == "- the address is in none of the listener's networks");
}

TEST_CASE("who has hung up before anybody asked is nobody") {
  Rules rules;
  rules.listener.network_users = {{"unix", "ada"}, {"0.0.0.0/0", "bob"}};
  for (const char* peer : {"unknown", "", "unknown:1", "[]:1"}) {
    CAPTURE(peer);
    CHECK(rules.who(peer) == "- the address is in none of the listener's networks");
  }
}

TEST_CASE("who is in none of the networks is nobody, with a certificate too") {
  Rules rules;
  rules.listener.tls = ListenerTls::verify;
  rules.listener.networks = {"10.0.0.0/8"};
  net::TlsPeerNames certificate;
  certificate.cn = "ada";
  CHECK(rules.who("10.0.0.1:1", &certificate) == "ada");
  CHECK(rules.who("11.0.0.1:1", &certificate) == "- the address is in none of the listener's networks");
}

TEST_CASE("a certificate has the word, and a network does not make up for one") {
  Rules rules;
  rules.listener.tls = ListenerTls::require;
  rules.listener.network_users = {{"10.0.0.0/8", "bob"}};
  rules.listener.certificate_users = {
      {"robot", "ada"}, {"two", "ada"}, {"two", "bob"}, {"bob", "ada"}, {"gone", "eve"}};
  net::TlsPeerNames certificate;
  certificate.dn = "CN=x";
  const auto with = [&](const char* cn) {
    certificate.cn = cn;
    return rules.who("10.0.0.1:1", &certificate);
  };
  CHECK(with("ada") == "ada");
  CHECK(with("robot") == "ada");
  CHECK(with("bob") == "ada");  // The name is mapped, so that it is no longer its own.
  CHECK(with("two") == "- the certificate \"CN=x\" names several users, and the client cannot say which");
  CHECK(with("gone") == "- the certificate \"CN=x\" names no user");
  CHECK(with("stranger") == "- the certificate \"CN=x\" names no user");
  CHECK(with("") == "- the certificate \"CN=x\" names no user");
  CHECK(rules.of("10.0.0.1:1", &certificate).method == "certificate");
  CHECK(rules.who("10.0.0.1:1") == "bob");
  rules.listener.tls = ListenerTls::verify;
  CHECK(rules.who("10.0.0.1:1") == "- no certificate was shown");
}

TEST_CASE("one of several names of a certificate is enough, if it is the only user's") {
  Rules rules;
  rules.listener.tls = ListenerTls::verify;
  rules.listener.certificate_name = CertificateName::dns;
  net::TlsPeerNames certificate;
  certificate.cn = "bob";
  certificate.dns = {"host.example", "ada", "ada"};
  CHECK(rules.who("10.0.0.1:1", &certificate) == "ada");
  certificate.dns.push_back("bob");
  CHECK(rules.who("10.0.0.1:1", &certificate).starts_with("- the certificate"));
}
