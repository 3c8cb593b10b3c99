// A connection's bytes, whatever carries them: TCP and Unix sockets, TLS, WebSocket, or memory in tests.
//
// At most one receive and one send are pending on a stream at a time. A stream is shut down to cancel: what
// is pending then completes with an error or the end, and only a stream on which nothing is pending is
// destroyed.
#pragma once

#include <cerrno>
#include <coroutine>
#include <memory>
#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"
#include "ringfence/base/thread_counts.h"
#include "ringfence/ring/ring.h"
#include "ringfence/ring/task.h"

namespace ringfence::net {

using ring::Chunk;

class Splice;
class Stream;
struct TlsSendingKeys;

// One receive at a time: start() it ahead, or let co_await start it. Gives the bytes as they came; an empty
// Chunk is the end of the stream.
//
//   Receive receive(stream);
//   Result<Chunk> chunk = co_await receive;
class Receive {
 public:
  // Told instead of a coroutine: streams over streams.
  class Watcher {
   public:
    virtual void received() = 0;

   protected:
    ~Watcher() = default;
  };

  explicit Receive(Stream& stream) : stream_(stream) {}
  // `first` was received earlier: unless it is empty it is given before anything else.
  Receive(Stream& stream, ByteView first) : stream_(stream), started_(!first.empty()), done_(!first.empty()) {
    if (done_) chunk_ = Chunk::copy_of(first);
  }
  Receive(const Receive&) = delete;
  Receive& operator=(const Receive&) = delete;

  // Begins to receive, if that has not begun.
  void start();
  // What `begun` has begun, on the same stream and with nobody waiting, comes to this one instead, which has
  // not.
  void take_over(Receive& begun);
  bool is_started() const { return started_; }
  // Somebody takes what comes at once; otherwise it is kept here until then.
  bool is_awaited() const { return waiter_ != nullptr || watcher_ != nullptr; }
  // Starts it. True when it is done already; otherwise `watcher` is told. Then await_resume() gives what
  // came.
  bool watch(Watcher& watcher) {
    start();
    if (!done_) watcher_ = &watcher;
    return done_;
  }
  // What comes is not told any more; it stays here until it is taken.
  void unwatch() { watcher_ = nullptr; }
  bool await_ready() const noexcept { return done_; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    start();
    if (done_) return false;
    waiter_ = waiter;
    return true;
  }
  Result<Chunk> await_resume();

  // `co_await` until something has come, and no longer: await_resume() gives it then. Whoever waits most of
  // the time keeps no place for it in its frame.
  class Arrival {
   public:
    explicit Arrival(Receive& receive) : receive_(receive) {}
    bool await_ready() const noexcept { return receive_.await_ready(); }
    bool await_suspend(std::coroutine_handle<> waiter) { return receive_.await_suspend(waiter); }
    void await_resume() const noexcept {}

   private:
    Receive& receive_;
  };

  // For streams: the bytes, or an errno value.
  void complete(Chunk chunk, int error) {
    chunk_ = std::move(chunk);
    error_ = error;
    done_ = true;
    if (auto waiter = std::exchange(waiter_, nullptr)) waiter.resume();
    else if (auto* watcher = std::exchange(watcher_, nullptr)) watcher->received();
  }

 private:
  Stream& stream_;
  std::coroutine_handle<> waiter_;
  Watcher* watcher_ = nullptr;
  Chunk chunk_;
  int error_ = 0;
  bool started_ = false;
  bool done_ = false;
};

// Sends all of the bytes, which stay where they are until it has completed. Single use.
class Send {
 public:
  class Watcher {
   public:
    virtual void sent() = 0;

   protected:
    ~Watcher() = default;
  };

  Send(Stream& stream, ByteView bytes) : stream_(stream), bytes_(bytes) {}
  // The same for a chunk's bytes, all or some of them: where they have to wait and receive buffers are
  // scarce, they are moved out of the buffer. `bytes` is not valid afterwards.
  Send(Stream& stream, ByteView bytes, Chunk& chunk) : stream_(stream), bytes_(bytes), chunk_(&chunk) {}
  // One that has begun, and that nobody waits for yet, may move; then its chunk is told anew.
  Send(Send&& begun) noexcept;
  void sends_from(Chunk& chunk) {
    if (!own_) chunk_ = &chunk;
  }
  Send(const Send&) = delete;
  Send& operator=(const Send&) = delete;

  // Starts it. True when it is done already; otherwise it is to be awaited.
  bool begin();
  bool await_ready() const noexcept { return done_ || bytes_.empty(); }
  bool await_suspend(std::coroutine_handle<> waiter);
  Result<void> await_resume();
  // Of one that is done, in place of await_resume().
  bool is_sent() const { return error_ == 0; }
  // Starts it. True when it is done already; otherwise `watcher` is told. Then await_resume() says how it
  // went.
  bool watch(Watcher& watcher);

