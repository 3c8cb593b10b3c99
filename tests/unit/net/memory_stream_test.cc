// The streams in memory that all session tests stand on: what they promise has to hold for them too.
#include "ringfence/net/memory_stream.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include "noise.h"

using namespace ringfence;
using namespace ringfence::net;
using net_test::noise;

namespace {

struct Got {
  std::string got;
  size_t piece_largest = 0;
  int ends = 0;
};
ring::Task<void> read_all(Stream* stream, Got* reader) {
  for (;;) {
    Receive receive(*stream);
    Result<Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) break;
    reader->piece_largest = std::max(reader->piece_largest, chunk->bytes().size());
    reader->got.append(chunk->bytes());
  }
  ++reader->ends;
}
struct MemoryOutcome {
  bool is_over = false;
  int error = 0;
  std::string got;
};
// Sends in pieces of all sizes, some of them by try_send, then ends its direction.
ring::Task<void> write_all(Stream* stream, std::string bytes, uint64_t seed, MemoryOutcome* outcome) {
  std::mt19937_64 random(seed);
  ByteView rest = bytes;
  while (!rest.empty()) {
    ByteView piece = rest.substr(0, 1 + random() % (random() % 3 == 0 ? 5'000 : 50));
    if (random() % 2 == 0) {
      rest.remove_prefix(stream->try_send(piece, false));
      continue;
    }
    Send sending(*stream, piece);
    Result<void> sent = co_await sending;
    if (!sent) outcome->error = sent.error().errno_value;
    if (!sent) break;
    rest.remove_prefix(piece.size());
  }
  stream->shutdown_write();
  outcome->is_over = true;
}
ring::Task<void> receive_once(Stream* stream, MemoryOutcome* outcome) {
  Receive receive(*stream);
  Result<Chunk> chunk = co_await receive;
  if (!chunk) outcome->error = chunk.error().errno_value;
  else outcome->got = chunk->bytes();
  outcome->is_over = true;
}
ring::Task<void> send_once(Stream* stream, std::string bytes, MemoryOutcome* outcome) {
  Send sending(*stream, bytes);
  Result<void> sent = co_await sending;
  if (!sent) outcome->error = sent.error().errno_value;
  outcome->is_over = true;
}

}  // namespace

TEST_CASE("every byte arrives once and in order, both ways at a time, in whatever pieces") {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    CAPTURE(seed);
    MemoryNetwork network(seed);
    size_t piece_max = seed % 5 == 0 ? 0 : seed % 97;
    auto pair = network.make_pair(piece_max);
    std::string there = noise(seed * 37 % 9'000, seed);
    std::string back = noise(seed * 53 % 9'000, seed + 1);
    MemoryOutcome sent_there, sent_back;
    Got left, right;
    ring::spawn(read_all(pair.left.get(), &left));
    ring::spawn(write_all(pair.left.get(), there, seed, &sent_there));
    ring::spawn(write_all(pair.right.get(), back, seed + 1, &sent_back));
    ring::spawn(read_all(pair.right.get(), &right));
    REQUIRE(network.run());
    REQUIRE(sent_there.is_over);
    REQUIRE(sent_back.is_over);
    CHECK(right.got == there);
    CHECK(left.got == back);
    CHECK(right.ends == 1);
    CHECK(left.ends == 1);
    if (piece_max > 0) CHECK(std::max(left.piece_largest, right.piece_largest) <= piece_max);
  }
}

TEST_CASE("one seed gives one order, and other seeds give others") {
  auto run = [](uint64_t seed) {
    MemoryNetwork network(seed);
    auto pair = network.make_pair(10);
    Got reader;
    MemoryOutcome outcome;
    ring::spawn(read_all(pair.right.get(), &reader));
    ring::spawn(write_all(pair.left.get(), noise(2'000, 1), 1, &outcome));
    size_t steps = 0;
    while (network.step()) ++steps;
    return steps;
  };
  CHECK(run(7) == run(7));
  bool differs = false;
  for (uint64_t seed = 1; seed <= 20; ++seed) differs = differs || run(seed) != run(7);
  CHECK(differs);
}

TEST_CASE("what was sent before the end is read before the end") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    MemoryNetwork network(seed);
    auto pair = network.make_pair(3);
    Got reader;
    MemoryOutcome outcome;
    ring::spawn(send_once(pair.left.get(), "the last words", &outcome));
    REQUIRE(network.run());
    pair.left->shutdown();
    ring::spawn(read_all(pair.right.get(), &reader));
    REQUIRE(network.run());
    CHECK(reader.got == "the last words");
    CHECK(reader.ends == 1);
  }
}

TEST_CASE("after our end the peer's bytes still come, and ours are refused") {
  MemoryNetwork network(1);
  auto pair = network.make_pair(0);
  MemoryOutcome ours, theirs, late;
  pair.left->shutdown_write();
  ring::spawn(receive_once(pair.left.get(), &ours));
  ring::spawn(send_once(pair.right.get(), "still here", &theirs));
  REQUIRE(network.run());
  CHECK(theirs.is_over);
  CHECK(theirs.error == 0);
  CHECK(ours.got == "still here");
  ring::spawn(send_once(pair.left.get(), "late", &late));
  CHECK(pair.left->try_send("late", false) == 0);
  REQUIRE(network.run());
  CHECK(late.error == EPIPE);
}

TEST_CASE("a receive that is cancelled says so once, and the next gets what comes") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    MemoryNetwork network(seed);
    auto pair = network.make_pair(0);
    MemoryOutcome first, sent;
    ring::spawn(receive_once(pair.left.get(), &first));
    pair.left->cancel_receive();
    // It may come before the cancel takes effect.
    ring::spawn(send_once(pair.right.get(), "x", &sent));
    REQUIRE(network.run());
    REQUIRE(first.is_over);
    CHECK((first.error == ECANCELED) == first.got.empty());
    MemoryOutcome second;
    ring::spawn(receive_once(pair.left.get(), &second));
    if (!first.got.empty()) ring::spawn(send_once(pair.right.get(), "x", &sent));
    REQUIRE(network.run());
    CHECK(second.error == 0);
    CHECK(second.got == "x");
    pair.left->cancel_receive();  // Of nothing.
    CHECK_FALSE(network.step());
  }
}

TEST_CASE("a shutdown completes what is pending on both sides, and a peer that is gone takes nothing") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    MemoryNetwork network(seed);
    auto pair = network.make_pair(0);
    MemoryOutcome left, right, sending;
    ring::spawn(receive_once(pair.left.get(), &left));
    ring::spawn(receive_once(pair.right.get(), &right));
    ring::spawn(send_once(pair.left.get(), "x", &sending));
    pair.left->shutdown();
    REQUIRE(network.run());
    CHECK(left.is_over);
    CHECK(left.got.empty());
    CHECK(right.is_over);
    CHECK(right.got.empty());
    CHECK(sending.error == EPIPE);
    pair.left.reset();
    MemoryOutcome lost;
    ring::spawn(send_once(pair.right.get(), "x", &lost));
    REQUIRE(network.run());
    CHECK(lost.error == EPIPE);
  }
}
