#include "ringfence/model/listener.h"

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

}  // namespace

Defects defects(const Listener& listener) {
  Defects out;
  add_defect(out, "name", check_given(listener.name, [](std::string_view name) {
               return check_simple_name(name, name_bytes_max);
             }));
  if (name_of(std::string_view(listener.protocol), listener_protocols).empty())
    out.push_back({"protocol", "is \"" + listener.protocol + "\"; use postgres"});
  add_place(out, listener);
  each_number(listener, [&out](const char* key, uint64_t value, const Range& range) {
    add_defect(out, key, check_number(value, range));
  });
  add_tls(out, listener);
  return out;
}

}  // namespace ringfence::model
