#include "config_tls.h"

#include <algorithm>

#include "config_files.h"
#include "ringfence/model/text_rules.h"
#include "tls_files.h"

namespace ringfence::app {

namespace {

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

// A certificate and its key. Where the certificate's name stands; nothing when it is not given.
std::optional<Origin> read_pair(Section& section, std::string_view certificate_key, std::string_view key_key,
                                TlsFiles& files) {
  Named certificate = read_file_name(section, certificate_key, false);
  Named key = read_file_name(section, key_key, true);
  files.certificate = certificate.path;
  files.key = key.path;
  return certificate.origin;
}

// The same where nobody else says that one stands without the other: then nothing is given.
std::optional<Origin> read_whole_pair(Section& section, std::string_view certificate_key,
                                      std::string_view key_key, TlsFiles& files) {
  auto where = read_pair(section, certificate_key, key_key, files);
  if (files.certificate.empty() == files.key.empty()) return where;
  const bool is_keyless = files.key.empty();
  section.error(is_keyless ? certificate_key : key_key,
                "stands without " + std::string(is_keyless ? key_key : certificate_key) + "; add it");
  files = {};
  return std::nullopt;
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
  if (auto where = read_whole_pair(section, "certificate_file", "key_file", files)) {
    auto loaded = load_server_tls(files, false, net::alpn_postgresql, nullptr);
    if (!loaded) section.context().error(*where, cannot_be_used(loaded.error()));
  }
  section.finish();
}

void read_listener_tls(Section& section, const TlsFiles& defaults, model::Listener& listener) {
  section.choice("tls", listener.tls, model::listener_tls_names);
  TlsFiles& files = listener.tls_files;
  read_pair(section, "tls_certificate_file", "tls_key_file", files);
  const bool has_own = !files.certificate.empty() || !files.key.empty();
  if (!has_own) files = {defaults.certificate, defaults.key, "", ""};
  files.ca = read_file_name(section, "tls_client_ca_file", false).path;
  files.crl = read_file_name(section, "tls_crl_file", false).path;
  section.choice("tls_client_name", listener.certificate_name, model::certificate_names);
  section.choice("tls_client_login", listener.certificate_login, model::certificate_login_names);
  for (Section& entry : section.list("tls_client_users", model::Listener::certificate_users_max)) {
    auto& [certificate, user] = listener.certificate_users.emplace_back();
    entry.text("certificate", certificate);
    entry.text("user", user);
    entry.finish();
  }
  // Whether a default was written down the value does not show.
  const bool is_off = listener.tls == model::ListenerTls::off;
  if (is_off && section.has("tls_certificate_file"))
    section.error("tls_certificate_file", std::string(model::needs_tls));
  if (!is_off && !files.ca.empty()) return;
  for (std::string_view key : {"tls_client_name", "tls_client_login"}) {
    if (section.has(key)) section.error(key, std::string(is_off ? model::needs_tls : model::needs_client_ca));
  }
}

void read_admin_tls(Section& section, const TlsFiles& defaults, AdminConfig& admin) {
  // The token is worth protecting wherever it leaves the machine.
  admin.tls = !model::is_loopback(admin.address);
  section.choice<bool>("tls", admin.tls, {{"off", false}, {"require", true}});
  auto where = read_whole_pair(section, "tls_certificate_file", "tls_key_file", admin.tls_files);
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

void read_target_tls(Section& section, model::PgTarget& target) {
  section.choice("sslmode", target.sslmode, model::ssl_mode_names);
  section.choice("channel_binding", target.channel_binding, model::channel_binding_names);
  read_pair(section, "sslcert", "sslkey", target.tls_files);
  if (auto root = section.scalar("sslrootcert"); root && root->text == "system")
    target.tls_files.ca = "system";
  else target.tls_files.ca = read_file_name(section, "sslrootcert", false).path;
  target.tls_files.crl = read_file_name(section, "sslcrl", false).path;
}

namespace {

// Whether the model has nothing against the keys about TLS.
bool fits_together(const model::Defects& defects) {
  return std::none_of(defects.begin(), defects.end(), [](const model::Defect& defect) {
    return defect.path.starts_with("tls") || defect.path.starts_with("ssl") ||
           defect.path == "channel_binding";
  });
}

}  // namespace

void check_tls_files(const Config& config, Places& places, ReadContext& context) {
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    const model::Listener& listener = config.listeners[i];
    const std::string path = model::path_of("listeners", i);
    const bool has_own = places.is_written(path + ".tls_certificate_file");
    if (listener.tls == model::ListenerTls::off || (!has_own && listener.tls_files.ca.empty()) ||
        !fits_together(model::defects(listener)))
      continue;
    const bool is_required = listener.tls == model::ListenerTls::verify;
    auto loaded = load_server_tls(listener.tls_files, is_required, net::alpn_postgresql, &stand_in());
    if (loaded) continue;
    context.error(places.of(path + (has_own ? ".tls_certificate_file" : ".tls_client_ca_file")),
                  cannot_be_used(loaded.error()));
  }
  for (size_t i = 0; i < config.targets.size(); ++i) {
    const model::PgTarget& target = config.targets[i];
    const std::string path = model::path_of("targets", i);
    const bool has_own = !target.tls_files.certificate.empty();
    if (target.sslmode == model::SslMode::disable || (!has_own && target.tls_files.ca.empty()) ||
        !fits_together(model::defects(target)))
      continue;
    auto loaded = load_client_tls(target.tls_files, target.sslmode);
    if (loaded) continue;
    context.error(places.of(path + (has_own ? ".sslcert" : ".sslrootcert")), cannot_be_used(loaded.error()));
  }
}

}  // namespace ringfence::app
