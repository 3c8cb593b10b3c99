// What it takes to go on sending where libssl stops: the traffic secret of our own direction and the number
// of the next record. Private to the folder.
//
// libssl tells the secret to its key log callback (SSL_CTX_set_keylog_callback(3); the labels are those of
// NSS's key log format) at the moment from which it is in use, and each record that it makes to its message
// callback. Counted from that moment on, they give the sequence number, whatever they are: session tickets
// are records as well.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstdint>

#include "ringfence/net/tls_engine.h"

namespace ringfence::net {

class TlsHandover {
 public:
  explicit TlsHandover(bool is_server) : is_server_(is_server) {}
  ~TlsHandover() { forget(); }
  TlsHandover(const TlsHandover&) = delete;
  TlsHandover& operator=(const TlsHandover&) = delete;

  // Engines of this context will be told.
  static void watch(SSL_CTX* context);

  // After the handshake.
  bool is_possible(const SSL* ssl, const KernelTlsUse& use) const;
  // False after a key update of ours: the secret is another one by then.
  bool derive(const SSL* ssl, TlsSendingKeys& keys) const;
  // Wipes the secret.
  void forget();

 private:
  static void on_secret(const SSL* ssl, const char* line);
  static void on_message(int is_written, int version, int type, const void* bytes, size_t size, SSL* ssl,
                         void*);
  void take_secret(const char* line);

  std::array<unsigned char, 48> secret_{};
  size_t secret_bytes_ = 0;
  uint64_t records_ = 0;  // Under this secret.
  bool is_server_;
};

}  // namespace ringfence::net
