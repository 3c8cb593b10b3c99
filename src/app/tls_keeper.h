// What the process has of TLS: a context for each listener, target and the admin API, the tickets' keys, and
// the files that they came from.
//
// Used by the main thread alone, but for facts(), which any thread may ask. What was once made stays in use
// until something better was made whole: a certificate that cannot be used changes nothing but the log and
// the metrics.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/config/tls_files.h"
#include "ringfence/app/config/config.h"
#include "ringfence/net/tls.h"

namespace ringfence::app {

class TlsKeeper {
 public:
  // What contexts made from now on allow the kernel.
  void allow_kernel(net::KernelTlsUse use) { kernel_ = use; }
  // Everything that the configuration wants. Fails where start-up has to fail.
  Result<void> start(const Config& config, uint64_t now_s);
  // The same for a new configuration, or for the same when files have changed. On failure all stays as it
  // was.
  Result<void> adopt(const Config& config, uint64_t now_s);
  // Now and then: looks at the files, rotates the tickets' keys. True when a snapshot should be made anew.
  bool tick(const Config& config, uint64_t now_s);

  std::shared_ptr<const net::TlsContext> listener(const std::string& name) const {
    return find(contexts_, "listener " + name);
  }
  std::shared_ptr<const net::TlsContext> target(const std::string& name) const {
    return find(contexts_, "target " + name);
  }
  std::shared_ptr<const net::TlsContext> admin() const { return find(contexts_, "admin "); }
  std::shared_ptr<const net::TlsTicketKeys> ticket_keys() const { return ticket_keys_; }

  struct CertificateFacts {
    std::string use;   // "listener", "admin", "target".
    std::string name;  // The listener's or target's.
    net::TlsCertificate certificate;
    bool is_development = false;
  };
  struct Facts {
    std::vector<CertificateFacts> certificates;
    uint64_t reloads = 0;
    uint64_t failures = 0;
    bool is_stale = false;  // The files are newer than what is in use, and cannot be used.
  };
  Facts facts() const;

 private:
  using Contexts = std::map<std::string, std::shared_ptr<const net::TlsContext>>;
  static std::shared_ptr<const net::TlsContext> find(const Contexts& contexts, const std::string& key) {
    auto found = contexts.find(key);
    return found == contexts.end() ? nullptr : found->second;
  }
  Result<Contexts> load(const Config& config);
  Result<void> need_development_certificate(const Config& config, uint64_t now_s);
  Result<void> rotate(uint64_t now_s);
  void publish(const Config& config, bool is_reload);

  net::KernelTlsUse kernel_;
  Contexts contexts_;
  std::optional<DevelopmentCertificate> development_;
  std::shared_ptr<const net::TlsTicketKeys> ticket_keys_;
  uint64_t rotated_s_ = 0;
  std::vector<FileVersion> versions_;
  mutable std::mutex mutex_;  // Of facts_.
  Facts facts_;
};

}  // namespace ringfence::app
