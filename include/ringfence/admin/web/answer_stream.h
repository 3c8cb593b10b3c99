// An answer's body that goes out while it is made: in chunks, or until the connection ends (HTTP/1.0).
//
// The producer is the route's handler, on the server's thread. What it writes goes into a buffer with a bound
// and from there to the peer, 16 KiB at a time; a peer that takes none of these within `stall_ms` loses its
// connection. When the handler returns, the body is complete.
//
//   AnswerStream& out = responder.stream(head);
//   subscription.on_event([&out] { out.wake(); });
//   while (!out.has_ended() && !out.is_stopping()) {
//     ... out.write(event) ...
//     Task<bool> waiting = out.wait(15'000);
//     bool has_news = co_await waiting;
//     if (!has_news) ... out.write(": still there\n\n") ...
//   }
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ringfence/net/stream.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/task.h"

namespace ringfence::admin {

class AnswerStream final : private net::Send::Watcher {
 public:
  // Written, not yet given to the socket.
  static constexpr size_t buffer_bytes_max = 64 * 1024;
  static constexpr size_t send_bytes_max = 16 * 1024;

  enum class Framing : uint8_t { none, chunks, closing };  // none: HEAD, 204 and 304 have no body.

  // `head` goes out at once. `stalled` counts.
  AnswerStream(ring::Shard& shard, net::Stream& stream, Framing framing, std::string head, uint64_t stall_ms,
               uint64_t& stalled);
  ~AnswerStream();
  AnswerStream(const AnswerStream&) = delete;
  AnswerStream& operator=(const AnswerStream&) = delete;

  // Takes the bytes if there is room for all of them, otherwise none: wait() then ends when the peer has
  // taken some. From anywhere on the thread. At most max_write bytes can ever be taken.
  static constexpr size_t max_write = buffer_bytes_max / 2;
  bool try_write(ByteView bytes);
  // Any number of bytes; waits for room. False: the stream has ended. The handler's coroutine only, as
  // wait().
  ring::Task<bool> write(ByteView bytes);
  // True: something has happened since the last wait: wake(), room where there was none, the end, or the
  // stop. False: `ms` have passed without. 0: however long it takes.
  ring::Task<bool> wait(uint64_t ms);
  void wake();

  // Nothing goes out any more: the peer has left or does not take, or wants no body.
  bool has_ended() const { return has_ended_; }
  // The server stops. A producer without an end comes to one; others may go on, and are cut off at the
  // server's deadline.
  bool is_stopping() const { return is_stopping_; }
  // The body stays incomplete, and the peer will see that.
  void break_off() { is_broken_ = true; }

  // For the server. After the handler: the rest goes out. False: the connection is of no use any more.
  ring::Task<bool> finish();
  void stop();
  void peer_left();

 private:
  struct Wait;
  void sent() override;
  void pump();
  bool finish_send();
  void end();
  void signal();
  void go_on();

  ring::Shard& shard_;
  net::Stream& stream_;
  Framing framing_;
  uint64_t stall_ms_;
  uint64_t& stalled_;
  std::string buffer_;   // Framed.
  std::string sending_;  // Held by send_.
  std::optional<net::Send> send_;
  bool is_sending_ = false;
  bool is_lost_ = false;
  bool has_ended_ = false;
  bool is_stopping_ = false;
  bool is_broken_ = false;
  bool wants_room_ = false;
  bool is_signalled_ = false;
  std::coroutine_handle<> waiter_;
  ring::CallbackTimer stall_timer_;
  ring::CallbackTimer wait_timer_;
};

}  // namespace ringfence::admin
