// A stream over a socket, on a real ring: the test has the other end of the socket, and blocks on it.
#include "ringfence/net/socket_stream.h"

#include <netinet/in.h>

#include <cerrno>

#include "far_end.h"
#include "ringfence/net/listener.h"
#include "shard_thread.h"

using namespace ringfence;
using namespace ringfence::net;
using net_test::Far;
using net_test::Kind;
using net_test::kinds;
using net_test::make_pair_of;
using net_test::noise;
using net_test::ShardThread;

namespace {

struct SocketFixture {
  explicit SocketFixture(Kind kind, unsigned buffers = 8) : thread(buffers) {
    int ends[2];
    make_pair_of(kind, ends);
    far = std::make_unique<Far>(ends[1]);
    thread.run([&] { stream = std::make_unique<SocketStream>(thread.shard, ends[0]); });
  }
  ~SocketFixture() {
    thread.run([&] { stream.reset(); });
    // A receive that was armed is freed when the kernel has let go of it: that takes turns of the loop.
    for (int i = 0; i < 20; ++i) {
      thread.run([] {});
      ::usleep(500);
    }
  }
  ShardThread thread;
  std::unique_ptr<Far> far;
  std::unique_ptr<SocketStream> stream;  // The shard's.
};

struct SocketOutcome {
  bool is_over = false;
  bool has_failed = false;
  Fault fault{};
  int error = 0;
  std::string got;
  size_t largest = 0;  // Chunk of those received by receive_all.
  void note(const Error& why) {
    has_failed = true;
    fault = why.fault;
    error = why.errno_value;
  }
};
ring::Task<void> receive_once(Stream* stream, SocketOutcome* outcome) {
  Receive receive(*stream);
  Result<Chunk> chunk = co_await receive;
  if (!chunk) outcome->note(chunk.error());
  else outcome->got = chunk->bytes();
  outcome->is_over = true;
}
ring::Task<void> receive_all(Stream* stream, SocketOutcome* outcome) {
  for (;;) {
    Receive receive(*stream);
    Result<Chunk> chunk = co_await receive;
    if (!chunk) outcome->note(chunk.error());
    if (!chunk || chunk->bytes().empty()) break;
    outcome->largest = std::max(outcome->largest, chunk->bytes().size());
    outcome->got.append(chunk->bytes());
  }
  outcome->is_over = true;
}
ring::Task<void> send_once(Stream* stream, ByteView bytes, SocketOutcome* outcome) {
  Send sending(*stream, bytes);
  Result<void> sent = co_await sending;
  if (!sent) outcome->note(sent.error());
  outcome->is_over = true;
}
// Cancels every receive as soon as it waits; keeps what comes all the same.
ring::Task<void> receive_under_cancels(Stream* stream, size_t size, SocketOutcome* outcome, int* cancelled) {
  while (outcome->got.size() < size) {
    Receive receive(*stream);
    receive.start();
    stream->cancel_receive();
    Result<Chunk> chunk = co_await receive;
    if (!chunk && chunk.error().errno_value != ECANCELED) {
      outcome->note(chunk.error());
      break;
    }
    if (!chunk) ++*cancelled;
    else if (chunk->bytes().empty()) break;
    else outcome->got.append(chunk->bytes());
  }
  outcome->is_over = true;
}

// More than the sockets' buffers take.
const std::string& much() {
  static const std::string bytes = noise(16 << 20, 1);
  return bytes;
}

}  // namespace

TEST_CASE("what does not fit into the socket at once goes by the ring, in order") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind);
    SocketOutcome sent;
    uint64_t before = fixture.thread.shard.counters().submissions;
    fixture.thread.run([&] { ring::spawn(send_once(fixture.stream.get(), much(), &sent)); });
    bool was_over = true;
    fixture.thread.run([&] { was_over = sent.is_over; });
    CHECK_FALSE(was_over);
    CHECK(fixture.far->read(much().size()) == much());
    CHECK(fixture.thread.wait_until([&] { return sent.is_over; }));
    CHECK_FALSE(sent.has_failed);
    CHECK(fixture.thread.shard.counters().submissions > before);
  }
}

