#include "ringfence/net/tls_engine.h"

#include <arpa/inet.h>

#include <algorithm>
#include <climits>

#include "tls_handover.h"
#include "tls_openssl.h"

namespace ringfence::net {

// The engine as OpenSSL's transport: reads what was given, writes into the sink, never blocks on writing.
struct TlsBio {
  static int read(BIO* bio, char* into, size_t size, size_t* got) {
    auto& engine = *static_cast<TlsEngine*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (engine.input_.empty()) {
      BIO_set_retry_read(bio);
      *got = 0;
      return 0;
    }
    *got = std::min(size, engine.input_.size());
    std::memcpy(into, engine.input_.data(), *got);
    engine.input_.remove_prefix(*got);
    return 1;
  }
  static int write(BIO* bio, const char* bytes, size_t size, size_t* written) {
    auto& engine = *static_cast<TlsEngine*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    // What libssl encrypts after somebody else has its keys must never be seen: it would be a second message
    // under the same nonce. It is alerts only, and their content is in the sink already.
    if (!engine.has_left_sending_) engine.sink_.take(ByteView(bytes, size), engine.more_follows_);
    *written = size;
    return 1;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO_METHOD* method() {
    static BIO_METHOD* made = [] {
      BIO_METHOD* out = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ringfence");
      RINGFENCE_ASSERT(out != nullptr);
      BIO_meth_set_read_ex(out, read);
      BIO_meth_set_write_ex(out, write);
      BIO_meth_set_ctrl(out, control);
      return out;
    }();
    return made;
  }
};

TlsEngine* engine_of(const SSL* ssl) { return static_cast<TlsEngine*>(SSL_get_app_data(ssl)); }

TlsEngine::TlsEngine(std::shared_ptr<const TlsContext> context, TlsSink& sink)
    : context_(std::move(context)), sink_(sink) {
  ssl_ = SSL_new(context_->native());
  BIO* bio = BIO_new(TlsBio::method());
  // Without memory for a connection there is none for anything; mimalloc aborts long before.
  RINGFENCE_ASSERT(ssl_ != nullptr && bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_app_data(ssl_, this);
  if (context_->is_server()) SSL_set_accept_state(ssl_);
  else SSL_set_connect_state(ssl_);
  if (context_->kernel().suites != 0) handover_ = std::make_unique<TlsHandover>(context_->is_server());
}

TlsEngine::~TlsEngine() { SSL_free(ssl_); }

void TlsEngine::use_ticket_keys(std::shared_ptr<const TlsTicketKeys> keys) { ticket_keys_ = std::move(keys); }

void TlsEngine::expect_host(const std::string& host) {
  host_ = host;
  char raw[16];
  bool is_literal = inet_pton(AF_INET, host.c_str(), raw) == 1 || inet_pton(AF_INET6, host.c_str(), raw) == 1;
  // RFC 6066, section 3: no literals in SNI.
  if (!host.empty() && !is_literal) SSL_set_tlsext_host_name(ssl_, host.c_str());
}

void TlsEngine::give(ByteView ciphertext) {
  RINGFENCE_ASSERT(input_.empty());
  input_ = ciphertext;
}

bool TlsEngine::may_have_plaintext() const {
  return !input_.empty() || has_ended_ || failure_ != TlsFailure::none || SSL_has_pending(ssl_) == 1;
}

TlsEngine::Step TlsEngine::handshake() {
  if (failure_ != TlsFailure::none) return Step::failed;
  ERR_clear_error();
  int result = SSL_do_handshake(ssl_);
  if (result != 1) return after(result);
  if (!context_->is_server() && context_->verifies_host()) {
    TlsPeerNames names = peer_names();
    if (!matches_host(names, host_)) {
      return fail_with(TlsFailure::host_name, "the server's certificate is not for \"" + host_ + "\"");
    }
  }
  is_established_ = true;
  ticket_keys_.reset();
  host_ = std::string();
  if (handover_ && !handover_->is_possible(ssl_, context_->kernel())) {
    handover_.reset();
    SSL_set_msg_callback(ssl_, nullptr);
  }
  return Step::done;
}

TlsEngine::Step TlsEngine::read(char* into, size_t size, size_t& got) {
  got = 0;
  if (failure_ != TlsFailure::none) return Step::failed;
  if (has_ended_) return Step::ended;
  ERR_clear_error();
  while (got < size) {
    size_t piece = 0;
    int result = SSL_read_ex(ssl_, into + got, size - got, &piece);
    if (has_left_sending_ && SSL_get_key_update_type(ssl_) != SSL_KEY_UPDATE_NONE) return refuse_key_update();
    if (result == 1) {
      got += piece;
      // Asking once more would take a buffer only to find that there is nothing.
      if (input_.empty() && SSL_has_pending(ssl_) == 0) return Step::done;
      continue;
    }
    Step step = after(result);
    // An end or a failure behind these bytes shows at the next call.
    return got > 0 ? Step::done : step;
  }
  return Step::done;
}

TlsEngine::Step TlsEngine::write(ByteView plaintext) {
  if (failure_ != TlsFailure::none) return Step::failed;
  if (plaintext.empty()) return Step::done;
  if (has_closed_) return fail_with(TlsFailure::closed, "written after the end");
  ERR_clear_error();
  while (!plaintext.empty()) {
    // Record by record, as libssl would cut it, so that the sink knows which is the last.
    size_t size = std::min<size_t>(plaintext.size(), SSL3_RT_MAX_PLAIN_LENGTH);
    more_follows_ = size < plaintext.size();
    size_t written = 0;
    int result = SSL_write_ex(ssl_, plaintext.data(), size, &written);
    more_follows_ = false;
    if (result != 1 || written != size) {
      Step step = after(result);
      return step == Step::failed ? step
                                  : fail_with(TlsFailure::internal, "TLS did not take what was written");
    }
    plaintext.remove_prefix(size);
  }
  return Step::done;
}

void TlsEngine::close() {
  if (!is_established_ || has_closed_ || failure_ != TlsFailure::none) return;
  has_closed_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_);
}

bool TlsEngine::sending_keys(TlsSendingKeys& keys) const {
  bool may =
      handover_ && is_established_ && !has_left_sending_ && !has_closed_ && failure_ == TlsFailure::none;
  return may && SSL_get_key_update_type(ssl_) == SSL_KEY_UPDATE_NONE && handover_->derive(ssl_, keys);
}

void TlsEngine::leave_sending() {
  has_left_sending_ = true;
  handover_->forget();
}

// RFC 8446, section 4.6.3: it MUST be answered before more is sent, and the answer changes our keys.
TlsEngine::Step TlsEngine::refuse_key_update() {
  sink_.take_alert(ByteView("\x02\x50", 2));  // fatal, internal_error
  return fail_with(TlsFailure::key_update, "the peer asks for new keys, which the kernel cannot change");
}

TlsEngine::Step TlsEngine::after(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: return Step::wants_input;
    case SSL_ERROR_ZERO_RETURN: has_ended_ = true; return Step::ended;
    default: break;
  }
  unsigned long code = ERR_peek_error();
  TlsFailure failure = classify(code);
  std::string reason;
  long verdict = SSL_get_verify_result(ssl_);
  if (verdict != X509_V_OK && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    reason = X509_verify_cert_error_string(verdict);
  } else if (const char* text = ERR_reason_error_string(code)) {
    reason = text;
  } else {
    reason = "broken connection";
  }
  ERR_clear_error();
  return fail_with(failure, std::move(reason));
}

TlsEngine::Step TlsEngine::fail_with(TlsFailure failure, std::string reason) {
  failure_ = failure;
  reason_ = std::move(reason);
  return Step::failed;
}

TlsFailure TlsEngine::classify(unsigned long code) const {
  int reason = ERR_GET_REASON(code);
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    switch (SSL_get_verify_result(ssl_)) {
      case X509_V_ERR_CERT_HAS_EXPIRED:
      case X509_V_ERR_CERT_NOT_YET_VALID: return TlsFailure::expired;
      case X509_V_ERR_CERT_REVOKED: return TlsFailure::revoked;
      case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return TlsFailure::untrusted;
      default: return TlsFailure::certificate;
    }
  }
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return TlsFailure::no_certificate;
    case SSL_R_NO_SHARED_CIPHER: return TlsFailure::cipher;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNSUPPORTED_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE: return TlsFailure::version;
    case SSL_R_NO_APPLICATION_PROTOCOL: return TlsFailure::alpn;
    case ERR_R_MALLOC_FAILURE:
    case ERR_R_INTERNAL_ERROR: return TlsFailure::internal;
    default: break;
  }
  // SSL_AD_REASON_OFFSET and above: alerts that the peer sent.
  if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) return TlsFailure::refused_by_peer;
  return TlsFailure::protocol;
}

std::string_view TlsEngine::version() const { return SSL_get_version(ssl_); }

std::string_view TlsEngine::cipher() const {
  const char* cipher = SSL_get_cipher_name(ssl_);
  return cipher != nullptr ? cipher : "";
}

std::string_view TlsEngine::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return std::string_view(reinterpret_cast<const char*>(name), size);
}

bool TlsEngine::is_resumed() const { return SSL_session_reused(ssl_) == 1; }

bool TlsEngine::has_peer_certificate() const { return SSL_get0_peer_certificate(ssl_) != nullptr; }

TlsPeerNames TlsEngine::peer_names() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  return certificate != nullptr ? names_of(certificate) : TlsPeerNames{};
}

std::string TlsEngine::endpoint_hash() const {
  if (context_->is_server()) return context_->endpoint_hash();
  X509* certificate = SSL_get0_peer_certificate(ssl_);
  return certificate != nullptr ? endpoint_hash_of(certificate) : std::string();
}

}  // namespace ringfence::net
