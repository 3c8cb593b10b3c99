#include "tls_keeper.h"

#include <unistd.h>

#include <algorithm>

#include "ringfence/base/log.h"

namespace ringfence::app {

namespace {

bool uses_tls(const model::Listener& listener) { return listener.tls != model::ListenerTls::off; }
bool uses_tls(const model::PgTarget& target) { return target.sslmode != model::SslMode::disable; }

bool needs_development_certificate(const Config& config) {
  bool needs = config.admin.tls && config.admin.tls_files.certificate.empty();
  for (const model::Listener& listener : config.listeners) {
    needs = needs || (uses_tls(listener) && listener.tls_files.certificate.empty());
  }
  return needs;
}

std::vector<std::string> files_of(const Config& config) {
  std::vector<std::string> out;
  auto add = [&out](const TlsFiles& files) {
    for (const std::string& path : {files.certificate, files.key, files.ca, files.crl}) {
      if (!path.empty() && path != "system") out.push_back(path);
    }
  };
  for (const model::Listener& listener : config.listeners) {
    if (uses_tls(listener)) add(listener.tls_files);
  }
  if (config.admin.tls) add(config.admin.tls_files);
  for (const model::PgTarget& target : config.targets) {
    if (uses_tls(target)) add(target.tls_files);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

}  // namespace

Result<void> TlsKeeper::need_development_certificate(const Config& config, uint64_t now_s) {
  if (!needs_development_certificate(config)) return {};
  if (development_ && development_->facts.not_after_s > now_s) return {};
  auto made = development_certificate(config.state_dir, host_name(), now_s);
  if (!made) return unexpected(std::move(made).error().in("development certificate"));
  development_ = std::move(*made);
  log_info(development_->is_new
               ? "made a certificate for development; give tls.certificate_file one that clients can check"
               : "using the certificate for development",
           {{"sha256", development_->facts.fingerprint},
            {"file", config.state_dir + "/development.crt"},
            {"subject", development_->facts.subject}});
  return {};
}

Result<TlsKeeper::Contexts> TlsKeeper::load(const Config& config) {
  Contexts out;
  const net::TlsKeyPair* development = development_ ? &development_->pair : nullptr;
  for (const model::Listener& listener : config.listeners) {
    if (!uses_tls(listener)) continue;
    bool is_required = listener.tls == model::ListenerTls::verify;
    auto made = load_server_tls(listener.tls_files, is_required, net::alpn_postgresql, development, kernel_);
    if (!made) return unexpected(std::move(made).error().in("TLS of listener " + listener.name));
    out["listener " + listener.name] = std::move(*made);
  }
  if (config.admin.tls) {
    auto made = load_server_tls(config.admin.tls_files, false, net::alpn_http, development, kernel_);
    if (!made) return unexpected(std::move(made).error().in("TLS of the admin API"));
    out["admin "] = std::move(*made);
  }
  // Most targets ask for the same, and a context with many CAs is large.
  std::vector<std::pair<const model::PgTarget*, std::shared_ptr<const net::TlsContext>>> known;
  for (const model::PgTarget& target : config.targets) {
    if (!uses_tls(target)) continue;
    auto same = std::find_if(known.begin(), known.end(), [&](const auto& entry) {
      bool is_full = target.sslmode == model::SslMode::verify_full;
      return entry.first->tls_files == target.tls_files &&
             (entry.first->sslmode == model::SslMode::verify_full) == is_full;
    });
    if (same == known.end()) {
      auto made = load_client_tls(target.tls_files, target.sslmode, kernel_);
      if (!made) return unexpected(std::move(made).error().in("TLS of target " + target.name));
      same = known.insert(known.end(), {&target, std::move(*made)});
    }
    out["target " + target.name] = same->second;
  }
  return out;
}

Result<void> TlsKeeper::start(const Config& config, uint64_t now_s) {
  if (auto rotated = rotate(now_s); !rotated) return rotated;
  return adopt(config, now_s);
}

Result<void> TlsKeeper::adopt(const Config& config, uint64_t now_s) {
  // Looked at before they are read: a change in between is found the next time.
  std::vector<FileVersion> versions = versions_of(files_of(config));
  if (auto made = need_development_certificate(config, now_s); !made) return made;
  bool is_first = versions_.empty() && contexts_.empty();
  versions_ = std::move(versions);
  auto loaded = load(config);
  if (!loaded) {
    std::lock_guard lock(mutex_);
    ++facts_.failures;
    facts_.is_stale = true;
    return unexpected(std::move(loaded).error());
  }
  contexts_ = std::move(*loaded);
  publish(config, !is_first);
  return {};
}

bool TlsKeeper::tick(const Config& config, uint64_t now_s) {
  bool changed = false;
  if (now_s >= rotated_s_ + net::tls_session_s) {
    auto rotated = rotate(now_s);
    if (rotated) changed = true;
    else log_error("the keys of TLS session tickets were not rotated", {{"reason", rotated.error().message}});
  }
  if (versions_of(files_of(config)) == versions_) return changed;
  auto adopted = adopt(config, now_s);
  if (!adopted) {
    log_error("certificates have changed and cannot be used; those in use stay",
              {{"reason", adopted.error().message}});
    return changed;
  }
  log_info("certificates reloaded");
  return true;
}

Result<void> TlsKeeper::rotate(uint64_t now_s) {
  auto keys = net::TlsTicketKeys::rotate(ticket_keys_.get());
  if (!keys) return unexpected(std::move(keys).error());
  ticket_keys_ = std::move(*keys);
  rotated_s_ = now_s;
  return {};
}

void TlsKeeper::publish(const Config& config, bool is_reload) {
  std::vector<CertificateFacts> certificates;
  auto add = [&](std::string use, const std::string& name,
                 const std::shared_ptr<const net::TlsContext>& context, const TlsFiles& files) {
    if (!context || !context->certificate()) return;
    bool is_development = use != "target" && files.certificate.empty();
    certificates.push_back({std::move(use), name, *context->certificate(), is_development});
  };
  for (const model::Listener& one : config.listeners)
    add("listener", one.name, listener(one.name), one.tls_files);
  add("admin", "admin", admin(), config.admin.tls_files);
  for (const model::PgTarget& one : config.targets) add("target", one.name, target(one.name), one.tls_files);
  std::lock_guard lock(mutex_);
  facts_.certificates = std::move(certificates);
  facts_.is_stale = false;
  if (is_reload) ++facts_.reloads;
}

TlsKeeper::Facts TlsKeeper::facts() const {
  std::lock_guard lock(mutex_);
  return facts_;
}

}  // namespace ringfence::app
