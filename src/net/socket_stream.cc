#include "ringfence/net/socket_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>

namespace ringfence::net {

SocketStream::SocketStream(ring::Shard& shard, int fd) : shard_(shard), fd_(fd) {
  int on = 1;
  // Fails on Unix sockets, which have no such delay.
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

SocketStream::~SocketStream() {
  RINGFENCE_ASSERT(receive_.waiter == nullptr && send_.waiter == nullptr);
  ::close(fd_);
}

void SocketStream::shutdown() {
  if (is_shut_) return;
  is_shut_ = true;
  ::shutdown(fd_, SHUT_RDWR);
}

void SocketStream::shutdown_write() { ::shutdown(fd_, SHUT_WR); }

void SocketStream::cancel_receive() {
  if (receive_.waiter == nullptr) return;
  receive_.is_cancelled = true;
  // A receive that waits for a buffer is not known to the kernel; it ends when its turn comes.
  if (!receive_.starved) shard_.ring().cancel(receive_);
}

std::string SocketStream::peer() const { return to_string(peer_address(fd_)); }

void SocketStream::begin_receive(Receive& receive) {
  RINGFENCE_ASSERT(receive_.waiter == nullptr);
  receive_.waiter = &receive;
  // Right after a message nothing more is expected, unless the kernel said that there is: poll first then, which
  // spares an attempt that would fail.
  shard_.ring().receive(fd_, receive_, !receive_.expect_more);
}

void SocketStream::ReceiveOperation::complete(int result, uint32_t flags, bool) {
  ring::Ring& ring = stream.shard_.ring();
  if (result == -ENOBUFS && !is_cancelled) {
    // First the kernel's word that no buffer is left, then the pool's that one came back.
    if (!starved) {
      starved = true;
      ring.when_buffer_returns(*this);
    } else {
      starved = false;
      ring.receive(stream.fd_, *this, false);
    }
    return;
  }
  starved = is_cancelled = false;
  expect_more = result > 0 && ring::more_to_receive(flags);
  Chunk chunk = ring.take_buffer(result, flags);
  if (result <= 0) chunk.reset();
  std::exchange(waiter, nullptr)->complete(std::move(chunk), result < 0 ? -result : 0);
}

void SocketStream::begin_send(Send& send, ByteView bytes) {
  RINGFENCE_ASSERT(send_.waiter == nullptr);
  send_.waiter = &send;
  send_.rest = bytes;
  shard_.ring().send(fd_, bytes, send_);
}

void SocketStream::SendOperation::complete(int result, uint32_t, bool) {
  if (result > 0 && static_cast<size_t>(result) < rest.size()) {
    // MSG_WAITALL makes short sends rare: a signal or a socket that was shut in the middle.
    rest.remove_prefix(static_cast<size_t>(result));
    stream.shard_.ring().send(stream.fd_, rest, *this);
    return;
  }
  std::exchange(waiter, nullptr)->complete(result < 0 ? -result : result == 0 ? EPIPE : 0);
}

namespace {

struct ConnectOperation final : ring::Operation {
  void complete(int value, uint32_t, bool) override {
    result = value;
    done.set();
  }
  int result = 0;
  ring::Event done;
};

}  // namespace

ring::Task<Result<std::unique_ptr<SocketStream>>> connect(ring::Shard& shard, Address address,
                                                          uint64_t timeout_ms) {
  int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return fail_errno(errno, "socket");
  ConnectOperation operation;
  bool timed_out = false;
  ring::CallbackTimer timer(shard.timers(), [&] {
    timed_out = true;
    shard.ring().cancel(operation);
  });
  if (timeout_ms > 0) timer.arm(shard.now_ns() + timeout_ms * 1'000'000);
  shard.ring().connect(fd, address.get(), address.size, operation);
  co_await operation.done;
  if (operation.result < 0) {
    ::close(fd);
    std::string where = to_string(address);
    if (timed_out) co_return fail(Fault::timeout, "no connection to " + where + " within the time allowed");
    co_return fail_errno(-operation.result, "connect to " + where);
  }
  co_return std::make_unique<SocketStream>(shard, fd);
}

Deadline::Deadline(ring::Shard& shard, Stream& stream, uint64_t ms)
    : timer_(shard.timers(), [this, &stream] {
        passed_ = true;
        stream.shutdown();
      }) {
  if (ms > 0) timer_.arm(shard.now_ns() + ms * 1'000'000);
}

}  // namespace ringfence::net
