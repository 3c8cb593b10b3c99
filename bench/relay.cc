// The floor for any proxy: a bare io_uring relay on one thread that inspects nothing, records nothing and
// asks nobody who he is. It uses the ring as the appliance does (SINGLE_ISSUER, DEFER_TASKRUN, provided
// buffers, multishot receive, a send attempted at once), so that what the appliance costs above it is what
// its work costs.
//
//   relay LISTEN_PORT BACKEND_PORT [BUFFER_BYTES [BUFFERS]]
//
// For well-behaved peers on loopback: a pair ends when either side does.
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace {

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

constexpr int group = 0;

class Buffers {
 public:
  Buffers(io_uring& uring, unsigned bytes, unsigned count) : bytes_(bytes), count_(count) {
    ring_ = static_cast<io_uring_buf_ring*>(map(count * sizeof(io_uring_buf)));
    memory_ = static_cast<char*>(map(size_t{count} * bytes));
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<uint64_t>(ring_);
    registration.ring_entries = count;
    registration.bgid = group;
    if (io_uring_register_buf_ring(&uring, &registration, 0) < 0) die("io_uring_register_buf_ring");
    io_uring_buf_ring_init(ring_);
    for (unsigned id = 0; id < count; ++id) release(id);
  }
  char* at(unsigned id) { return memory_ + size_t{id} * bytes_; }
  void release(unsigned id) {
    io_uring_buf_ring_add(ring_, at(id), bytes_, static_cast<uint16_t>(id), io_uring_buf_ring_mask(count_),
                          0);
    io_uring_buf_ring_advance(ring_, 1);
  }

 private:
  static void* map(size_t size) {
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) die("mmap");
    return at;
  }
  unsigned bytes_, count_;
  io_uring_buf_ring* ring_;
  char* memory_;
};

struct Pair;

// One direction of a pair: what comes from `from` goes to `to`.
struct Direction {
  struct Piece {
    unsigned id;
    const char* at;
    size_t size;
  };
  Pair* pair = nullptr;
  int from = -1, to = -1;
  bool is_receiving = false, is_sending = false;
  std::deque<Piece> waiting;  // Not yet taken by `to`; the first is with the kernel while is_sending.
};

struct Pair {
  Direction up, down;
  bool is_over = false;
};

// The lowest bit of a completion's user data: 0 a receive of the direction, 1 a send.
constexpr uint64_t is_send = 1;