  // For streams that have to wait with `rest` unsent while buffers are scarce: where the rest stands from now
  // on.
  ByteView settle(ByteView rest) {
    if (chunk_ == nullptr) return rest;
    own_ = std::make_unique<char[]>(rest.size());
    std::memcpy(own_.get(), rest.data(), rest.size());
    count_copy(rest.size());
    chunk_->reset();
    return ByteView(own_.get(), rest.size());
  }
  void complete(int error) {
    error_ = error;
    done_ = true;
    if (auto waiter = std::exchange(waiter_, nullptr)) waiter.resume();
    else if (auto* watcher = std::exchange(watcher_, nullptr)) watcher->sent();
  }

 private:
  Stream& stream_;
  Watcher* watcher_ = nullptr;
  ByteView bytes_;
  Chunk* chunk_ = nullptr;
  std::unique_ptr<char[]> own_;
  std::coroutine_handle<> waiter_;
  int error_ = 0;
  bool is_begun_ = false;
  bool done_ = false;
};

class Stream {
 public:
  virtual ~Stream() = default;

  // Ends both directions: pending and later operations complete. Idempotent.
  virtual void shutdown() = 0;
  // The same, and the peer is told that what it has read is not all (TCP: a reset).
  virtual void reset() { shutdown(); }
  // Ends only our direction: the peer reads the end after what was sent.
  virtual void shutdown_write() = 0;
  // A pending receive completes soon, with an error if nothing came; the stream stays usable.
  virtual void cancel_receive() = 0;
  // Bytes that were given to it and that the peer's machine has not taken yet, as far as that is known.
  virtual uint64_t unsent() const { return 0; }
  // Whom we talk to, for people: "127.0.0.1:5432", "unix:/run/x".
  virtual std::string peer() const = 0;
  // Sends as much as goes without waiting and says how much that was. Only while no send is pending. `more`:
  // what follows at once may leave together with it.
  virtual size_t try_send(ByteView, bool more) {
    (void)more;
    return 0;
  }
  // From now on what is sent leaves as TLS records that the kernel makes. An errno value, or 0: where there
  // is no kernel beneath, it is not able to, or a send is pending, nothing has changed.
  virtual int encrypt_by_kernel(const TlsSendingKeys&) { return EOPNOTSUPP; }
  // An alert of that TLS, if it goes at once.
  virtual void try_send_alert(ByteView) {}

  // Whether bytes may go into and out of it by a Splice (net/splice.h): nothing but a socket lies beneath.
  virtual bool can_splice() const { return false; }
  // Long bodies come that can be spliced: a receive brings little then, and only when it is asked for, so
  // that the rest is still in the socket.
  virtual void expect_long_bodies(bool) {}
  // What comes next is still in the socket: nothing has been received, or will be, but by a receive that is
  // begun.
  virtual bool has_nothing_ahead() const { return false; }

 protected:
  friend class Splice;
  // The descriptor to take bytes from, in place of a receive: cancel_receive() goes to `splice` until
  // end_splice(), which says how the input has ended: 0 if it has not, else an errno value.
  virtual int begin_splice(Splice&) { return -1; }
  virtual void end_splice(int) {}
  // The descriptor to give bytes to, in place of a send.
  virtual int splice_into() { return -1; }

  friend class Receive;
  friend class Send;
  // Exactly one complete() on `receive` follows, perhaps before this returns.
  virtual void begin_receive(Receive& receive) = 0;
  // On this one instead. Only while a receive is pending.
  virtual void redirect_receive(Receive& receive) = 0;
  virtual void begin_send(Send& send, ByteView bytes) = 0;
  // The pending send is at `to` now.
  virtual void send_moved(Send& to) = 0;
  // For streams that have nothing to do with a send of theirs but to pass it on.
  static void pass_on(Stream& to, Send& send, ByteView bytes) { to.begin_send(send, bytes); }
  static void pass_on_moved(Stream& to, Send& send) { to.send_moved(send); }
};

// The first `size` bytes are gathered from a stream that may bring them in any pieces; what came beyond them
// stays in the buffer. For set-up phases.
class Gather {
 public:
  explicit Gather(Stream& stream) : stream_(&stream) {}
  // Goes on with another stream, one that was laid over the first (TLS). Only while nothing is gathered: what
  // came before in the clear would otherwise be taken for something that came by the new one.
  void go_on_with(Stream& stream) {
    RINGFENCE_ASSERT(size() == 0);
    stream_ = &stream;
  }
  // Until size() is at least `size`. Fault::closed at the end of the stream.
  ring::Task<Result<void>> at_least(size_t size);
  ByteView bytes() const { return ByteView(buffer_).substr(begin_); }
  size_t size() const { return buffer_.size() - begin_; }
  void consume(size_t size);

 private:
  Stream* stream_;
  std::string buffer_;
  size_t begin_ = 0;
};

}  // namespace ringfence::net
