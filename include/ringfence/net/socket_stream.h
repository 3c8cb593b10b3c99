// A Stream over a connected TCP or Unix socket, on the ring of the shard that made it.
#pragma once

#include <memory>

#include "ringfence/net/address.h"
#include "ringfence/net/stream.h"
#include "ringfence/ring/shard.h"

namespace ringfence::net {

class SocketStream final : public Stream {
 public:
  // Takes the descriptor over. TCP sockets get TCP_NODELAY.
  SocketStream(ring::Shard& shard, int fd);
  ~SocketStream() override;

  void shutdown() override;
  void reset() override;
  void shutdown_write() override;
  void cancel_receive() override;
  std::string peer() const override;
  uint64_t unsent() const override;
  size_t try_send(ByteView bytes, bool more) override;
  int encrypt_by_kernel(const TlsSendingKeys& keys) override;
  void try_send_alert(ByteView alert) override;
  // Where the kernel encrypts, another stream lies over this one.
  bool can_splice() const override { return !is_encrypted_; }
  void expect_long_bodies(bool is_so) override;
  bool has_nothing_ahead() const override;

 protected:
  int begin_splice(Splice& splice) override;
  void end_splice(int error) override;
  int splice_into() override;
  void begin_receive(Receive& receive) override;
  void redirect_receive(Receive& receive) override;
  void begin_send(Send& send, ByteView bytes) override;
  void send_moved(Send& to) override { send_.waiter = &to; }

 private:
  class Receiver;
  struct SendOperation final : ring::Operation {
    explicit SendOperation(SocketStream& owner) : stream(owner) {}
    void complete(int result, uint32_t flags, bool more) override;
    SocketStream& stream;
    Send* waiter = nullptr;
    ByteView rest;
  };

  void submit_send();
  void make_nonblocking();

  ring::Shard& shard_;
  int fd_;
  bool is_shut_ = false;
  bool is_encrypted_ = false;  // By the kernel.
  bool is_nonblocking_ = false;
  Receiver* receiver_;  // Outlives the stream until the kernel has let go of it.
  SendOperation send_{*this};
};

// One attempt to connect; the deadline is the caller's. Closes the socket on failure.
class Connecting {
 public:
  Connecting(ring::Shard& shard, Address address, uint64_t timeout_ms)
      : shard_(shard), address_(address), timeout_ms_(timeout_ms) {}
  // Once. The object outlives it.
  ring::Task<Result<std::unique_ptr<Stream>>> run();
  // run() ends soon, as failed unless it has connected already.
  void cancel();

 private:
  ring::Shard& shard_;
  Address address_;
  uint64_t timeout_ms_;
  ring::Operation* running_ = nullptr;
};

}  // namespace ringfence::net
