// What one stream may do in a turn of its shard's loop.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <thread>

#include "ringfence/net/socket_stream.h"
#include "shard_thread.h"

using namespace ringfence;
using namespace ringfence::net;

namespace {

struct Turns {
  bool is_over = false;
  size_t bytes = 0;
  size_t large = 0;            // Chunks of more than a small buffer.
  size_t large_in_a_turn = 0;  // Of those, at most.
};

// Takes whatever comes at once, as one would that passes it on to somebody who reads as fast.
ring::Task<void> take_all(ring::Shard* shard, Stream* stream, Turns* turns) {
  const size_t small = shard->ring().buffer_bytes(ring::BufferSize::small);
  uint64_t turn = 0;
  size_t in_turn = 0;
  for (;;) {
    Receive receive(*stream);
    Result<Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) break;
    turns->bytes += chunk->bytes().size();
    if (chunk->bytes().size() <= small) continue;
    ++turns->large;
    in_turn = turn == shard->now_ns() ? in_turn + 1 : 1;
    turn = shard->now_ns();
    turns->large_in_a_turn = std::max(turns->large_in_a_turn, in_turn);
  }
  turns->is_over = true;
}

}  // namespace

TEST_CASE("of a stream one large buffer is taken in each turn, however much of it has come") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  int room = 4 << 20;
  ::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  net_test::ShardThread thread;
  std::unique_ptr<Stream> stream;
  Turns turns;
  constexpr size_t size = 64 << 20;
  std::thread sender([&] {
    const std::string piece(1 << 20, 'x');
    size_t sent = 0;
    while (sent < size) {
      ssize_t more = ::send(ends[1], piece.data(), std::min(piece.size(), size - sent), MSG_NOSIGNAL);
      if (more <= 0) break;
      sent += static_cast<size_t>(more);
    }
    ::shutdown(ends[1], SHUT_WR);
  });
  thread.run([&] {
    stream = std::make_unique<SocketStream>(thread.shard, ends[0]);
    ring::spawn(take_all(&thread.shard, stream.get(), &turns));
  });
  CHECK(thread.wait_until([&] { return turns.is_over; }));
  sender.join();
  thread.run([&] { stream.reset(); });
  ::close(ends[1]);
  CHECK(turns.bytes == size);
  CHECK(turns.large > 100);
  CHECK(turns.large_in_a_turn == 1);
}
