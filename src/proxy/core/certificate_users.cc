#include "ringfence/proxy/core/certificate_users.h"

#include <algorithm>

namespace ringfence::proxy {

std::vector<std::string> names_of(const net::TlsPeerNames& certificate, model::CertificateName kind) {
  switch (kind) {
    case model::CertificateName::cn: return {certificate.cn};
    case model::CertificateName::dn: return {certificate.dn};
    case model::CertificateName::dns: return certificate.dns;
    case model::CertificateName::email: return certificate.emails;
    case model::CertificateName::uri: return certificate.uris;
  }
  return {};
}

std::vector<std::string> users_of(const net::TlsPeerNames& certificate, const model::Listener& listener) {
  std::vector<std::string> out;
  const auto add = [&out](const std::string& user) {
    if (std::find(out.begin(), out.end(), user) == out.end()) out.push_back(user);
  };
  for (const std::string& name : names_of(certificate, listener.certificate_name)) {
    if (name.empty()) continue;
    bool is_mapped = false;
    for (const auto& [mapped, user] : listener.certificate_users) {
      if (mapped != name) continue;
      is_mapped = true;
      add(user);
    }
    if (!is_mapped) add(name);
  }
  return out;
}

}  // namespace ringfence::proxy
