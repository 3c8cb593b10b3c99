#include "ringfence/ring/ring.h"

#include <liburing.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <deque>
#include <vector>

namespace ringfence::ring {

// The provided-buffer ring (IORING_REGISTER_PBUF_RING, kernel 5.19). Buffers are taken by the kernel in the
// order in which they came back.
class BufferPool final : public ChunkOwner {
 public:
  static Result<std::unique_ptr<BufferPool>> create(io_uring& uring, uint16_t group, unsigned count,
                                                    unsigned buffer_bytes) {
    std::unique_ptr<BufferPool> pool(new BufferPool(count, buffer_bytes));
    size_t ring_bytes = count * sizeof(io_uring_buf);
    void* ring_memory = mmap(nullptr, ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring_memory == MAP_FAILED) return fail_errno(errno, "mmap of the buffer ring");
    pool->ring_ = static_cast<io_uring_buf_ring*>(ring_memory);
    void* memory =
        mmap(nullptr, pool->memory_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail_errno(errno, "mmap of the receive buffers");
    pool->memory_ = static_cast<char*>(memory);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<uint64_t>(pool->ring_);
    registration.ring_entries = count;
    registration.bgid = group;
    int rc = io_uring_register_buf_ring(&uring, &registration, 0);
    if (rc < 0) return fail_errno(-rc, "registering provided buffers (needs Linux 5.19 or newer)");
    io_uring_buf_ring_init(pool->ring_);
    for (unsigned id = 0; id < count; ++id) pool->add(id, id);
    io_uring_buf_ring_advance(pool->ring_, static_cast<int>(count));
    return pool;
  }
  ~BufferPool() {
    if (ring_ != nullptr) munmap(ring_, count_ * sizeof(io_uring_buf));
    if (memory_ != nullptr) munmap(memory_, memory_bytes());
  }

  void release(uint32_t id) override {
    --taken_;
    add(id, 0);
    io_uring_buf_ring_advance(ring_, 1);
    // A woken receive may find nothing to take, and so give nothing back that would wake the next: with
    // buffers enough all are woken, else the one that waits longest.
    size_t wakes = taken_ * 4 < count_ * 3 ? starved_.size() : starved_.empty() ? 0 : 1;
    for (; wakes > 0 && !starved_.empty(); --wakes) {
      Operation* operation = starved_.front();
      starved_.pop_front();
      operation->complete(-ENOBUFS, 0, false);
    }
  }
  ByteView take(uint32_t id, size_t size) {
    ++taken_;
    return {memory_ + size_t{id} * buffer_bytes_, size};
  }
  void wait(Operation& operation) { starved_.push_back(&operation); }
  void forget(Operation& operation) { std::erase(starved_, &operation); }
  bool is_out() const { return taken_ >= count_; }
  bool is_scarce() const { return taken_ * 2 >= count_; }
  unsigned buffer_bytes() const { return buffer_bytes_; }

 private:
  BufferPool(unsigned count, unsigned buffer_bytes) : count_(count), buffer_bytes_(buffer_bytes) {}
  size_t memory_bytes() const { return size_t{count_} * buffer_bytes_; }
  void add(unsigned id, unsigned offset) {
    io_uring_buf_ring_add(ring_, memory_ + size_t{id} * buffer_bytes_, buffer_bytes_,
                          static_cast<uint16_t>(id), io_uring_buf_ring_mask(count_),
                          static_cast<int>(offset));
  }

  unsigned count_;
  unsigned buffer_bytes_;
  io_uring_buf_ring* ring_ = nullptr;
  char* memory_ = nullptr;
  unsigned taken_ = 0;
  std::deque<Operation*> starved_;
};

namespace {

// Each flag and what it trades.
constexpr unsigned setup_flags =
    IORING_SETUP_SINGLE_ISSUER    // One thread submits: no locking in the kernel.
    | IORING_SETUP_DEFER_TASKRUN  // Completions run when we enter, not by interrupt.
    | IORING_SETUP_TASKRUN_FLAG   // The ring says that completions wait to be run.
    | IORING_SETUP_CQSIZE         // Room for multishot accepts and bursts.
    | IORING_SETUP_SUBMIT_ALL;    // One bad entry does not hold back the others.

tl::unexpected<Error> setup_failed(int error) {
  switch (error) {
    case ENOSYS:
      return fail(Fault::unavailable,
                  "io_uring is not in this kernel; Ringfence needs Linux 6.1 or newer with CONFIG_IO_URING");
    case EPERM:
      return fail(
          Fault::unavailable,
          "io_uring is forbidden here: set `sysctl kernel.io_uring_disabled=0`, or, in a container, use a "
          "seccomp profile that admits io_uring_setup, io_uring_enter and io_uring_register");
    case ENOMEM:
      return fail(Fault::unavailable,
                  "io_uring could not lock its memory: raise the memlock limit (`ulimit -l unlimited`, or "
                  "LimitMEMLOCK=infinity in the unit)");
    case EINVAL:
      return fail(Fault::unavailable,
                  "this kernel's io_uring lacks DEFER_TASKRUN; Ringfence needs Linux 6.1 or newer");
    default: return fail_errno(error, "io_uring_queue_init");
  }
}

}  // namespace

Ring::Ring() : uring_(std::make_unique<io_uring>()) {}

Result<std::unique_ptr<Ring>> Ring::create(const RingOptions& options) {
  std::unique_ptr<Ring> ring(new Ring());
  io_uring_params parameters{};
  parameters.flags = setup_flags;
  parameters.cq_entries = options.entries * 4;
  int rc = io_uring_queue_init_params(options.entries, ring->uring_.get(), &parameters);
  if (rc < 0) {
    ring->uring_.reset();
    return setup_failed(-rc);
  }
  // Saves a lookup of the descriptor on each enter; without it all works the same.
  io_uring_register_ring_fd(ring->uring_.get());
  for (BufferSize size : {BufferSize::small, BufferSize::large}) {
    bool is_large = size == BufferSize::large;
    auto pool = BufferPool::create(*ring->uring_, static_cast<uint16_t>(size),
                                   is_large ? options.large_buffers : options.buffers,
                                   is_large ? options.large_buffer_bytes : options.buffer_bytes);
    if (!pool) return unexpected(std::move(pool).error());
    ring->pools_[static_cast<size_t>(size)] = std::move(*pool);
  }
  return ring;
}

Ring::~Ring() {
  if (uring_) io_uring_queue_exit(uring_.get());
}

unsigned Ring::buffer_bytes(BufferSize size) const { return pool(size).buffer_bytes(); }

io_uring_sqe* Ring::sqe() {
  io_uring_sqe* entry = io_uring_get_sqe(uring_.get());
  while (entry == nullptr) {
    ++counters_.enters;
    io_uring_submit(uring_.get());
    entry = io_uring_get_sqe(uring_.get());
  }
  ++counters_.submissions;
  return entry;
}

void Ring::wait(uint64_t wait_ns) {
  io_uring* uring = uring_.get();
  ++counters_.enters;
  if (wait_ns == wait_forever) {
    io_uring_submit_and_wait(uring, 1);
  } else if (wait_ns == 0) {
    io_uring_submit_and_get_events(uring);
  } else {
    __kernel_timespec timeout{};
    timeout.tv_sec = static_cast<int64_t>(wait_ns / 1'000'000'000);
    timeout.tv_nsec = static_cast<long long>(wait_ns % 1'000'000'000);
    io_uring_cqe* first = nullptr;
    io_uring_submit_and_wait_timeout(uring, &first, 1, &timeout, nullptr);
  }
}

bool Ring::has_news() const {
  return io_uring_cq_ready(uring_.get()) > 0 || (__atomic_load_n(uring_->sq.kflags, __ATOMIC_RELAXED) &
                                                 (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

bool Ring::has_unsubmitted() const { return io_uring_sq_ready(uring_.get()) > 0; }

int Ring::deliver() {
  io_uring* uring = uring_.get();
  int delivered = 0;
  io_uring_cqe* batch[64];
  // A bounded number of rounds, so that mail and timers are looked at between floods.
  for (int round = 0; round < 64; ++round) {
    unsigned count = io_uring_peek_batch_cqe(uring, batch, 64);
    if (count == 0) break;
    struct Completion {
      Operation* operation;
      int result;
      uint32_t flags;
    } completions[64];
    for (unsigned i = 0; i < count; ++i) {
      completions[i] = {static_cast<Operation*>(io_uring_cqe_get_data(batch[i])), batch[i]->res,
                        batch[i]->flags};
    }
    // The slots go back before anything runs: what runs may submit and complete more.
    io_uring_cq_advance(uring, count);
    for (unsigned i = 0; i < count; ++i) {
      const Completion& done = completions[i];
      if (done.operation != nullptr) {
        done.operation->complete(done.result, done.flags, (done.flags & IORING_CQE_F_MORE) != 0);
      }
    }
    delivered += static_cast<int>(count);
    if (count < 64) break;
  }
  counters_.completions += static_cast<uint64_t>(delivered);
  return delivered;
}

void Ring::receive_multishot(int fd, Operation& operation, BufferSize size) {
  io_uring_sqe* entry = sqe();
  io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = static_cast<uint16_t>(size);
  io_uring_sqe_set_data(entry, &operation);
}

void Ring::receive_once(int fd, Operation& operation, BufferSize size, unsigned bytes_max) {
  io_uring_sqe* entry = sqe();
  io_uring_prep_recv(entry, fd, nullptr, bytes_max, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = static_cast<uint16_t>(size);
  io_uring_sqe_set_data(entry, &operation);
}

void Ring::poll(int fd, unsigned events, Operation& operation) {
  io_uring_sqe* entry = sqe();
  io_uring_prep_poll_add(entry, fd, events);
  io_uring_sqe_set_data(entry, &operation);
}

void Ring::send(int fd, ByteView bytes, Operation& operation) {
  io_uring_sqe* entry = sqe();
  io_uring_prep_send(entry, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_WAITALL);
  io_uring_sqe_set_data(entry, &operation);
}

void Ring::send_some(int fd, ByteView bytes, Operation& operation) {
  io_uring_sqe* entry = sqe();
  io_uring_prep_send(entry, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  io_uring_sqe_set_data(entry, &operation);
}

void Ring::accept_multishot(int fd, Operation& operation) {
  io_uring_sqe* entry = sqe();
  io_uring_prep_multishot_accept(entry, fd, nullptr, nullptr, SOCK_CLOEXEC);
  io_uring_sqe_set_data(entry, &operation);
}

void Ring::connect(int fd, const sockaddr* address, socklen_t size, Operation& operation) {
  io_uring_sqe* entry = sqe();
  io_uring_prep_connect(entry, fd, address, size);
  io_uring_sqe_set_data(entry, &operation);
}

void Ring::read(int fd, void* into, unsigned size, Operation& operation) {
  io_uring_sqe* entry = sqe();
  io_uring_prep_read(entry, fd, into, size, 0);
  io_uring_sqe_set_data(entry, &operation);
}

void Ring::cancel(Operation& operation) {
  io_uring_sqe* entry = sqe();
  io_uring_prep_cancel(entry, &operation, 0);
  io_uring_sqe_set_data(entry, nullptr);
}

Chunk Ring::take_buffer(int bytes, uint32_t flags, BufferSize size) {
  if ((flags & IORING_CQE_F_BUFFER) == 0) return {};
  uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;
  BufferPool& from = pool(size);
  return Chunk(from.take(id, bytes > 0 ? static_cast<size_t>(bytes) : 0), &from, id);
}

void Ring::when_buffer_returns(Operation& operation) {
  ++counters_.buffers_exhausted;
  pool(BufferSize::small).wait(operation);
}

void Ring::forget(Operation& operation) { pool(BufferSize::small).forget(operation); }
bool Ring::buffers_are_scarce() const {
  return pool(BufferSize::small).is_scarce() || pool(BufferSize::large).is_scarce();
}
bool Ring::buffers_are_out(BufferSize size) const { return pool(size).is_out(); }

Result<Probe> probe() {
  Probe found;
  utsname name{};
  if (uname(&name) == 0) found.kernel = name.release;
  RingOptions smallest;
  smallest.entries = 8;
  smallest.buffers = 1;
  smallest.buffer_bytes = 4096;
  smallest.large_buffers = 1;
  smallest.large_buffer_bytes = 4096;
  auto ring = Ring::create(smallest);
  if (!ring) return unexpected(std::move(ring).error().in("kernel " + found.kernel));
  int major = 0;
  int minor = 0;
  if (std::sscanf(name.release, "%d.%d", &major, &minor) == 2) {
    found.bundles = major > 6 || (major == 6 && minor >= 10);
  }
  return found;
}

}  // namespace ringfence::ring
