#include "ringfence/net/socket_stream.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "ringfence/base/thread_counts.h"
#include "ringfence/net/kernel_tls.h"
#include "ringfence/net/splice.h"

namespace ringfence::net {

// The receiving half: one multishot receive that stays armed, so that a message costs no submission. What
// arrives while nobody waits is held, at most `held_max` chunks; then the receive is cancelled, and armed
// again when the last of them was taken: that is the back-pressure.
class SocketStream::Receiver final : public ring::Operation {
 public:
  Receiver(ring::Ring& ring, int fd) : ring_(ring), fd_(fd) {}

  void begin(Receive& receive) {
    RINGFENCE_ASSERT(waiter_ == nullptr);
    if (held_count_ > 0) {
      Chunk chunk = std::move(held_[0]);
      for (size_t i = 1; i < held_count_; ++i) held_[i - 1] = std::move(held_[i]);
      --held_count_;
      receive.complete(std::move(chunk), 0);
      return;
    }
    if (has_ended_) {
      receive.complete(Chunk(), error_);
      return;
    }
    waiter_ = &receive;
    arm();
  }
  void redirect(Receive& receive) { waiter_ = &receive; }
  // Long bodies come: instead of the multishot receive one of little, each time that somebody waits.
  void expect_long_bodies(bool is_so) {
    expects_long_bodies_ = is_so;
    if (is_so) stop();
  }
  bool has_nothing_ahead() const {
    return !is_armed_ && !is_starved_ && !has_ended_ && held_count_ == 0 && waiter_ == nullptr &&
           splice_ == nullptr;
  }
  void begin_splice(Splice& splice) {
    RINGFENCE_ASSERT(has_nothing_ahead());
    splice_ = &splice;
    was_full_ = false;
  }
  // An error is reported by the socket only once.
  void end_splice(int error) {
    splice_ = nullptr;
    if (error == 0) return;
    has_ended_ = true;
    error_ = error;
  }
  // The waiter completes by the kernel's word that the operation is over, never from here.
  void cancel() {
    if (splice_ != nullptr) splice_->cancel();
    if (waiter_ == nullptr) return;
    is_cancelled_ = true;
    // In this order: who waits for a buffer is armed first, so that there is something to cancel.
    stop_starving();
    stop();
  }
  void shut() {
    is_shut_ = true;
    stop_starving();
  }
  // The stream is gone: frees itself when the kernel has let go.
  void abandon() {
    RINGFENCE_ASSERT(waiter_ == nullptr);
    for (Chunk& chunk : held_) chunk.reset();
    is_abandoned_ = true;
    if (std::exchange(is_starved_, false)) ring_.forget(*this);
    if (is_armed_) stop();
    else delete this;
  }

  void complete(int result, uint32_t flags, bool more) override {
    is_armed_ = more;
    if (!more) is_stopping_ = false;
    Chunk chunk = ring_.take_buffer(result, flags, size_);
    if (is_abandoned_) {
      chunk.reset();
      if (!more) delete this;
      return;
    }
    if (result > 0) {
      was_full_ = static_cast<unsigned>(result) >= first_bytes_max;
      if (!expects_long_bodies_) choose_size(static_cast<unsigned>(result));
      take(std::move(chunk));
    } else {
      chunk.reset();
      end(result);
    }
  }

 private:
  static constexpr unsigned large_after = 2;   // Full small buffers one after the other.
  static constexpr unsigned small_after = 32;  // Receives of little into large buffers.
  // Where a long body is expected: room for its header and short messages before it. What of the body comes
  // with them is copied.
  static constexpr unsigned first_bytes_max = 2048;
  static constexpr size_t held_max =
      2;  // Until the cancel takes effect a turn of the loop may bring a few more.