TEST_CASE("a send that fits is over at once") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind);
    SocketOutcome sent;
    bool was_over = false;
    fixture.thread.run([&] {
      ring::spawn(send_once(fixture.stream.get(), "hello", &sent));
      was_over = sent.is_over;
    });
    CHECK(was_over);
    CHECK(fixture.far->read(5) == "hello");
  }
}

TEST_CASE("try_send takes what goes without waiting and says how much that was") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind);
    size_t taken = 0;
    fixture.thread.run([&] {
      CHECK(fixture.stream->try_send("", false) == 0);
      for (size_t size; (size = fixture.stream->try_send(ByteView(much()).substr(taken), false)) > 0;)
        taken += size;
    });
    CHECK(taken > 0);
    CHECK(taken < much().size());
    CHECK(fixture.far->read(taken) == much().substr(0, taken));
  }
}

TEST_CASE("a shutdown ends a pending receive and a blocked send") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind);
    SocketOutcome received, sent;
    fixture.thread.run([&] {
      ring::spawn(receive_once(fixture.stream.get(), &received));
      ring::spawn(send_once(fixture.stream.get(), much(), &sent));
    });
    bool waits = false;
    fixture.thread.run([&] { waits = !received.is_over && !sent.is_over; });
    CHECK(waits);
    fixture.thread.run([&] {
      fixture.stream->shutdown();
      fixture.stream->shutdown();  // Idempotent.
    });
    CHECK(fixture.thread.wait_until([&] { return received.is_over && sent.is_over; }));
    CHECK(received.got.empty());
    CHECK(sent.has_failed);
    CHECK(sent.fault == Fault::closed);
    // And what is begun afterwards.
    SocketOutcome late_receive, late_send;
    fixture.thread.run([&] {
      ring::spawn(receive_once(fixture.stream.get(), &late_receive));
      ring::spawn(send_once(fixture.stream.get(), "late", &late_send));
    });
    CHECK(fixture.thread.wait_until([&] { return late_receive.is_over && late_send.is_over; }));
    CHECK(late_receive.got.empty());
    CHECK(late_send.fault == Fault::closed);
  }
}

TEST_CASE("a peer that ends its direction still reads ours") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind);
    SocketOutcome received, sent;
    fixture.thread.run([&] { ring::spawn(receive_all(fixture.stream.get(), &received)); });
    CHECK(fixture.far->send("the question"));
    fixture.far->end();
    CHECK(fixture.thread.wait_until([&] { return received.is_over; }));
    CHECK(received.got == "the question");
    CHECK_FALSE(received.has_failed);
    fixture.thread.run([&] { ring::spawn(send_once(fixture.stream.get(), "the answer", &sent)); });
    CHECK(fixture.far->read(10) == "the answer");
    // The end stays the end.
    SocketOutcome again;
    fixture.thread.run([&] { ring::spawn(receive_once(fixture.stream.get(), &again)); });
    CHECK(fixture.thread.wait_until([&] { return again.is_over; }));
    CHECK(again.got.empty());
    CHECK_FALSE(again.has_failed);
  }
}

TEST_CASE("when we end our direction the peer reads all of it, then the end, and its answer still comes") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind);
    SocketOutcome sent, received;
    std::string bytes = noise(100'000, 2);
    fixture.thread.run([&] {
      ring::spawn(send_once(fixture.stream.get(), bytes, &sent));
      ring::spawn(receive_all(fixture.stream.get(), &received));
    });
    std::string got = fixture.far->read(bytes.size());
    CHECK(fixture.thread.wait_until([&] { return sent.is_over; }));
    fixture.thread.run([&] { fixture.stream->shutdown_write(); });
    CHECK(got + fixture.far->read(1) == bytes);
    CHECK(fixture.far->send("the answer"));
    fixture.far->close();
    CHECK(fixture.thread.wait_until([&] { return received.is_over; }));
    CHECK(received.got == "the answer");
    SocketOutcome late;
    fixture.thread.run([&] { ring::spawn(send_once(fixture.stream.get(), "late", &late)); });
    CHECK(fixture.thread.wait_until([&] { return late.is_over; }));
    CHECK(late.fault == Fault::closed);
  }
}

