// The io_uring of one thread, and its provided receive buffers. The only user of liburing.
//
// A Ring is created, used and destroyed on one thread (SINGLE_ISSUER, DEFER_TASKRUN). An Operation that was
// submitted lives, unmoved, until its completion was delivered, whether it was cancelled or not; so do the
// bytes of a send. One wait() is one io_uring_enter: it submits what was queued and collects what completed.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"
#include "ringfence/base/thread_counts.h"

struct io_uring;
struct io_uring_sqe;

namespace ringfence::ring {

// What waits for a completion. `result` is the system call's: bytes, a descriptor, or -errno.
class Operation {
 public:
  // `more`: a multishot operation stays armed and will complete again.
  virtual void complete(int result, uint32_t flags, bool more) = 0;

 protected:
  ~Operation() = default;
};

struct RingOptions {
  unsigned entries = 1024;  // Submission queue; the completion queue is four times as large.
  // Provided buffers, each a power of two: see docs/architecture.md on sizes.
  unsigned buffers = 256;
  unsigned buffer_bytes = 16384;
  unsigned large_buffers = 64;
  unsigned large_buffer_bytes = 65536;
};

// Small buffers for messages, large ones for streams: a stream costs fewer receives and sends with them, and
// messages keep to memory that the core's cache still has.
enum class BufferSize : uint8_t { small, large };

// Counted by the ring's thread, read by others: plain loads and stores, relaxed.
struct RingCounters {
  uint64_t enters = 0;
  uint64_t submissions = 0;
  uint64_t completions = 0;
  uint64_t buffers_exhausted = 0;
  uint64_t spins = 0;      // Times that the shard looked around before it slept,
  uint64_t spins_hit = 0;  // and found work.
  uint64_t spun_ns = 0;
};

class BufferPool;

// A provided buffer's bytes, given back to the kernel when the Chunk is destroyed. Other sources of chunks
// (in-memory streams) own bytes of their own.
class ChunkOwner {
 public:
  virtual void release(uint32_t id) = 0;

 protected:
  ~ChunkOwner() = default;
};

class Chunk {
 public:
  Chunk() = default;
  Chunk(ByteView bytes, ChunkOwner* owner, uint32_t id) : bytes_(bytes), owner_(owner), id_(id) {}
  Chunk(Chunk&& other) noexcept
      : bytes_(other.bytes_), owner_(other.owner_), id_(other.id_), own_(std::move(other.own_)) {
    other.owner_ = nullptr;
    other.bytes_ = {};
  }
  Chunk& operator=(Chunk&& other) noexcept {
    if (this != &other) {
      reset();
      bytes_ = other.bytes_;
      owner_ = other.owner_;
      id_ = other.id_;
      own_ = std::move(other.own_);
      other.owner_ = nullptr;
      other.bytes_ = {};
    }
    return *this;
  }
  ~Chunk() { reset(); }

  // A chunk with bytes of its own.
  static Chunk copy_of(ByteView bytes) {
    Chunk out;
    out.own_ = std::make_unique<char[]>(bytes.size());
    if (!bytes.empty()) std::memcpy(out.own_.get(), bytes.data(), bytes.size());
    count_copy(bytes.size());
    out.bytes_ = ByteView(out.own_.get(), bytes.size());
    return out;
  }

  // Empty at the end of the stream.
  ByteView bytes() const { return bytes_; }
  // Drops bytes from the front; they are not given back until the whole is.
  void consume(size_t size) { bytes_.remove_prefix(size); }
  void reset() {
    if (owner_ != nullptr) owner_->release(id_);
    owner_ = nullptr;
    own_.reset();
    bytes_ = {};
  }
  // Moves the bytes to memory of the chunk's own and gives the buffer back: for bytes that will have to wait.
  void detach() {
    if (owner_ == nullptr) return;
    auto own = std::make_unique<char[]>(bytes_.size());
    std::memcpy(own.get(), bytes_.data(), bytes_.size());
    count_copy(bytes_.size());
    size_t size = bytes_.size();
    reset();
    own_ = std::move(own);
    bytes_ = ByteView(own_.get(), size);
  }

 private:
  ByteView bytes_;
  ChunkOwner* owner_ = nullptr;
  uint32_t id_ = 0;
  std::unique_ptr<char[]> own_;
};

class Ring {
 public:
  // Fails with the cure when the kernel lacks or forbids what is needed; see probe().
  static Result<std::unique_ptr<Ring>> create(const RingOptions& options);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Submits and waits for at least one completion or until `wait_ns` has passed (0: does not wait).
  static constexpr uint64_t wait_forever = ~uint64_t{0};
  void wait(uint64_t wait_ns);
  // Whether wait(0) would find something: without a system call, so only where nothing is left to submit.
  bool has_news() const;
  bool has_unsubmitted() const;
  // Delivers the completions that are there, up to a bound. Returns how many.
  int deliver();

  // Receives into provided buffers, again and again until an error, the end, a cancel or a lack of buffers;
  // complete() is given flags for take_buffer.
  void receive_multishot(int fd, Operation& operation, BufferSize size);
  // Once, at most `bytes_max` bytes (0: as many as the buffer holds).
  void receive_once(int fd, Operation& operation, BufferSize size, unsigned bytes_max);
  // Completes when one of the poll(2) events is there, or an error or the end, with what is there.
  void poll(int fd, unsigned events, Operation& operation);
  // Sends all of it (the kernel retries short sends) unless the socket fails.
  void send(int fd, ByteView bytes, Operation& operation);
  // Sends some of it: for sockets whose kernel makes TLS records, which refuse the flag that asks for all
  // (EOPNOTSUPP).
  void send_some(int fd, ByteView bytes, Operation& operation);
  void accept_multishot(int fd, Operation& operation);
  void connect(int fd, const sockaddr* address, socklen_t size, Operation& operation);
  void read(int fd, void* into, unsigned size, Operation& operation);
  // The cancelled operation still completes, with -ECANCELED or its own result.
  void cancel(Operation& operation);

  // The `bytes` bytes that a receive into buffers of this size with these completion flags brought.
  Chunk take_buffer(int bytes, uint32_t flags, BufferSize size);
  // Completes once, with -ENOBUFS, when a small buffer comes back after one of receive's completions was
  // -ENOBUFS.
  void when_buffer_returns(Operation& operation);
  // Takes the operation from those that wait for a buffer.
  void forget(Operation& operation);
  // Half of the buffers of a size are taken: bytes that have to wait are better off in memory of their own.
  bool buffers_are_scarce() const;
  bool buffers_are_out(BufferSize size) const;

  const RingCounters& counters() const { return counters_; }
  unsigned buffer_bytes(BufferSize size) const;

 private:
  Ring();
  io_uring_sqe* sqe();

  BufferPool& pool(BufferSize size) const { return *pools_[static_cast<size_t>(size)]; }

  std::unique_ptr<io_uring> uring_;
  std::array<std::unique_ptr<BufferPool>, 2> pools_;  // By BufferSize.
  RingCounters counters_;
};

// What this kernel can do for us. Fails with what is missing and the cure.
struct Probe {
  std::string kernel;    // As uname says it.
  bool bundles = false;  // Receive and send bundles (6.10 and newer).
};
Result<Probe> probe();

}  // namespace ringfence::ring
