#include "tls_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "config_files.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::app {

namespace {

// A bundle of all public CAs has 250 KiB; a revocation list of a large organisation some megabytes.
constexpr size_t pem_bytes_max = 16 * 1024 * 1024;
constexpr uint32_t development_days = 825;

Result<void> read_into(std::string& out, const std::string& path) {
  if (path.empty()) return {};
  auto text = read_small_file(path, pem_bytes_max);
  if (!text) return unexpected(std::move(text).error());
  out = std::move(*text);
  if (out.empty()) return fail(Fault::malformed, path + " is empty");
  return {};
}

// A target of the store has the certificates themselves, where one of the configuration has a path.
bool is_text(const std::string& ca) { return ca.find("-----BEGIN ") != std::string::npos; }

// Written beside its place and moved there, so that nobody ever reads half of it.
Result<void> write_private(const std::string& path, const std::string& text) {
  std::string unfinished = path + ".new";
  ::unlink(unfinished.c_str());
  int fd = ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(errno, "create " + unfinished);
  ssize_t written = ::write(fd, text.data(), text.size());
  int synced = ::fsync(fd);
  ::close(fd);
  if (written != static_cast<ssize_t>(text.size()) || synced != 0)
    return fail_errno(errno, "write " + unfinished);
  if (::rename(unfinished.c_str(), path.c_str()) != 0) return fail_errno(errno, "rename " + unfinished);
  return {};
}

}  // namespace

std::string_view alpn_of(const model::Listener& listener) {
  return listener.is_tcp() ? std::string_view() : net::alpn_postgresql;
}

Result<std::shared_ptr<const net::TlsContext>> load_server_tls(const TlsFiles& files,
                                                               bool client_certificate_required,
                                                               std::string_view alpn,
                                                               const net::TlsKeyPair* development,
                                                               net::KernelTlsUse kernel) {
  net::TlsServerOptions options;
  options.kernel = kernel;
  options.client_certificate_required = client_certificate_required;
  if (!alpn.empty()) options.alpn = {std::string(alpn)};
  if (files.certificate.empty()) {
    if (development == nullptr) return fail(Fault::internal, "no certificate");
    options.certificate_pem = development->certificate_pem;
    options.key_pem = development->key_pem;
  }
  for (auto read :
       {read_into(options.certificate_pem, files.certificate), read_into(options.key_pem, files.key),
        read_into(options.client_ca_pem, files.ca), read_into(options.crl_pem, files.crl)}) {
    if (!read) return unexpected(std::move(read).error());
  }
  return net::TlsContext::server(std::move(options));
}

Result<std::shared_ptr<const net::TlsContext>> load_client_tls(const TlsFiles& files, model::SslMode mode,
                                                               net::KernelTlsUse kernel) {
  net::TlsClientOptions options;
  options.kernel = kernel;
  // PostgreSQL 17 and newer want it for direct TLS; older ones do not look at it.
  options.alpn = {std::string(net::alpn_postgresql)};
  options.system_ca = files.ca == "system";
  options.verify_host = mode == model::SslMode::verify_full;
  if (is_text(files.ca)) options.ca_pem = files.ca;
  for (auto read :
       {read_into(options.certificate_pem, files.certificate), read_into(options.key_pem, files.key),
        options.system_ca || is_text(files.ca) ? Result<void>{} : read_into(options.ca_pem, files.ca),
        read_into(options.crl_pem, files.crl)}) {
    if (!read) return unexpected(std::move(read).error());
  }
  if (mode >= model::SslMode::verify_ca && files.ca.empty())
    return fail(Fault::internal, "no CA to verify by");
  return net::TlsContext::client(std::move(options));
}

std::vector<FileVersion> versions_of(const std::vector<std::string>& paths) {
  std::vector<FileVersion> out;
  for (const std::string& path : paths) {
    FileVersion version{path};
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0) {
      version.device = status.st_dev;
      version.inode = status.st_ino;
      version.size = static_cast<uint64_t>(status.st_size);
      version.changed_ns = static_cast<uint64_t>(status.st_ctim.tv_sec) * 1'000'000'000 +
                           static_cast<uint64_t>(status.st_ctim.tv_nsec);
    }
    out.push_back(std::move(version));
  }
  return out;
}

Result<DevelopmentCertificate> development_certificate(const std::string& state_dir, const std::string& host,
                                                       uint64_t now_s) {
  const std::string certificate_path = state_dir + "/development.crt";
  const std::string key_path = state_dir + "/development.key";
  DevelopmentCertificate out;
  if (::access(certificate_path.c_str(), F_OK) == 0 && ::access(key_path.c_str(), F_OK) == 0) {
    for (auto read :
         {read_into(out.pair.certificate_pem, certificate_path), read_into(out.pair.key_pem, key_path)}) {
      if (!read) return unexpected(std::move(read).error());
    }
    auto facts = net::read_certificate(out.pair.certificate_pem);
    if (!facts) {
      return fail(Fault::malformed,
                  certificate_path + " is damaged; remove it and development.key to have new ones made");
    }
    out.facts = std::move(*facts);
    if (out.facts.not_after_s > now_s) return out;
  }
  auto made = net::make_development_certificate(host, development_days);
  if (!made) return unexpected(std::move(made).error());
  out.pair = std::move(*made);
  out.is_new = true;
  // The certificate last: while it is missing, both are made anew.
  ::unlink(certificate_path.c_str());
  if (auto written = write_private(key_path, out.pair.key_pem); !written)
    return unexpected(std::move(written).error());
  if (auto written = write_private(certificate_path, out.pair.certificate_pem); !written) {
    return unexpected(std::move(written).error());
  }
  auto facts = net::read_certificate(out.pair.certificate_pem);
  if (!facts) return unexpected(std::move(facts).error());
  out.facts = std::move(*facts);
  return out;
}

}  // namespace ringfence::app
