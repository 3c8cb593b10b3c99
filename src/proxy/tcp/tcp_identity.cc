#include "tcp_identity.h"

#include <utility>
#include <vector>

#include "ringfence/proxy/core/certificate_users.h"

namespace ringfence::proxy {

namespace {

TcpIdentity by_certificate(const Snapshot& snapshot, const Listener& listener,
                           const net::TlsPeerNames& certificate) {
  TcpIdentity out{{}, "certificate", {}};
  std::vector<std::string> known;
  for (std::string& user : users_of(certificate, listener)) {
    if (snapshot.find_user(user) != nullptr) known.push_back(std::move(user));
  }
  const std::string shown = "the certificate \"" + certificate.dn + "\"";
  if (known.empty()) out.refusal = shown + " names no user";
  else if (known.size() > 1) out.refusal = shown + " names several users, and the client cannot say which";
  else out.user = std::move(known.front());
  return out;
}

}  // namespace

TcpIdentity identify(const Snapshot& snapshot, const Listener& listener, const TcpClient& client) {
  TcpIdentity out;
  if (!listener.client_networks.admits(client.place)) {
    out.method = "network";
    out.refusal = "the address is in none of the listener's networks";
    return out;
  }
  if (client.certificate != nullptr) return by_certificate(snapshot, listener, *client.certificate);
  out.method = "network";
  if (listener.tls == ListenerTls::verify) {
    out.refusal = "no certificate was shown";
    return out;
  }
  const std::string* user = listener.client_networks.user_of(client.place);
  if (user == nullptr) {
    out.refusal = "no rule of network_users has the address";
    return out;
  }
  out.user = *user;
  if (snapshot.find_user(*user) == nullptr) out.refusal = "no such user";
  return out;
}

}  // namespace ringfence::proxy
