// What TLS needs before a connection exists: certificates, keys, trust and the rules of the handshake, as one
// immutable TlsContext that all shards share; and what is known of a connection afterwards, as values.
//
// What always holds: TLS 1.2 is the oldest version, renegotiation, compression and early data are off, and a
// context that could not be made whole is not made at all. Contexts are built from text in memory; who reads
// the files knows where they are. Building one costs milliseconds and belongs on no shard's thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace ringfence::net {

// ALPN's names of what we speak (IANA, "TLS Application-Layer Protocol Negotiation Protocol IDs").
inline constexpr std::string_view alpn_postgresql = "postgresql";
inline constexpr std::string_view alpn_http = "http/1.1";

// Why a handshake, or a connection after it, failed.
enum class TlsFailure : uint8_t {
  none,
  closed,          // The peer left in the middle.
  timeout,         // Counted by who set the deadline.
  protocol,        // The bytes are not TLS, or break it.
  version,         // No version in common.
  cipher,          // No cipher in common.
  alpn,            // No application protocol in common, or none where one is needed.
  early_bytes,     // Plaintext stood behind the request for TLS (CVE-2021-23214, CVE-2021-23222).
  no_certificate,  // The peer showed none where one is required.
  untrusted,       // Issued by nobody whom we trust: unknown issuer, self-signed.
  expired,         // Or not valid yet.
  revoked,
  host_name,        // The certificate is another host's.
  certificate,      // Wrong in another way: signature, purpose, missing CRL.
  refused_by_peer,  // It sent an alert.
  key_update,       // The peer wants new keys from us while the kernel encrypts, which cannot change them.
  internal,
};
inline constexpr size_t tls_failures = static_cast<size_t>(TlsFailure::internal) + 1;
std::string_view name(TlsFailure failure);

// Keys of session tickets (RFC 5077, RFC 8446 section 4.6.1): tickets are made under the current one, those
// made under the previous one are still taken, and older ones are forgotten together with their keys, which
// is what bounds how long a stolen key can open recorded traffic.
class TlsTicketKeys {
 public:
  // `previous` is null at the start.
  static Result<std::shared_ptr<const TlsTicketKeys>> rotate(const TlsTicketKeys* previous);
  ~TlsTicketKeys();

  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{};
    std::array<unsigned char, 32> mac{};
  };
  const Key& current() const { return current_; }
  const Key* previous() const { return previous_ ? &*previous_ : nullptr; }

 private:
  Key current_;
  std::optional<Key> previous_;
};

// How long a session may be resumed; keys are rotated no faster than this, so a ticket lives once or twice as
// long.
inline constexpr uint32_t tls_session_s = 3'600;

// Whether the kernel may encrypt what is sent; net/kernel_tls.h finds out.
struct KernelTlsUse {
  uint8_t suites =
      0;  // A bit for each of TLS 1.3's suites, from TLS_AES_128_GCM_SHA256 (0x1301) on; 0: it may not.
  bool at_once = false;  // From the first byte; otherwise from when a connection has shown to be a stream.
};

// Connections with TLS, and how many of them the kernel encrypts for. One thread writes, any reads.
struct TlsLegs {
  std::atomic<uint64_t> open{0};
  std::atomic<uint64_t> kernel_sends{0};  // Of those.
  std::atomic<uint64_t> kernel_sends_total{0};
  std::atomic<uint64_t> kernel_refused{0};       // The kernel would not; this process went on.
  std::atomic<uint64_t> key_updates_refused{0};  // TlsFailure::key_update.
};

struct TlsServerOptions {
  std::string certificate_pem;  // Ours first, then those of its issuers.
  std::string key_pem;
  std::string client_ca_pem;  // Whom clients' certificates are checked against; empty: none is asked for.
  std::string crl_pem;        // Needs client_ca_pem; every issuer of a chain needs a list in it.
  bool client_certificate_required = false;
  std::vector<std::string>
      alpn;  // A client that names protocols must name one of these; empty: not looked at.
  KernelTlsUse kernel;
};

struct TlsClientOptions {
  std::string ca_pem;  // Empty, and no system_ca: the server's certificate is not checked.
  bool system_ca = false;
  std::string crl_pem;
  bool verify_host = false;
  std::string certificate_pem;  // Ours; empty: none.
  std::string key_pem;
  std::vector<std::string> alpn;
  KernelTlsUse kernel;
};

struct TlsCertificate {
  std::string subject;      // RFC 2253.
  std::string fingerprint;  // SHA-256 of the whole: "AB:CD:…".
  uint64_t not_before_s = 0;
  uint64_t not_after_s = 0;  // Unix time.
};
// Of the first certificate in the text.
Result<TlsCertificate> read_certificate(std::string_view pem);

class TlsContext {
 public:
  static Result<std::shared_ptr<const TlsContext>> server(TlsServerOptions options);
  static Result<std::shared_ptr<const TlsContext>> client(TlsClientOptions options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  bool is_server() const { return is_server_; }
  bool verifies_host() const { return verify_host_; }
  // Tickets carry the client's certificate past the lists of revoked ones, so there are none where it
  // matters.
  bool gives_tickets() const { return gives_tickets_; }
  // tls-server-end-point of our own certificate (RFC 5929); empty where the algorithm has none (Ed25519).
  const std::string& endpoint_hash() const { return endpoint_hash_; }
  // Ours, when there is one.
  const std::optional<TlsCertificate>& certificate() const { return certificate_; }
  // In the form of the ClientHello: each name behind its length.
  const std::string& alpn() const { return alpn_; }
  const KernelTlsUse& kernel() const { return kernel_; }
  ssl_ctx_st* native() const { return ctx_; }

 private:
  TlsContext() = default;
  Result<void> make(bool is_server, const std::vector<std::string>& alpn, KernelTlsUse kernel);
  Result<void> use_certificate(const std::string& certificate_pem, const std::string& key_pem);
  Result<void> trust(const std::string& ca_pem, const std::string& crl_pem, bool name_them_to_clients);

  ssl_ctx_st* ctx_ = nullptr;
  bool is_server_ = false;
  bool verify_host_ = false;
  bool gives_tickets_ = false;
  KernelTlsUse kernel_;
  std::string endpoint_hash_;
  std::string alpn_;
  std::optional<TlsCertificate> certificate_;
};

// What a peer's certificate calls it. Names with a NUL in them are left out; so is the common name where
// there are several.
struct TlsPeerNames {
  std::string dn;  // RFC 2253.
  std::string cn;
  std::vector<std::string> dns;
  std::vector<std::string> emails;
  std::vector<std::string> uris;
  std::vector<std::string> ips;  // 4 or 16 raw bytes each.
};

// libpq's rules (sslmode=verify-full): an address matches IP names, or, where there are none, the common
// name; a host name matches DNS names, or, where there are none, the common name. A wildcard is the whole
// leftmost label, and stands for exactly one.
bool matches_host(const TlsPeerNames& names, const std::string& host);

// A self-signed ECDSA P-256 certificate for this host, for development: CN `host`, with localhost, 127.0.0.1
// and ::1 as further names. `host` may be empty.
struct TlsKeyPair {
  std::string certificate_pem;
  std::string key_pem;
};
Result<TlsKeyPair> make_development_certificate(const std::string& host, uint32_t days);

// "OpenSSL 3.0.22 25 Aug 2026".
std::string tls_library();

}  // namespace ringfence::net