  void arm() {
    if (is_armed_ || is_starved_) return;
    is_armed_ = true;
    if (expects_long_bodies_) {
      // What filled the last one was not the beginning of a long body.
      size_ = next_size_ = ring::BufferSize::small;
      ring_.receive_once(fd_, *this, size_, was_full_ ? 0 : first_bytes_max);
      return;
    }
    size_ = next_size_;
    // A stream brings one buffer in each turn of the loop, however fast it is: a multishot receive would
    // bring all that the socket has, megabytes of it, and the others of the shard would wait for every one.
    if (size_ == ring::BufferSize::large) ring_.receive_once(fd_, *this, size_, 0);
    else ring_.receive_multishot(fd_, *this, size_);
  }
  // What comes in full buffers is a stream, and what does not for a while is one no more. The receive is
  // armed again with buffers of the other size, by way of the same cancel as in back-pressure.
  void choose_size(unsigned bytes) {
    unsigned small_bytes = ring_.buffer_bytes(ring::BufferSize::small);
    bool is_large = next_size_ == ring::BufferSize::large;
    bool fits_better = is_large ? bytes <= small_bytes / 2 : bytes >= small_bytes;
    if (!fits_better) {
      changes_wanted_ = 0;
      return;
    }
    if (++changes_wanted_ < (is_large ? small_after : large_after)) return;
    changes_wanted_ = 0;
    if (!is_large && ring_.buffers_are_out(ring::BufferSize::large)) return;
    next_size_ = is_large ? ring::BufferSize::small : ring::BufferSize::large;
    stop();
  }
  void stop() {
    if (!is_armed_ || is_stopping_) return;
    is_stopping_ = true;
    ring_.cancel(*this);
  }
  // Waiting for a buffer, nothing of the socket's would be noticed; the kernel's answer to a new receive is.
  void stop_starving() {
    if (!std::exchange(is_starved_, false)) return;
    ring_.forget(*this);
    arm();
  }
  void take(Chunk chunk) {
    if (waiter_ != nullptr) {
      is_cancelled_ = false;
      Receive* waiter = std::exchange(waiter_, nullptr);
      if (!waiter->is_awaited() && ring_.buffers_are_scarce()) chunk.detach();
      // May abandon this.
      waiter->complete(std::move(chunk), 0);
      return;
    }
    if (ring_.buffers_are_scarce()) chunk.detach();
    if (held_count_ == held_.size()) held_.emplace_back();
    held_[held_count_++] = std::move(chunk);
    if (held_count_ >= held_max) stop();
  }
  void end(int result) {
    if (result == -ENOBUFS && is_starved_) {
      // The pool's word that a buffer came back.
      is_starved_ = false;
      resume();
      return;
    }
    if (result == -ENOBUFS && waiter_ == nullptr) return;  // Armed again when somebody waits.
    if (result == -ENOBUFS && !is_shut_ && !is_cancelled_) {
      if (size_ == ring::BufferSize::large) next_size_ = ring::BufferSize::small;
      if (ring_.buffers_are_out(next_size_)) next_size_ = ring::BufferSize::small;
      if (next_size_ == ring::BufferSize::small && ring_.buffers_are_out(next_size_)) {
        is_starved_ = true;
        ring_.when_buffer_returns(*this);
      } else {
        arm();  // They came back before this word did.
      }
      return;
    }
    if (result == -ENOBUFS) result = is_cancelled_ ? -ECANCELED : 0;
    if (result == -ECANCELED && !is_cancelled_) {
      // Our own back-pressure; whoever began to wait meanwhile still does.
      resume();
      return;
    }
    if (result != -ECANCELED) {
      has_ended_ = true;
      error_ = -result;
    }
    is_cancelled_ = false;
    if (waiter_ == nullptr) return;
    std::exchange(waiter_, nullptr)->complete(Chunk(), -result);
  }
  void resume() {
    if (waiter_ != nullptr) arm();
  }

