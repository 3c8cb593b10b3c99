// Where clients connect, and what is asked of them there.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ringfence/model/defect.h"
#include "ringfence/model/number.h"
#include "ringfence/model/tls_files.h"

namespace ringfence::model {

// What a listener asks of its clients' transport. `verify` is `require` with a client certificate.
enum class ListenerTls : uint8_t { off, prefer, require, verify };
inline constexpr Named<ListenerTls> listener_tls_names[] = {{"off", ListenerTls::off},
                                                            {"prefer", ListenerTls::prefer},
                                                            {"require", ListenerTls::require},
                                                            {"verify", ListenerTls::verify}};
// What of a client's certificate names the user.
enum class CertificateName : uint8_t { cn, dn, dns, email, uri };
inline constexpr Named<CertificateName> certificate_names[] = {{"cn", CertificateName::cn},
                                                               {"dn", CertificateName::dn},
                                                               {"dns", CertificateName::dns},
                                                               {"email", CertificateName::email},
                                                               {"uri", CertificateName::uri}};
// What logs a client in that has shown a certificate.
enum class CertificateLogin : uint8_t {
  password,                  // The password alone; the certificate need only be valid.
  certificate_and_password,  // Both, and the certificate names the user.
  certificate,               // The certificate names the user: no password.
};
inline constexpr Named<CertificateLogin> certificate_login_names[] = {
    {"password", CertificateLogin::password},
    {"certificate_and_password", CertificateLogin::certificate_and_password},
    {"certificate", CertificateLogin::certificate}};

struct NetworkUser {
  std::string network;
  std::string user;
  bool operator==(const NetworkUser&) const = default;
};

struct Listener {
  static constexpr size_t networks_max = 10'000;
  static constexpr size_t certificate_users_max = 10'000;

  std::string name;
  std::string protocol = "postgres";
  std::string address = "127.0.0.1";  // An IP address; empty for a Unix socket.
  uint16_t port = 6432;               // 0: any free port.
  std::string path;                   // Of a Unix socket; empty for TCP.
  uint32_t connections_max = 0;       // 0: limits.connections_max alone.
  ListenerTls tls = ListenerTls::prefer;
  TlsFiles tls_files;
  CertificateName certificate_name = CertificateName::cn;
  CertificateLogin certificate_login = CertificateLogin::certificate_and_password;
  // Users whose certificates bear another name than theirs: the certificate's name and the user's.
  std::vector<std::pair<std::string, std::string>> certificate_users;
  // Of protocol tcp: who may connect, by networks (see check_network); empty: everybody.
  std::vector<std::string> networks;
  // The target, and who a client is that has shown no certificate. Of several networks that
  // have its address the narrowest decides.
  std::string target;
  std::vector<NetworkUser> network_users;

  bool is_tcp() const { return protocol == "tcp"; }
};
inline constexpr Named<std::string_view> listener_protocols[] = {{"postgres", "postgres"}, {"tcp", "tcp"}};

template <typename Self, typename Visit>
void each_number(Self& listener, const Visit& visit)
  requires std::is_base_of_v<Listener, std::remove_const_t<Self>>
{
  visit("port", listener.port, Range{0, 65'535});
  visit("connections_max", listener.connections_max, Range{0, 1'000'000});
}

// Why a key about TLS has no meaning.
inline constexpr std::string_view needs_tls = "has no meaning while tls is off; set tls or remove it";
inline constexpr std::string_view needs_client_ca =
    "has no meaning without tls_client_ca_file; add it or remove this";

Defects defects(const Listener& listener);

}  // namespace ringfence::model
