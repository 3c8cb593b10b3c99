#include "ringfence/net/tls.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "ringfence/crypto/secret.h"
#include "ringfence/net/tls_engine.h"
#include "tls_handover.h"
#include "tls_openssl.h"

namespace ringfence::net {

std::string_view name(TlsFailure failure) {
  constexpr std::string_view names[tls_failures] = {
      "none",      "closed",      "timeout",         "protocol",   "version", "cipher",
      "alpn",      "early_bytes", "no_certificate",  "untrusted",  "expired", "revoked",
      "host_name", "certificate", "refused_by_peer", "key_update", "internal"};
  return names[static_cast<size_t>(failure)];
}

// ---------------------------------------------------------------- tickets

namespace {

// What is hardware-fast first; the client's wish for ChaCha20 is followed where it has no AES of its own.
constexpr const char* suites_13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
// Of TLS 1.2 only what has forward secrecy and is authenticated encryption.
constexpr const char* ciphers_12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-"
    "AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* groups = "X25519:P-256:P-384";
constexpr unsigned char session_context[] = "ringfence";

Result<TlsTicketKeys::Key> make_key() {
  TlsTicketKeys::Key key;
  auto fill = [](auto& bytes) {
    return crypto::random_fill(reinterpret_cast<char*>(bytes.data()), bytes.size());
  };
  for (auto filled : {fill(key.name), fill(key.cipher), fill(key.mac)}) {
    if (!filled) return unexpected(std::move(filled).error());
  }
  return key;
}

// OpenSSL asks for the keys of a ticket: 1 yes, 0 none (a full handshake then), 2 yes but make a new ticket.
int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
               int encrypt) {
  const TlsTicketKeys* keys = engine_of(ssl)->ticket_keys();
  if (keys == nullptr) return 0;
  const TlsTicketKeys::Key* key = &keys->current();
  int verdict = 1;
  if (encrypt != 0) {
    std::memcpy(name, key->name.data(), key->name.size());
    if (!crypto::random_fill(reinterpret_cast<char*>(iv), 16)) return -1;
  } else if (std::memcmp(name, key->name.data(), key->name.size()) != 0) {
    key = keys->previous();
    if (key == nullptr || std::memcmp(name, key->name.data(), key->name.size()) != 0) return 0;
    verdict = 2;
  }
  char digest[] = "SHA256";
  auto* mac_key = const_cast<unsigned char*>(key->mac.data());  // Only read.
  OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key, key->mac.size()),
                         OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                         OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, params) != 1) return -1;
  if (EVP_CipherInit_ex2(cipher, EVP_aes_256_cbc(), key->cipher.data(), iv, encrypt, nullptr) != 1) return -1;
  return verdict;
}

// The server picks the first of its own protocols that the client names.
int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                unsigned in_size, void* argument) {
  const std::string& ours = static_cast<const TlsContext*>(argument)->alpn();
  unsigned char* picked = nullptr;
  int rc = SSL_select_next_proto(&picked, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                                 static_cast<unsigned>(ours.size()), in, in_size);
  *out = picked;
  return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

Result<std::shared_ptr<const TlsTicketKeys>> TlsTicketKeys::rotate(const TlsTicketKeys* previous) {
  auto made = make_key();
  if (!made) return unexpected(std::move(made).error());
  auto out = std::make_shared<TlsTicketKeys>();
  out->current_ = *made;
  if (previous != nullptr) out->previous_ = previous->current_;
  crypto::secure_zero(&*made, sizeof *made);
  return std::shared_ptr<const TlsTicketKeys>(std::move(out));
}

TlsTicketKeys::~TlsTicketKeys() {
  crypto::secure_zero(&current_, sizeof current_);
  if (previous_) crypto::secure_zero(&*previous_, sizeof *previous_);
}

// ---------------------------------------------------------------- contexts

TlsContext::~TlsContext() { SSL_CTX_free(ctx_); }

Result<void> TlsContext::make(bool is_server, const std::vector<std::string>& alpn, KernelTlsUse kernel) {
  is_server_ = is_server;
  kernel_ = kernel;
  ctx_ = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
  if (ctx_ == nullptr) return fail_openssl(Fault::internal, "TLS");
  uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                     SSL_OP_PRIORITIZE_CHACHA;
  SSL_CTX_set_options(ctx_, options);
  SSL_CTX_set_mode(ctx_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(ctx_, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(ctx_, tls_session_s);
  if (kernel.suites != 0) TlsHandover::watch(ctx_);
  bool ok = SSL_CTX_set_min_proto_version(ctx_, TLS1_2_VERSION) == 1 &&
            SSL_CTX_set_ciphersuites(ctx_, suites_13) == 1 &&
            SSL_CTX_set_cipher_list(ctx_, ciphers_12) == 1 && SSL_CTX_set1_groups_list(ctx_, groups) == 1;
  if (!ok) return fail_openssl(Fault::internal, "TLS settings");
  for (const std::string& protocol : alpn) {
    alpn_ += static_cast<char>(protocol.size());
    alpn_ += protocol;
  }
  const auto* names = reinterpret_cast<const unsigned char*>(alpn_.data());
  if (is_server && !alpn_.empty()) SSL_CTX_set_alpn_select_cb(ctx_, select_alpn, this);
  if (!is_server && !alpn_.empty() &&
      SSL_CTX_set_alpn_protos(ctx_, names, static_cast<unsigned>(alpn_.size())) != 0) {
    return fail_openssl(Fault::internal, "ALPN");
  }
  return {};
}

Result<void> TlsContext::use_certificate(const std::string& certificate_pem, const std::string& key_pem) {
  BioPtr bio = bio_of(certificate_pem);
  X509Ptr leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, no_passphrase, nullptr));
  if (!leaf) return fail_openssl(Fault::malformed, "the certificate cannot be read");
  if (SSL_CTX_use_certificate(ctx_, leaf.get()) != 1) {
    return fail_openssl(Fault::malformed, "the certificate cannot be used");
  }
  while (X509Ptr issuer{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)}) {
    if (SSL_CTX_add1_chain_cert(ctx_, issuer.get()) != 1) {
      return fail_openssl(Fault::malformed, "a certificate of the chain cannot be used");
    }
  }
  // The end of the file is an error in that loop; what is broken in the middle is another one.
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return fail_openssl(Fault::malformed, "a certificate of the chain cannot be read");
  }
  ERR_clear_error();
  BioPtr key_bio = bio_of(key_pem);
  KeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_passphrase, nullptr));
  if (!key)
    return fail_openssl(Fault::malformed, "the private key cannot be read (it must not have a passphrase)");
  if (X509_check_private_key(leaf.get(), key.get()) != 1 || SSL_CTX_use_PrivateKey(ctx_, key.get()) != 1) {
    return fail_openssl(Fault::malformed, "the private key does not belong to the certificate");
  }
  certificate_ = facts_of(leaf.get());
  endpoint_hash_ = endpoint_hash_of(leaf.get());
  return {};
}