TEST_CASE("a receive that is cancelled leaves the stream as it was") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind);
    for (int round = 0; round < 20; ++round) {
      SocketOutcome cancelled, received, sent;
      fixture.thread.run([&] {
        fixture.stream->cancel_receive();  // Of nothing.
        ring::spawn(receive_once(fixture.stream.get(), &cancelled));
        fixture.stream->cancel_receive();
        fixture.stream->cancel_receive();
      });
      REQUIRE(fixture.thread.wait_until([&] { return cancelled.is_over; }));
      CHECK(cancelled.error == ECANCELED);
      fixture.thread.run([&] {
        ring::spawn(receive_once(fixture.stream.get(), &received));
        ring::spawn(send_once(fixture.stream.get(), "ping", &sent));
      });
      CHECK(fixture.far->read(4) == "ping");
      CHECK(fixture.far->send("pong"));
      REQUIRE(fixture.thread.wait_until([&] { return received.is_over; }));
      CHECK(received.got == "pong");
    }
  }
}

TEST_CASE("cancelling every receive while bytes come loses none of them") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind);
    std::string bytes = noise(2'000'000, 3);
    SocketOutcome received;
    int cancelled = 0;
    fixture.thread.run([&] {
      ring::spawn(receive_under_cancels(fixture.stream.get(), bytes.size(), &received, &cancelled));
    });
    for (size_t at = 0; at < bytes.size();) {
      size_t size = std::min<size_t>(bytes.size() - at, at % 3 == 0 ? 30'000 : 700);
      REQUIRE(fixture.far->send(ByteView(bytes).substr(at, size)));
      at += size;
    }
    CHECK(fixture.thread.wait_until([&] { return received.is_over; }));
    CHECK(received.got == bytes);
    CHECK(cancelled > 0);
  }
}

TEST_CASE("a send to a peer that has closed fails and raises no signal") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind);
    fixture.far->close();
    // TCP learns of it by the answer to the first.
    SocketOutcome last;
    CHECK(fixture.thread.wait_until([&] {
      SocketOutcome sent;
      ring::spawn(send_once(fixture.stream.get(), "anybody?", &sent));
      last = sent;
      return sent.has_failed;
    }));
    CHECK(last.fault == Fault::closed);
  }
}

TEST_CASE("a peer that goes while it is sent to ends the send") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind);
    SocketOutcome sent, received;
    fixture.thread.run([&] {
      ring::spawn(send_once(fixture.stream.get(), much(), &sent));
      ring::spawn(receive_once(fixture.stream.get(), &received));
    });
    fixture.far->read(1'000);
    fixture.far->reset();
    CHECK(fixture.thread.wait_until([&] { return sent.is_over && received.is_over; }));
    CHECK(sent.has_failed);
    CHECK(sent.fault == Fault::closed);
    CHECK(received.got.empty());
  }
}

TEST_CASE("what comes while nobody receives waits in the kernel, and then comes in order") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind, 4);
    // The first receive arms; nobody takes what follows for a while.
    SocketOutcome first, received;
    fixture.thread.run([&] { ring::spawn(receive_once(fixture.stream.get(), &first)); });
    std::thread sending([&] {
      fixture.far->send(much());
      fixture.far->end();
    });
    CHECK(fixture.thread.wait_until([&] { return first.is_over; }));
    for (int i = 0; i < 20; ++i) fixture.thread.run([] {});
    fixture.thread.run([&] { ring::spawn(receive_all(fixture.stream.get(), &received)); });
    CHECK(fixture.thread.wait_until([&] { return received.is_over; }));
    sending.join();
    CHECK((first.got + received.got == much()));
  }
}

