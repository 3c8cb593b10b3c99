// Certificates, keys and revocation lists from files to contexts, and when the files change.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ringfence/app/config/config.h"
#include "ringfence/net/tls.h"

namespace ringfence::app {

// A context and the files that it was made of. `development` is used where no certificate is configured.
Result<std::shared_ptr<const net::TlsContext>> load_server_tls(const TlsFiles& files,
                                                               bool client_certificate_required,
                                                               std::string_view alpn,
                                                               const net::TlsKeyPair* development,
                                                               net::KernelTlsUse kernel = {});
// What a target's sslmode asks for; never for `disable`.
Result<std::shared_ptr<const net::TlsContext>> load_client_tls(const TlsFiles& files, model::SslMode mode,
                                                               net::KernelTlsUse kernel = {});

// Says which version of a file stands there; different after any change, also one by renaming or a symbolic
// link.
struct FileVersion {
  std::string path;
  uint64_t device = 0, inode = 0, size = 0, changed_ns = 0;
  bool operator==(const FileVersion&) const = default;
};
std::vector<FileVersion> versions_of(const std::vector<std::string>& paths);

// The node's own certificate for development, in the state directory: made when there is none or it has
// expired.
struct DevelopmentCertificate {
  net::TlsKeyPair pair;
  net::TlsCertificate facts;
  bool is_new = false;
};
Result<DevelopmentCertificate> development_certificate(const std::string& state_dir, const std::string& host,
                                                       uint64_t now_s);

}  // namespace ringfence::app
