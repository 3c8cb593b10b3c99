#include "ringfence/model/listener.h"

#include <map>

#include "ringfence/base/utf8.h"
#include "ringfence/model/network.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::model {

namespace {

constexpr size_t name_bytes_max = 64;

void add_place(Defects& out, const Listener& listener) {
  if (listener.path.empty()) {
    add_defect(out, "address", check_ip(listener.address));
    return;
  }
  add_defect(out, "path", check_socket_path(listener.path));
  if (listener.tls == ListenerTls::off) return;
  out.push_back({"tls",
                 "has no meaning beside a path: what passes a Unix socket does not leave the machine; "
                 "remove it"});
}

void add_certificate_users(Defects& out, const Listener& listener) {
  if (listener.certificate_users.size() > Listener::certificate_users_max) {
    out.push_back({"tls_client_users",
                   "has more than " + std::to_string(Listener::certificate_users_max) + " entries"});
  }
  for (size_t i = 0; i < listener.certificate_users.size(); ++i) {
    const auto& [certificate, user] = listener.certificate_users[i];
    const std::string path = path_of("tls_client_users", i);
    if (certificate.empty())
      out.push_back({path + ".certificate", "is missing; give the name that stands in the certificate"});
    add_defect(out, path + ".user", check_identifier(user));
  }
}

void add_tls(Defects& out, const Listener& listener) {
  const TlsFiles& files = listener.tls_files;
  if (!files.certificate.empty() && files.key.empty())
    out.push_back({"tls_certificate_file", "stands without tls_key_file; add it"});
  if (files.certificate.empty() && !files.key.empty())
    out.push_back({"tls_key_file", "stands without tls_certificate_file; add it"});
  add_certificate_users(out, listener);
  const bool is_off = listener.tls == ListenerTls::off;
  if (is_off && !files.ca.empty()) out.push_back({"tls_client_ca_file", std::string(needs_tls)});
  if (!is_off && !files.ca.empty()) return;
  const std::string why(is_off ? needs_tls : needs_client_ca);
  if (!files.crl.empty()) out.push_back({"tls_crl_file", why});
  if (!listener.certificate_users.empty()) out.push_back({"tls_client_users", why});
  if (listener.tls == ListenerTls::verify)
    out.push_back({"tls", "is verify, which checks clients' certificates; add tls_client_ca_file"});
}

// A Unix socket has no addresses, and an address no Unix socket.
std::string check_network_of(const Listener& listener, std::string_view text) {
  if (std::string wrong = check_network(text); !wrong.empty()) return wrong;
  const bool has_path = !listener.path.empty();
  if ((text == unix_network) == has_path) return "";
  return has_path ? "is a network, and the clients of a path have no address; use unix"
                  : "is unix, and this listener has an address; use networks";
}

void add_networks(Defects& out, const Listener& listener) {
  const std::string too_many = "has more than " + std::to_string(Listener::networks_max) + " entries";
  if (listener.networks.size() > Listener::networks_max) out.push_back({"networks", too_many});
  for (size_t i = 0; i < listener.networks.size(); ++i)
    add_defect(out, path_of("networks", i), check_network_of(listener, listener.networks[i]));
  if (listener.network_users.size() > Listener::networks_max) out.push_back({"network_users", too_many});
  std::map<Network, std::string> known;  // And the path of the first one.
  for (size_t i = 0; i < listener.network_users.size(); ++i) {
    const auto& [network, user] = listener.network_users[i];
    const std::string path = path_of("network_users", i);
    add_defect(out, path + ".network", check_given(network, [&listener](std::string_view text) {
                 return check_network_of(listener, text);
               }));
    add_defect(out, path + ".user", check_given(user, check_identifier));
    const auto parsed = network == unix_network ? Network() : Network::parse(network);
    if (!parsed) continue;
    const auto [first, is_new] = known.emplace(*parsed, path + ".network");
    if (is_new) continue;
    out.push_back({path + ".network",
                   make_valid_text(network) + " stands here for the second time, first as " + first->second +
                       "; a network is one user's",
                   first->second});
  }
}

// Of protocol tcp nothing is said before the bytes begin: no password, and no TLS that is asked for.
void add_tcp(Defects& out, const Listener& listener) {
  if (!listener.is_tcp()) {
    if (!listener.target.empty()) {
      out.push_back(
          {"target", "has no meaning with protocol postgres, whose clients name a database; remove it"});
    }
    if (!listener.networks.empty())
      out.push_back({"networks", "is looked at with protocol tcp alone; remove it"});
    if (!listener.network_users.empty()) {
      out.push_back({"network_users",
                     "has no meaning with protocol postgres, whose clients name their user; remove it"});
    }
    return;
  }
  add_defect(out, "target", check_given(listener.target, check_identifier));
  if (listener.tls == ListenerTls::prefer) {
    out.push_back(
        {"tls", "is prefer, and a client of protocol tcp cannot ask for TLS; use off, require or verify"});
  }
  const bool has_certificates = listener.tls != ListenerTls::off && !listener.tls_files.ca.empty();
  if (has_certificates && listener.certificate_login != CertificateLogin::certificate)
    out.push_back({"tls_client_login", "must be certificate with protocol tcp, which has no password"});
  if (!has_certificates && listener.network_users.empty()) {
    out.push_back(
        {"network_users",
         "is missing, so nobody can be told who he is; add it, or have certificates by tls: verify"});
  }
}

}  // namespace

Defects defects(const Listener& listener) {
  Defects out;
  add_defect(out, "name", check_given(listener.name, [](std::string_view name) {
               return check_simple_name(name, name_bytes_max);
             }));
  if (name_of(std::string_view(listener.protocol), listener_protocols).empty())
    out.push_back({"protocol", "is \"" + listener.protocol + "\"; use postgres or tcp"});
  add_place(out, listener);
  each_number(listener, [&out](const char* key, uint64_t value, const Range& range) {
    add_defect(out, key, check_number(value, range));
  });
  add_tls(out, listener);
  add_networks(out, listener);
  add_tcp(out, listener);
  return out;
}

}  // namespace ringfence::model
