// One TLS connection as bytes in, bytes out: no sockets, no waiting, no clock of ours. Whoever drives it
// gives it what came from the peer and carries away what it wants sent.
//
// Ciphertext is read where it lies and is handed out where it was made: an owner that can send at once copies
// nothing. Between messages a connection holds no buffer (SSL_MODE_RELEASE_BUFFERS).
#pragma once

#include <array>
#include <memory>
#include <string>

#include "ringfence/net/tls.h"

struct bio_st;

namespace ringfence::net {

// Where the engine puts what is to be sent. Takes all of it; the bytes are gone when take() returns. `more`:
// another record of the same write() follows at once.
class TlsSink {
 public:
  virtual void take(ByteView ciphertext, bool more) = 0;
  // An alert's two bytes (RFC 8446, section 6), once somebody else encrypts.
  virtual void take_alert(ByteView) {}

 protected:
  ~TlsSink() = default;
};

class TlsHandover;

// With what records go on to be encrypted (RFC 8446, section 5.3). Wiped when it goes.
struct TlsSendingKeys {
  TlsSendingKeys() = default;
  ~TlsSendingKeys();
  TlsSendingKeys(const TlsSendingKeys&) = delete;
  TlsSendingKeys& operator=(const TlsSendingKeys&) = delete;
  uint16_t suite = 0;  // IANA's number, 0x1301 to 0x1303.
  std::array<unsigned char, 32> key{};
  size_t key_bytes = 0;
  std::array<unsigned char, 12> iv{};
  uint64_t sequence = 0;  // Of the next record.
};

class TlsEngine {
 public:
  enum class Step : uint8_t {
    done,         // The handshake is over; there is plaintext; it was written.
    wants_input,  // All that was given is used up.
    ended,        // The peer has ended its direction (close_notify).
    failed,       // For good; see failure().
  };

  TlsEngine(std::shared_ptr<const TlsContext> context, TlsSink& sink);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  // Servers, before the handshake: without keys no tickets are given nor taken.
  void use_ticket_keys(std::shared_ptr<const TlsTicketKeys> keys);
  // Clients, before the handshake: the server's name as configured, for SNI and, where the context says so,
  // to be checked against its certificate.
  void expect_host(const std::string& host);

  // More from the peer. The bytes stay where they are until has_input() is false; only then more may be
  // given.
  void give(ByteView ciphertext);
  bool has_input() const { return !input_.empty(); }

  // False: read() would give nothing but wants_input, and need not be asked.
  bool may_have_plaintext() const;

  Step handshake();
  bool is_established() const { return is_established_; }
  // Fills `into` as far as what was given goes; `got` > 0 exactly when done.
  Step read(char* into, size_t size, size_t& got);
  // All of it, in records of at most 16 KiB. done or failed.
  Step write(ByteView plaintext);
  // Tells the peer that nothing more comes from us (close_notify). Reading goes on.
  void close();

  // For somebody else who will encrypt what is sent from now on, where the context allows that for this
  // connection's suite. False: it stays here. Nothing has changed until leave_sending(); after that write()
  // is not called any more, the sink gets alerts only, and a peer that asks for new keys (KeyUpdate) ends the
  // connection.
  bool sending_keys(TlsSendingKeys& keys) const;
  void leave_sending();
  // Whether sending_keys() might be true, now or later.
  bool may_leave_sending() const { return handover_ != nullptr && !has_left_sending_; }

  TlsFailure failure() const { return failure_; }
  // For people; no secrets.
  const std::string& reason() const { return reason_; }

  // Once established.
  std::string_view version() const;  // "TLSv1.3"
  std::string_view cipher() const;   // "TLS_AES_128_GCM_SHA256"
  std::string_view alpn() const;     // Empty: none was agreed on.
  bool is_resumed() const;
  bool has_peer_certificate() const;
  TlsPeerNames peer_names() const;
  // tls-server-end-point of the server's certificate (RFC 5929), on either side. Empty: there is none to bind
  // to.
  std::string endpoint_hash() const;

  const TlsTicketKeys* ticket_keys() const { return ticket_keys_.get(); }

 private:
  friend struct TlsBio;
  friend class TlsHandover;
  Step after(int result);
  Step refuse_key_update();
  Step fail_with(TlsFailure failure, std::string reason);
  TlsFailure classify(unsigned long code) const;

  std::shared_ptr<const TlsContext> context_;
  std::shared_ptr<const TlsTicketKeys> ticket_keys_;
  TlsSink& sink_;
  ssl_st* ssl_ = nullptr;
  ByteView input_;
  std::string host_;
  std::string reason_;
  TlsFailure failure_ = TlsFailure::none;
  bool is_established_ = false;
  bool has_ended_ = false;
  bool has_closed_ = false;
  bool has_left_sending_ = false;
  bool more_follows_ = false;
  std::unique_ptr<TlsHandover> handover_;  // Null: there will be none.
};

}  // namespace ringfence::net