TEST_CASE(
    "what comes in full buffers is received into large ones, and messages behind it into small ones again") {
  SocketFixture fixture(Kind::tcp, 8);
  SocketOutcome received;
  fixture.thread.run([&] { ring::spawn(receive_all(fixture.stream.get(), &received)); });
  fixture.far->send(much());
  CHECK(fixture.thread.wait_until([&] { return received.got.size() == much().size(); }));
  CHECK(received.largest > 16384);
  CHECK(received.largest <= 65536);
  // One at a time, so that each is a receive of its own.
  for (size_t i = 1; i <= 100; ++i) {
    fixture.far->send("message");
    CHECK(fixture.thread.wait_until([&] { return received.got.size() == much().size() + i * 7; }));
  }
  fixture.thread.run([&] { received.largest = 0; });
  // No more than two full small buffers go by before the large ones are back.
  std::string rest = much().substr(0, 16384);
  fixture.far->send(rest);
  fixture.far->end();
  CHECK(fixture.thread.wait_until([&] { return received.is_over; }));
  CHECK(received.largest <= 16384);
  CHECK(received.got.size() == much().size() + 700 + rest.size());
  CHECK(received.got.substr(0, much().size()) == much());
}

TEST_CASE("a stream that finds no large buffer goes on with small ones") {
  SocketFixture fixture(Kind::tcp, 16);
  std::vector<ring::Chunk> kept;
  SocketOutcome received;
  // All large chunks are kept, as slow peers' would be, until the ring has none left.
  ring::Ring& ring = fixture.thread.shard.ring();
  auto keep_until_out = [](Stream* stream, ring::Ring* from, std::vector<ring::Chunk>* into,
                           size_t* had) -> ring::Task<void> {
    while (!from->buffers_are_out(ring::BufferSize::large)) {
      Receive receive(*stream);
      Result<Chunk> chunk = co_await receive;
      if (!chunk || chunk->bytes().empty()) break;
      *had += chunk->bytes().size();
      if (chunk->bytes().size() > 16384) into->push_back(std::move(*chunk));
    }
  };
  size_t had = 0;
  std::thread sending([&] {
    fixture.far->send(much());
    fixture.far->end();
  });
  fixture.thread.run([&] { ring::spawn(keep_until_out(fixture.stream.get(), &ring, &kept, &had)); });
  CHECK(fixture.thread.wait_until([&] { return ring.buffers_are_out(ring::BufferSize::large); }));
  fixture.thread.run([&] { ring::spawn(receive_all(fixture.stream.get(), &received)); });
  CHECK(fixture.thread.wait_until([&] { return received.is_over; }));
  sending.join();
  CHECK_FALSE(received.has_failed);
  CHECK(had + received.got.size() == much().size());
  fixture.thread.run([&] { kept.clear(); });
}