class Relay {
 public:
  Relay(uint16_t listen_port, uint16_t backend_port, unsigned bytes, unsigned count)
      : backend_port_(backend_port) {
    io_uring_params parameters{};
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    parameters.cq_entries = 8192;
    if (io_uring_queue_init_params(2048, &uring_, &parameters) < 0) die("io_uring_queue_init");
    io_uring_register_ring_fd(&uring_);
    buffers_ = new Buffers(uring_, bytes, count);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address = loopback(listen_port);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
    if (listen(listener_, 4096) != 0) die("listen");
    io_uring_sqe* entry = sqe();
    io_uring_prep_multishot_accept(entry, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(entry, 0);
  }

  [[noreturn]] void run() {
    for (;;) {
      io_uring_submit_and_wait(&uring_, 1);
      io_uring_cqe* batch[64];
      while (unsigned count = io_uring_peek_batch_cqe(&uring_, batch, 64)) {
        for (unsigned i = 0; i < count; ++i) {
          uint64_t data = batch[i]->user_data;
          auto* direction = reinterpret_cast<Direction*>(data & ~is_send);
          if (direction == nullptr) accepted(batch[i]->res);
          else if ((data & is_send) != 0) sent(*direction, batch[i]->res);
          else received(*direction, batch[i]->res, batch[i]->flags);
        }
        io_uring_cq_advance(&uring_, count);
      }
      // Those that found no buffer try again once one came back.
      if (std::exchange(has_released_, false)) {
        for (Direction* one : std::exchange(starved_, {})) receive(*one);
      }
    }
  }

 private:
  static sockaddr_in loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  io_uring_sqe* sqe() {
    io_uring_sqe* entry = io_uring_get_sqe(&uring_);
    while (entry == nullptr) {
      io_uring_submit(&uring_);
      entry = io_uring_get_sqe(&uring_);
    }
    return entry;
  }
  void accepted(int client) {
    if (client < 0) return;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(backend_port_);
    if (connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("connect");
    int on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto* pair = new Pair;
    pair->up.pair = pair->down.pair = pair;
    pair->up.from = pair->down.to = client;
    pair->up.to = pair->down.from = server;
    receive(pair->up);
    receive(pair->down);
  }
  void release(unsigned id) {
    buffers_->release(id);
    has_released_ = true;
  }
  void receive(Direction& one) {
    if (one.pair->is_over) return end(*one.pair);
    one.is_receiving = true;
    io_uring_sqe* entry = sqe();
    io_uring_prep_recv_multishot(entry, one.from, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = group;
    io_uring_sqe_set_data64(entry, reinterpret_cast<uint64_t>(&one));
  }
  void received(Direction& one, int result, uint32_t flags) {
    if ((flags & IORING_CQE_F_MORE) == 0) one.is_receiving = false;
    if (result > 0) {
      unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
      Direction::Piece piece{id, buffers_->at(id), static_cast<size_t>(result)};
      if (one.waiting.empty() && !one.pair->is_over) {
        ssize_t sent = ::send(one.to, piece.at, piece.size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) piece.at += sent, piece.size -= static_cast<size_t>(sent);
      }
      if (piece.size == 0 || one.pair->is_over) release(id);
      else one.waiting.push_back(piece);
      if (!one.waiting.empty() && !one.is_sending) send(one);
    } else if (result == -ENOBUFS) {
      starved_.push_back(&one);
      return;
    } else {
      over(*one.pair);
    }
    if (!one.is_receiving && !one.pair->is_over) receive(one);
    else if (one.pair->is_over) end(*one.pair);
  }
  void send(Direction& one) {
    one.is_sending = true;
    io_uring_sqe* entry = sqe();
    io_uring_prep_send(entry, one.to, one.waiting.front().at, one.waiting.front().size,
                       MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(entry, reinterpret_cast<uint64_t>(&one) | is_send);
  }
  void sent(Direction& one, int result) {
    one.is_sending = false;
    if (result <= 0) over(*one.pair);
    Direction::Piece& piece = one.waiting.front();
    if (result > 0) piece.at += result, piece.size -= static_cast<size_t>(result);
    if (piece.size == 0 || one.pair->is_over) {
      release(piece.id);
      one.waiting.pop_front();
    }
    if (one.pair->is_over) end(*one.pair);
    else if (!one.waiting.empty()) send(one);
  }
  void over(Pair& pair) {
    if (pair.is_over) return;
    pair.is_over = true;
    shutdown(pair.up.from, SHUT_RDWR);
    shutdown(pair.up.to, SHUT_RDWR);
  }
  void end(Pair& pair) {
    for (Direction* one : {&pair.up, &pair.down}) {
      if (one->is_receiving || one->is_sending) return;
      for (Direction* starved : starved_) {
        if (starved == one) return;
      }
    }
    for (Direction* one : {&pair.up, &pair.down}) {
      for (const Direction::Piece& piece : one->waiting) release(piece.id);
    }
    close(pair.up.from);
    close(pair.up.to);
    delete &pair;
  }

  uint16_t backend_port_;
  io_uring uring_{};
  Buffers* buffers_ = nullptr;
  int listener_ = -1;
  std::vector<Direction*> starved_;
  bool has_released_ = false;
};

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::fprintf(stderr, "usage: relay LISTEN_PORT BACKEND_PORT [BUFFER_BYTES [BUFFERS]]\n");
    return 2;
  }
  auto number = [&](int at, unsigned otherwise) {
    return count > at ? static_cast<unsigned>(std::atoi(words[at])) : otherwise;
  };
  Relay relay(static_cast<uint16_t>(number(1, 0)), static_cast<uint16_t>(number(2, 0)), number(3, 16384),
              number(4, 1024));
  relay.run();
}
