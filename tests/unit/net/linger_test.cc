#include "ringfence/net/linger.h"

#include <doctest/doctest.h>

#include "ringfence/net/memory_stream.h"

using namespace ringfence;
using namespace ringfence::net;

namespace {

ring::Task<void> run(Stream& stream, size_t bytes_max, bool& is_over, Receive* begun = nullptr) {
  auto lingering = net::linger(stream, bytes_max, begun);
  co_await lingering;
  is_over = true;
}

ring::Task<void> say(Stream& stream, std::string text) {
  Send send(stream, text);
  Result<void> sent = co_await send;
  CHECK(sent);
}

}  // namespace

TEST_CASE("lingering ends our side at once, and waits for the peer's end") {
  MemoryNetwork network(1);
  auto pair = network.make_pair(7);
  bool is_over = false;
  ring::spawn(run(*pair.left, 1'000, is_over));
  {
    Receive end(*pair.right);
    end.start();
    network.run();
    REQUIRE(end.await_ready());
    auto chunk = end.await_resume();
    REQUIRE(chunk);
    CHECK(chunk->bytes().empty());
  }
  ring::spawn(say(*pair.right, "too late"));
  network.run();
  CHECK_FALSE(is_over);
  pair.right->shutdown_write();
  network.run();
  CHECK(is_over);
}

TEST_CASE("lingering has a bound, and ends when the stream is shut down") {
  for (bool at_bound : {true, false}) {
    MemoryNetwork network(1);
    auto pair = network.make_pair(0);
    bool is_over = false;
    ring::spawn(run(*pair.left, 10, is_over));
    ring::spawn(say(*pair.right, std::string(at_bound ? 10 : 9, 'x')));
    network.run();
    CHECK(is_over == at_bound);
    pair.left->shutdown();
    network.run();
    CHECK(is_over);
  }
}

TEST_CASE("lingering takes over a receive that has begun") {
  MemoryNetwork network(1);
  auto pair = network.make_pair(0);
  Receive begun(*pair.left);
  begun.start();
  bool is_over = false;
  ring::spawn(run(*pair.left, 1'000, is_over, &begun));
  pair.right->shutdown();
  network.run();
  CHECK(is_over);
  CHECK_FALSE(begun.is_started());
}
