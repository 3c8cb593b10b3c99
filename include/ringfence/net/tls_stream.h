// A Stream over any other: TLS. It owns the stream beneath and has nothing pending there that its own user
// did not ask for, so the rules of Stream hold for it as they stand.
//
// A connection that waits holds no buffer of ours and none of OpenSSL's. What is decrypted goes into buffers
// of the shard; what is encrypted goes straight to the stream beneath, and is copied only when that cannot
// take it at once.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "ringfence/net/stream.h"
#include "ringfence/net/tls_engine.h"

namespace ringfence::net {

// Where decrypted bytes stand until they were sent on; one for each shard. Grows with what is in use, and
// keeps a few buffers for the next. Outlives the chunks that it gave.
class TlsBuffers final : public ring::ChunkOwner {
 public:
  // The most that one record holds (RFC 8446, section 5.1).
  static constexpr size_t buffer_bytes = 16'384;

  struct Buffer {
    char* bytes;
    uint32_t id;
  };
  Buffer take();
  void release(uint32_t id) override;
  // Many are in use: bytes that have to wait are better off in memory of their own.
  bool are_scarce() const { return in_use_ > scarce_from; }

 private:
  static constexpr size_t kept_max = 64;
  static constexpr size_t scarce_from = 256;
  std::vector<std::unique_ptr<char[]>> buffers_;
  std::vector<uint32_t> free_;     // With memory.
  std::vector<uint32_t> emptied_;  // Whose memory was given back.
  size_t in_use_ = 0;
};

class TlsStream final : public Stream, private TlsSink, private Receive::Watcher, private Send::Watcher {
 public:
  // A peer's handshake is refused when it is longer: OpenSSL's own bound on a certificate chain is 100 KiB.
  static constexpr size_t handshake_bytes_max = 256 * 1024;

  // `buffers` outlives the stream and its chunks; `legs`, where it is counted, the stream.
  TlsStream(std::unique_ptr<Stream> inner, std::shared_ptr<const TlsContext> context, TlsBuffers& buffers,
            TlsLegs* legs = nullptr);
  ~TlsStream() override;

  // Once, before anything else; the deadline is the caller's. `first`: bytes that were received already. On
  // failure the peer was told by an alert, as far as it listens, and the stream is of no use any more.
  ring::Task<Result<void>> handshake(std::string first = {});
  // After a failed handshake: the stream beneath, to be ended in an orderly way.
  std::unique_ptr<Stream> give_back() { return std::move(inner_); }
  TlsEngine& engine() { return engine_; }
  const TlsEngine& engine() const { return engine_; }
  // The stream beneath, for deadlines that begin before the handshake.
  Stream& inner() { return *inner_; }

  // Whether the kernel encrypts what is sent; see net/kernel_tls.h. Begins as the context says: with the
  // first send after the handshake, or once `kernel_from_bytes` have been sent. A stream of large sends is
  // cheaper that way, single small ones are not.
  bool is_sent_by_kernel() const { return kernel_sends_; }
  static constexpr size_t kernel_from_bytes = 256 * 1024;
  static constexpr size_t kernel_send_bytes_min = 8 * 1024;  // A send that is part of a stream has so many.

  // Says close_notify if that goes at once.
  void shutdown() override;
  void reset() override { inner_->reset(); }
  uint64_t unsent() const override { return inner_->unsent(); }
  void shutdown_write() override;
  void cancel_receive() override;
  std::string peer() const override { return inner_->peer(); }

 protected:
  // The end of the stream is the peer's close_notify. A connection that ends without one is an error
  // (ECONNRESET): what came may have been cut short. Bytes that break TLS are EPROTO; EKEYEXPIRED is a peer
  // that wants new keys from us while the kernel encrypts (RFC 8446, section 4.6.3), which Linux can change
  // since 6.14 only.
  void begin_receive(Receive& receive) override;
  void redirect_receive(Receive& receive) override { receive_ = &receive; }
  void begin_send(Send& send, ByteView bytes) override;
  void send_moved(Send& to) override;

 private:
  void take(ByteView ciphertext, bool more) override;
  void take_alert(ByteView alert) override { inner_->try_send_alert(alert); }
  bool try_kernel(size_t size);
  void received() override;
  void sent() override;
  void advance_receive();
  void advance_send();
  void take_inner();
  void finish_receive(Chunk chunk, int error);
  void finish_send(int error);
  bool decrypt();
  void note_failure();
  void release_input();

  std::unique_ptr<Stream> inner_;
  TlsLegs* legs_;
  TlsBuffers& buffers_;
  TlsEngine engine_;

  Receive* receive_ = nullptr;
  Receive inner_receive_;
  Chunk chunk_;        // What the engine reads from, or
  std::string first_;  // this.
  int receive_error_ = 0;
  bool is_at_end_ = false;
  bool is_cancelled_ = false;

  Send* send_ = nullptr;
  ByteView rest_;  // Not yet encrypted.
  std::optional<Send> inner_send_;
  std::string sending_;  // Held by inner_send_.
  std::string pending_;  // Goes before everything else.

  size_t streamed_bytes_ = 0;  // Up to kernel_from_bytes.
  bool kernel_at_once_;
  bool kernel_sends_ = false;
  bool kernel_refused_ = false;
  bool is_counted_ = false;
};

}  // namespace ringfence::net
