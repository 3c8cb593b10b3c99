#include "config_tls.h"

#include "config_files.h"
#include "config_rules.h"
#include "ringfence/base/utf8.h"
#include "tls_files.h"

namespace ringfence::app {

namespace {

constexpr size_t certificate_users_max = 10'000;

// A file by its full path; where it stood is told to whoever wants to complain.
struct Named {
  std::string path;
  std::optional<Origin> origin;
  bool is_given() const { return origin.has_value(); }
};

Named read_file_name(Section& section, std::string_view key, bool is_key) {
  Named out;
  auto found = section.scalar(key);
  if (!found) return out;
  out.origin = found->origin;
  if (found->text.empty()) {
    section.context().error(found->origin, "is empty; name a file or remove the key");
    return out;
  }
  bool is_credential = false;
  out.path = locate_file(section.context(), found->text, &is_credential);
  if (is_key && !is_credential && is_open_to_others(out.path)) {
    section.context().warning(found->origin,
                              out.path + " can be read by others than its owner; chmod 600 it");
  }
  return out;
}

// A certificate comes with its key. Nothing when neither is given.
std::optional<Origin> read_pair(Section& section, std::string_view certificate_key, std::string_view key_key,
                                TlsFiles& files) {
  Named certificate = read_file_name(section, certificate_key, false);
  Named key = read_file_name(section, key_key, true);
  if (certificate.is_given() != key.is_given()) {
    std::string other(certificate.is_given() ? key_key : certificate_key);
    section.context().error(certificate.is_given() ? *certificate.origin : *key.origin,
                            "stands without " + other + "; add it");
    return std::nullopt;
  }
  if (!certificate.is_given()) return std::nullopt;
  files.certificate = certificate.path;
  files.key = key.path;
  return certificate.origin;
}

const net::TlsKeyPair& stand_in() {
  static const net::TlsKeyPair made = net::make_development_certificate("", 1).value_or(net::TlsKeyPair{});
  return made;
}

std::string cannot_be_used(const Error& error) { return "cannot be used: " + error.message; }

}  // namespace

void read_tls(Section& root, TlsFiles& files, KernelTlsMode& kernel) {
  Section section = root.section("tls");
  section.choice<KernelTlsMode>(
      "kernel", kernel,
      {{"auto", KernelTlsMode::streams}, {"always", KernelTlsMode::always}, {"off", KernelTlsMode::off}});
  if (auto where = read_pair(section, "certificate_file", "key_file", files)) {
    auto loaded = load_server_tls(files, false, net::alpn_postgresql, nullptr);
    if (!loaded) section.context().error(*where, cannot_be_used(loaded.error()));
  }
  section.finish();
}

void read_listener_tls(Section& section, const TlsFiles& defaults, ListenerConfig& listener) {
  using proxy::CertificateLogin;
  using proxy::CertificateName;
  using proxy::ListenerTls;
  ReadContext& context = section.context();
  bool is_unix = !listener.path.empty();
  if (is_unix) listener.tls = ListenerTls::off;
  section.choice<ListenerTls>("tls", listener.tls,
                              {{"off", ListenerTls::off},
                               {"prefer", ListenerTls::prefer},
                               {"require", ListenerTls::require},
                               {"verify", ListenerTls::verify}});
  if (is_unix && listener.tls != ListenerTls::off) {
    section.error(
        "tls",
        "has no meaning beside a path: what passes a Unix socket does not leave the machine; remove it");
  }
  TlsFiles own;
  auto where = read_pair(section, "tls_certificate_file", "tls_key_file", own);
  Named ca = read_file_name(section, "tls_client_ca_file", false);
  Named crl = read_file_name(section, "tls_crl_file", false);
  section.choice<CertificateName>("tls_client_name", listener.certificate_name,
                                  {{"cn", CertificateName::cn},
                                   {"dn", CertificateName::dn},
                                   {"dns", CertificateName::dns},
                                   {"email", CertificateName::email},
                                   {"uri", CertificateName::uri}});
  section.choice<CertificateLogin>("tls_client_login", listener.certificate_login,
                                   {{"password", CertificateLogin::password},
                                    {"certificate_and_password", CertificateLogin::certificate_and_password},
                                    {"certificate", CertificateLogin::certificate}});
  for (Section& entry : section.list("tls_client_users", certificate_users_max)) {
    std::string certificate, user;
    entry.text("certificate", certificate);
    if (certificate.empty())
      entry.error("certificate", "is missing; give the name that stands in the certificate");
    entry.text("user", user);
    if (std::string wrong = check_identifier(user); !wrong.empty()) entry.error("user", wrong);
    entry.finish();
    listener.certificate_users.emplace_back(std::move(certificate), std::move(user));
  }
  listener.tls_files = own.certificate.empty() ? TlsFiles{defaults.certificate, defaults.key, "", ""} : own;
  listener.tls_files.ca = ca.path;
  listener.tls_files.crl = crl.path;
  if (listener.tls == ListenerTls::off) {
    for (std::string_view key : {"tls_certificate_file", "tls_client_ca_file", "tls_crl_file",
                                 "tls_client_name", "tls_client_login", "tls_client_users"}) {
      if (section.has(key)) section.error(key, "has no meaning while tls is off; set tls or remove it");
    }
    return;
  }
  if (!ca.is_given()) {
    for (std::string_view key : {"tls_crl_file", "tls_client_name", "tls_client_login", "tls_client_users"}) {
      if (section.has(key))
        section.error(key, "has no meaning without tls_client_ca_file; add it or remove this");
    }
    if (listener.tls == ListenerTls::verify) {
      section.error("tls", "is verify, which checks clients' certificates; add tls_client_ca_file");
      return;
    }
  }
  bool is_required = listener.tls == ListenerTls::verify;
  if (!where && !ca.is_given()) return;  // Nothing of its own to go wrong.
  if (!ca.origin && !where) return;
  auto loaded = load_server_tls(listener.tls_files, is_required, net::alpn_postgresql, &stand_in());
  if (!loaded) context.error(where ? *where : *ca.origin, cannot_be_used(loaded.error()));
}

void read_admin_tls(Section& section, const TlsFiles& defaults, AdminConfig& admin) {
  // The token is worth protecting wherever it leaves the machine.
  admin.tls = !is_loopback(admin.address);
  section.choice<bool>("tls", admin.tls, {{"off", false}, {"require", true}});
  auto where = read_pair(section, "tls_certificate_file", "tls_key_file", admin.tls_files);
  if (admin.tls_files.certificate.empty())
    admin.tls_files = TlsFiles{defaults.certificate, defaults.key, "", ""};
  if (!where) return;
  if (!admin.tls) {
    section.error("tls_certificate_file",
                  "has no meaning while admin.tls is off; set admin.tls or remove it");
    return;
  }
  auto loaded = load_server_tls(admin.tls_files, false, net::alpn_http, nullptr);
  if (!loaded) section.context().error(*where, cannot_be_used(loaded.error()));
}

void read_target_tls(Section& section, TargetConfig& target) {
  using proxy::ChannelBinding;
  using proxy::SslMode;
  ReadContext& context = section.context();
  section.choice<SslMode>("sslmode", target.sslmode,
                          {{"disable", SslMode::disable},
                           {"allow", SslMode::allow},
                           {"prefer", SslMode::prefer},
                           {"require", SslMode::require},
                           {"verify-ca", SslMode::verify_ca},
                           {"verify-full", SslMode::verify_full}});
  section.choice<ChannelBinding>("channel_binding", target.channel_binding,
                                 {{"disable", ChannelBinding::disable},
                                  {"prefer", ChannelBinding::prefer},
                                  {"require", ChannelBinding::require}});
  auto where = read_pair(section, "sslcert", "sslkey", target.tls_files);
  Named ca;
  if (auto root = section.scalar("sslrootcert"); root && root->text == "system")
    ca = {"system", root->origin};
  else ca = read_file_name(section, "sslrootcert", false);
  Named crl = read_file_name(section, "sslcrl", false);
  target.tls_files.ca = ca.path;
  target.tls_files.crl = crl.path;
  if (target.sslmode == SslMode::disable) {
    if (target.channel_binding == ChannelBinding::require) {
      section.error("channel_binding",
                    "is require, which needs TLS, and sslmode is disable; change one of them");
    }
    for (std::string_view key : {"sslcert", "sslrootcert", "sslcrl"}) {
      if (section.has(key))
        section.error(key, "has no meaning while sslmode is disable; change sslmode or remove it");
    }
    return;
  }
  if (target.sslmode >= SslMode::verify_ca && !ca.is_given()) {
    section.error(
        "sslmode",
        "checks the server's certificate, so it needs sslrootcert: a file of CA certificates, or system");
    return;
  }
  if (ca.path == "system" && target.sslmode != SslMode::verify_full) {
    context.error(
        *ca.origin,
        "is system, which means little unless the host's name is checked too; use sslmode verify-full");
    return;
  }
  if (crl.is_given() && !ca.is_given()) {
    context.error(*crl.origin, "has no meaning without sslrootcert; add it or remove this");
    return;
  }
  if (!where && !ca.is_given()) return;
  auto loaded = load_client_tls(target.tls_files, target.sslmode);
  if (!loaded) context.error(where ? *where : *ca.origin, cannot_be_used(loaded.error()));
}

}  // namespace ringfence::app