TEST_CASE("a receive that waits for a buffer can be cancelled, also when there are buffers again") {
  constexpr size_t buffers = 4;
  ShardThread thread(buffers);
  struct End {
    std::unique_ptr<Far> far;
    std::unique_ptr<SocketStream> stream;
  };
  End ends[3];
  for (End& end : ends) {
    int pair[2];
    make_pair_of(Kind::tcp, pair);
    end.far = std::make_unique<Far>(pair[1]);
    thread.run([&] { end.stream = std::make_unique<SocketStream>(thread.shard, pair[0]); });
  }
  std::vector<ring::Chunk> kept;
  auto keep = [](Stream* stream, std::vector<ring::Chunk>* into) -> ring::Task<void> {
    Receive receive(*stream);
    Result<Chunk> chunk = co_await receive;
    if (chunk) into->push_back(std::move(*chunk));
  };
  for (size_t i = 1; i <= buffers; ++i) {
    thread.run([&] { ring::spawn(keep(ends[0].stream.get(), &kept)); });
    REQUIRE(ends[0].far->send("x"));
    REQUIRE(thread.wait_until([&] { return kept.size() == i; }));
  }
  ring::Ring& ring = thread.shard.ring();
  REQUIRE(ring.buffers_are_out(ring::BufferSize::small));
  SocketOutcome first, second;
  const uint64_t exhausted = ring.counters().buffers_exhausted;
  thread.run([&] { ring::spawn(receive_once(ends[1].stream.get(), &first)); });
  thread.run([&] { ring::spawn(receive_once(ends[2].stream.get(), &second)); });
  REQUIRE(thread.wait_until([&] { return ring.counters().buffers_exhausted == exhausted + 2; }));
  // One that comes back is offered to the first of those who wait; nothing has come for him.
  thread.run([&] { kept.pop_back(); });
  CHECK_FALSE(first.is_over);
  CHECK_FALSE(second.is_over);
  thread.run([&] { ends[2].stream->cancel_receive(); });
  CHECK(thread.wait_until([&] { return second.is_over; }));
  CHECK(second.error == ECANCELED);
  thread.run([&] { ends[1].stream->cancel_receive(); });
  CHECK(thread.wait_until([&] { return first.is_over; }));
  CHECK(first.error == ECANCELED);
  thread.run([&] {
    kept.clear();
    for (End& end : ends) end.stream.reset();
  });
  for (int i = 0; i < 20; ++i) {
    thread.run([] {});
    ::usleep(500);
  }
}

TEST_CASE("a stream may go while its receive is armed: the peer reads the end, and the ring goes on") {
  for (Kind kind : kinds) {
    SocketFixture fixture(kind);
    SocketOutcome received;
    fixture.thread.run([&] { ring::spawn(receive_once(fixture.stream.get(), &received)); });
    CHECK(fixture.far->send("x"));
    CHECK(fixture.thread.wait_until([&] { return received.is_over; }));
    fixture.thread.run([&] { fixture.stream.reset(); });
    CHECK(fixture.far->read(1).empty());
    fixture.thread.run([] {});
  }
}

TEST_CASE("nobody listens: connecting says where to, and in which time") {
  ShardThread thread;
  int fd = listen(numeric_address("127.0.0.1", 0).value(), "x").value();
  Address address = local_address(fd);
  ::close(fd);
  struct Dial {
    static ring::Task<void> dial(ring::Shard* shard, Address to, std::string* message, bool* is_over) {
      Connecting connecting(*shard, to, 10'000);
      auto running = connecting.run();
      auto stream = co_await running;
      *message = stream ? "connected" : stream.error().message;
      *is_over = true;
    }
  };
  std::string message;
  bool is_over = false;
  thread.run([&] { ring::spawn(Dial::dial(&thread.shard, address, &message, &is_over)); });
  CHECK(thread.wait_until([&] { return is_over; }));
  CHECK_MESSAGE(message.find("connect to " + to_string(address)) != std::string::npos, message);
  CHECK_MESSAGE(message.find("refused") != std::string::npos, message);
}

TEST_CASE("an attempt to connect that nothing answers is broken off when it is cancelled") {
  ShardThread thread;
  int fd = listen(numeric_address("127.0.0.1", 0).value(), "x").value();
  Address address = local_address(fd);
  // The backlog is full.
  REQUIRE(::listen(fd, 0) == 0);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(fillers.back(), address.get(), address.size);
  }
  struct Dial {
    static ring::Task<void> dial(Connecting* connecting, bool* is_over, bool* has_failed) {
      auto running = connecting->run();
      auto stream = co_await running;
      *has_failed = !stream;
      *is_over = true;
    }
  };
  bool is_over = false, has_failed = false;
  Connecting connecting(thread.shard, address, 0);
  thread.run([&] { ring::spawn(Dial::dial(&connecting, &is_over, &has_failed)); });
  CHECK_FALSE(is_over);
  thread.run([&] { connecting.cancel(); });
  CHECK(thread.wait_until([&] { return is_over; }));
  CHECK(has_failed);
  for (int filler : fillers) ::close(filler);
  ::close(fd);
}