Result<void> TlsContext::trust(const std::string& ca_pem, const std::string& crl_pem,
                               bool name_them_to_clients) {
  X509_STORE* store = SSL_CTX_get_cert_store(ctx_);
  BioPtr bio = bio_of(ca_pem);
  int count = 0;
  while (X509Ptr ca{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)}) {
    if (X509_STORE_add_cert(store, ca.get()) != 1)
      return fail_openssl(Fault::malformed, "a CA certificate cannot be used");
    if (name_them_to_clients) SSL_CTX_add_client_CA(ctx_, ca.get());
    ++count;
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return fail_openssl(Fault::malformed, "a CA certificate cannot be read");
  }
  ERR_clear_error();
  if (count == 0) return fail(Fault::malformed, "there is no CA certificate in it");
  if (crl_pem.empty()) return {};
  BioPtr crl_bio = bio_of(crl_pem);
  count = 0;
  while (CrlPtr crl{PEM_read_bio_X509_CRL(crl_bio.get(), nullptr, no_passphrase, nullptr)}) {
    if (X509_STORE_add_crl(store, crl.get()) != 1)
      return fail_openssl(Fault::malformed, "a revocation list cannot be used");
    ++count;
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return fail_openssl(Fault::malformed, "a revocation list cannot be read");
  }
  ERR_clear_error();
  if (count == 0) return fail(Fault::malformed, "there is no certificate revocation list in it");
  // As PostgreSQL and libpq: every certificate of the chain is looked up, and a missing list is a failure.
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return {};
}

Result<std::shared_ptr<const TlsContext>> TlsContext::server(TlsServerOptions options) {
  std::shared_ptr<TlsContext> out(new TlsContext());
  if (auto made = out->make(true, options.alpn, options.kernel); !made)
    return unexpected(std::move(made).error());
  auto used = out->use_certificate(options.certificate_pem, options.key_pem);
  crypto::secure_zero(options.key_pem);
  if (!used) return unexpected(std::move(used).error());
  SSL_CTX_set_session_id_context(out->ctx_, session_context, sizeof session_context - 1);
  if (!options.client_ca_pem.empty()) {
    if (auto trusted = out->trust(options.client_ca_pem, options.crl_pem, true); !trusted) {
      return unexpected(std::move(trusted).error());
    }
    SSL_CTX_set_verify(
        out->ctx_,
        SSL_VERIFY_PEER | (options.client_certificate_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        nullptr);
    SSL_CTX_set_options(out->ctx_, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(out->ctx_, 0);
  } else {
    if (options.client_certificate_required)
      return fail(Fault::internal, "client certificates are required and no CA is given");
    out->gives_tickets_ = true;
    SSL_CTX_set_num_tickets(out->ctx_, 1);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(out->ctx_, ticket_key);
  }
  return std::shared_ptr<const TlsContext>(std::move(out));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::client(TlsClientOptions options) {
  std::shared_ptr<TlsContext> out(new TlsContext());
  if (auto made = out->make(false, options.alpn, options.kernel); !made)
    return unexpected(std::move(made).error());
  out->verify_host_ = options.verify_host;
  if (!options.certificate_pem.empty()) {
    auto used = out->use_certificate(options.certificate_pem, options.key_pem);
    crypto::secure_zero(options.key_pem);
    if (!used) return unexpected(std::move(used).error());
  }
  bool verifies = options.system_ca || !options.ca_pem.empty();
  if (options.system_ca && SSL_CTX_set_default_verify_paths(out->ctx_) != 1) {
    return fail_openssl(Fault::unavailable, "the system's CA certificates cannot be used");
  }
  if (!options.ca_pem.empty()) {
    if (auto trusted = out->trust(options.ca_pem, options.crl_pem, false); !trusted) {
      return unexpected(std::move(trusted).error());
    }
  }
  if (options.verify_host && !verifies)
    return fail(Fault::internal, "a host cannot be verified without a CA");
  SSL_CTX_set_verify(out->ctx_, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  return std::shared_ptr<const TlsContext>(std::move(out));
}

}  // namespace ringfence::net
