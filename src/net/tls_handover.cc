#include "tls_handover.h"

#include <cstring>
#include <string_view>

#include "ringfence/base/hex.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/crypto/traffic_key.h"
#include "tls_openssl.h"

namespace ringfence::net {

namespace {

constexpr uint16_t first_suite = 0x1301;  // TLS_AES_128_GCM_SHA256
constexpr uint16_t last_suite = 0x1303;   // TLS_CHACHA20_POLY1305_SHA256

uint16_t suite_of(const SSL* ssl) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  return cipher != nullptr ? SSL_CIPHER_get_protocol_id(cipher) : 0;
}

}  // namespace

TlsSendingKeys::~TlsSendingKeys() {
  crypto::secure_zero(key);
  crypto::secure_zero(iv);
}

void TlsHandover::watch(SSL_CTX* context) {
  SSL_CTX_set_keylog_callback(context, on_secret);
  SSL_CTX_set_msg_callback(context, on_message);
}

// "SERVER_TRAFFIC_SECRET_0 <client random> <secret>", in hexadecimal digits.
void TlsHandover::on_secret(const SSL* ssl, const char* line) {
  TlsEngine* engine = engine_of(ssl);
  if (engine != nullptr && engine->handover_) engine->handover_->take_secret(line);
}

void TlsHandover::take_secret(const char* line) {
  std::string_view label = is_server_ ? "SERVER_TRAFFIC_SECRET_0 " : "CLIENT_TRAFFIC_SECRET_0 ";
  if (std::strncmp(line, label.data(), label.size()) != 0) return;
  const char* digits = std::strrchr(line, ' ') + 1;
  size_t size = std::strlen(digits) / 2;
  if (size > secret_.size()) return;
  for (size_t i = 0; i < size; ++i) {
    int high = hex_value(digits[2 * i]);
    int low = hex_value(digits[2 * i + 1]);
    if (high < 0 || low < 0) return;
    secret_[i] = static_cast<unsigned char>(high * 16 + low);
  }
  secret_bytes_ = size;
  records_ = 0;
}

void TlsHandover::on_message(int is_written, int, int type, const void* bytes, size_t size, SSL* ssl, void*) {
  TlsEngine* engine = engine_of(ssl);
  if (is_written == 0 || engine == nullptr || !engine->handover_) return;
  TlsHandover& handover = *engine->handover_;
  auto* content = static_cast<const char*>(bytes);
  if (engine->has_left_sending_) {
    if (type == SSL3_RT_ALERT) engine->sink_.take_alert(ByteView(content, size));
  } else if (type == SSL3_RT_HEADER) {
    ++handover.records_;
  } else if (type == SSL3_RT_HANDSHAKE && size > 0 && content[0] == SSL3_MT_KEY_UPDATE) {
    handover.forget();
  }
}

bool TlsHandover::is_possible(const SSL* ssl, const KernelTlsUse& use) const {
  uint16_t suite = suite_of(ssl);
  return secret_bytes_ > 0 && SSL_version(ssl) == TLS1_3_VERSION && suite >= first_suite &&
         suite <= last_suite && (use.suites >> (suite - first_suite) & 1) != 0;
}

bool TlsHandover::derive(const SSL* ssl, TlsSendingKeys& keys) const {
  if (secret_bytes_ == 0) return false;
  ByteView secret(reinterpret_cast<const char*>(secret_.data()), secret_bytes_);
  keys.suite = suite_of(ssl);
  keys.key_bytes = keys.suite == first_suite ? 16 : 32;
  keys.sequence = records_;
  // RFC 8446, section 7.3. The suite's digest is as long as the secret.
  return crypto::expand_label(secret, "key", keys.key.data(), keys.key_bytes) &&
         crypto::expand_label(secret, "iv", keys.iv.data(), keys.iv.size());
}

void TlsHandover::forget() {
  crypto::secure_zero(secret_);
  secret_bytes_ = 0;
}

}  // namespace ringfence::net