  ring::Ring& ring_;
  int fd_;
  ring::BufferSize size_ = ring::BufferSize::small;       // Of the buffers that the armed receive takes.
  ring::BufferSize next_size_ = ring::BufferSize::small;  // Of the next one's.
  uint8_t changes_wanted_ = 0;
  Receive* waiter_ = nullptr;
  Splice* splice_ = nullptr;
  std::vector<Chunk> held_;
  size_t held_count_ = 0;
  int error_ = 0;
  bool is_armed_ = false;
  bool is_stopping_ = false;
  bool is_starved_ = false;
  bool is_cancelled_ = false;
  bool is_abandoned_ = false;
  bool is_shut_ = false;
  bool has_ended_ = false;
  bool expects_long_bodies_ = false;
  bool was_full_ = false;
};

SocketStream::SocketStream(ring::Shard& shard, int fd)
    : shard_(shard), fd_(fd), receiver_(new Receiver(shard.ring(), fd)) {
  int on = 1;
  // Fails on Unix sockets, which have no such delay.
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

SocketStream::~SocketStream() {
  RINGFENCE_ASSERT(send_.waiter == nullptr);
  receiver_->abandon();
  ::close(fd_);
}

void SocketStream::shutdown() {
  if (is_shut_) return;
  is_shut_ = true;
  ::shutdown(fd_, SHUT_RDWR);
  receiver_->shut();
}

// Without a port and an address a connection is at its end, and its peer hears of it by a reset (connect(2),
// AF_UNSPEC). A Unix socket has no reset.
void SocketStream::reset() {
  if (is_shut_) return;
  sockaddr nowhere{};
  nowhere.sa_family = AF_UNSPEC;
  const struct linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  // What is pending ends by it; what is armed later is told by the socket.
  if (::connect(fd_, &nowhere, sizeof nowhere) != 0) return shutdown();
  is_shut_ = true;
  receiver_->shut();
  receiver_->cancel();
}

void SocketStream::shutdown_write() { ::shutdown(fd_, SHUT_WR); }

void SocketStream::cancel_receive() { receiver_->cancel(); }

// Of TCP what is not acknowledged (tcp(7), SIOCOUTQ); of a Unix socket what its peer has not read.
uint64_t SocketStream::unsent() const {
  int bytes = 0;
  return ::ioctl(fd_, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? static_cast<uint64_t>(bytes) : 0;
}

std::string SocketStream::peer() const { return to_string(peer_address(fd_)); }

void SocketStream::begin_receive(Receive& receive) { receiver_->begin(receive); }
void SocketStream::redirect_receive(Receive& receive) { receiver_->redirect(receive); }

void SocketStream::expect_long_bodies(bool is_so) { receiver_->expect_long_bodies(is_so); }
bool SocketStream::has_nothing_ahead() const { return receiver_->has_nothing_ahead(); }

int SocketStream::begin_splice(Splice& splice) {
  make_nonblocking();
  receiver_->begin_splice(splice);
  return fd_;
}

void SocketStream::end_splice(int error) { receiver_->end_splice(error); }

int SocketStream::splice_into() {
  RINGFENCE_ASSERT(send_.waiter == nullptr);
  make_nonblocking();
  return fd_;
}

// For splice(2), whose own flag is about the pipe alone. The ring's receives and sends wait as before.
void SocketStream::make_nonblocking() {
  if (!std::exchange(is_nonblocking_, true)) ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
}

size_t SocketStream::try_send(ByteView bytes, bool more) {
  if (send_.waiter != nullptr || bytes.empty()) return 0;
  // A failure shows at the next send that has to happen.
  count_system_call();
  ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
  return sent > 0 ? static_cast<size_t>(sent) : 0;
}

int SocketStream::encrypt_by_kernel(const TlsSendingKeys& keys) {
  if (send_.waiter != nullptr || is_shut_) return EBUSY;
  int error = start_kernel_sending(fd_, keys);
  is_encrypted_ = is_encrypted_ || error == 0;
  return error;
}

void SocketStream::try_send_alert(ByteView alert) {
  // In the middle of a send it would stand before the rest of it.
  if (send_.waiter == nullptr && !is_shut_) send_kernel_alert(fd_, alert);
}

void SocketStream::begin_send(Send& send, ByteView bytes) {
  RINGFENCE_ASSERT(send_.waiter == nullptr);
  // Most sends fit into the socket's buffer. Attempted at once they need neither a submission nor a
  // completion, and the turn of the loop that would only deliver that completion is spared.
  count_system_call();
  ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    send.complete(errno);
    return;
  }
  if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
  if (bytes.empty()) {
    send.complete(0);
    return;
  }
  // A peer that reads slowly costs its own session memory, not the buffers that all sessions share.
  if (shard_.ring().buffers_are_scarce()) bytes = send.settle(bytes);
  send_.waiter = &send;
  send_.rest = bytes;
  submit_send();
}

void SocketStream::submit_send() {
  if (is_encrypted_) shard_.ring().send_some(fd_, send_.rest, send_);
  else shard_.ring().send(fd_, send_.rest, send_);
}

void SocketStream::SendOperation::complete(int result, uint32_t, bool) {
  if (result > 0 && static_cast<size_t>(result) < rest.size()) {
    // Rare where all was asked for: a signal or a socket that was shut in the middle.
    rest.remove_prefix(static_cast<size_t>(result));
    stream.submit_send();
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

ring::Task<Result<std::unique_ptr<Stream>>> Connecting::run() {
  int fd = ::socket(address_.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return fail_errno(errno, "socket");
  ConnectOperation operation;
  bool timed_out = false;
  ring::CallbackTimer timer(shard_.timers(), [&] {
    timed_out = true;
    shard_.ring().cancel(operation);
  });
  if (timeout_ms_ > 0) timer.arm(shard_.now_ns() + timeout_ms_ * 1'000'000);
  running_ = &operation;
  shard_.ring().connect(fd, address_.get(), address_.size, operation);
  co_await operation.done;
  running_ = nullptr;
  if (operation.result < 0) {
    ::close(fd);
    std::string where = to_string(address_);
    if (timed_out) co_return fail(Fault::timeout, "no connection to " + where + " within the time allowed");
    co_return fail_errno(-operation.result, "connect to " + where);
  }
  co_return std::unique_ptr<Stream>(std::make_unique<SocketStream>(shard_, fd));
}

void Connecting::cancel() {
  if (running_ != nullptr) shard_.ring().cancel(*running_);
}

}  // namespace ringfence::net
