// From socket to socket through a pipe, on a real ring: the test has the far ends of both, and blocks on
// them.
#include "ringfence/net/splice.h"

#include <csignal>

#include "far_end.h"
#include "ringfence/net/socket_stream.h"
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

struct Leg {
  std::unique_ptr<Far> far;
  std::unique_ptr<SocketStream> stream;  // The shard's.
};

struct SpliceFixture {
  explicit SpliceFixture(Kind from_kind, Kind to_kind) {
    // As the program does: a pipe's end cannot be told not to raise it.
    std::signal(SIGPIPE, SIG_IGN);
    from = make(from_kind);
    to = make(to_kind);
  }
  explicit SpliceFixture(Kind kind = Kind::tcp) : SpliceFixture(kind, kind) {}
  ~SpliceFixture() {
    thread.run([&] {
      from.stream.reset();
      to.stream.reset();
    });
    CHECK(pipes.taken() == 0);
  }
  Leg make(Kind kind) {
    int ends[2];
    make_pair_of(kind, ends);
    Leg leg;
    leg.far = std::make_unique<Far>(ends[1]);
    thread.run([&] {
      leg.stream = std::make_unique<SocketStream>(thread.shard, ends[0]);
      leg.stream->expect_long_bodies(true);
    });
    return leg;
  }

  SplicePipes pipes;
  ShardThread thread;
  Leg from;
  Leg to;
};

struct SpliceOutcome {
  bool is_over = false;
  Spliced last;
  uint64_t taken = 0;
  uint64_t given = 0;
  bool has_failed = false;  // What was received after it.
  int error = 0;
  std::string after;
};

// Splices so many bytes, then receives once.
ring::Task<void> move(SpliceFixture* fixture, Leg* from, uint32_t bytes, SpliceOutcome* out,
                      ByteView head = {}) {
  bool waits_first = false;
  while (out->taken < bytes) {
    Splice splice(fixture->thread.shard.ring(), fixture->pipes, *from->stream, *fixture->to.stream,
                  bytes - static_cast<uint32_t>(out->taken), waits_first, std::exchange(head, {}));
    out->last = co_await splice;
    out->taken += out->last.taken;
    out->given += out->last.given;
    if (out->last.end != Spliced::End::none) break;
    waits_first = true;
  }
  if (out->last.end == Spliced::End::none || out->last.end == Spliced::End::input_ended) {
    Receive receive(*from->stream);
    Result<Chunk> chunk = co_await receive;
    if (chunk) out->after = chunk->bytes();
    out->has_failed = !chunk;
    if (!chunk) out->error = chunk.error().errno_value;
  }
  out->is_over = true;
}

void start(SpliceFixture& fixture, uint32_t bytes, SpliceOutcome& out, ByteView head = {}) {
  fixture.thread.run([&] { ring::spawn(move(&fixture, &fixture.from, bytes, &out, head)); });
}

// The output takes nothing more until its far end reads.
void fill(SpliceFixture& fixture) {
  const std::string filling(65'536, 'f');
  fixture.thread.run([&] {
    for (size_t size : {filling.size(), size_t{1}}) {
      while (fixture.to.stream->try_send(ByteView(filling).substr(0, size), false) > 0) continue;
    }
  });
}

bool is_over(SpliceFixture& fixture, const SpliceOutcome& out) {
  return fixture.thread.wait_until([&] { return out.is_over; });
}

constexpr Spliced::End none = Spliced::End::none, input_ended = Spliced::End::input_ended,
                       cancelled = Spliced::End::cancelled, output_failed = Spliced::End::output_failed,
                       no_pipe = Spliced::End::no_pipe;

}  // namespace

TEST_CASE("bytes go through the pipe in order, and what follows them is received") {
  const std::string bytes = noise(3 << 20, 1);
  for (Kind from_kind : kinds) {
    for (Kind to_kind : kinds) {
      SpliceFixture fixture(from_kind, to_kind);
      SpliceOutcome out;
      start(fixture, static_cast<uint32_t>(bytes.size()), out);
      std::thread writer([&] { fixture.from.far->send(bytes + "tail"); });
      CHECK(fixture.to.far->read(bytes.size()) == bytes);
      writer.join();
      REQUIRE(is_over(fixture, out));
      CHECK(out.last.end == none);
      CHECK(out.given == bytes.size());
      CHECK(out.taken == bytes.size());
      CHECK(out.after == "tail");
    }
  }
}

TEST_CASE("a head goes before the body, whenever that comes") {
  const std::string head = noise(Splice::head_bytes_max, 11);
  const std::string bytes = noise(1 << 20, 12);
  for (Kind from_kind : kinds) {
    for (Kind to_kind : kinds) {
      for (size_t head_size : {size_t{1}, size_t{4097}, head.size()}) {
        for (size_t body_size : {size_t{1}, size_t{40'000}, bytes.size()}) {
          for (bool is_there : {true, false}) {
            SpliceFixture fixture(from_kind, to_kind);
            const std::string wanted = head.substr(0, head_size) + bytes.substr(0, body_size);
            SpliceOutcome out;
            std::thread writer;
            auto write = [&] { fixture.from.far->send(bytes.substr(0, body_size) + "tail"); };
            if (is_there) writer = std::thread(write);
            start(fixture, static_cast<uint32_t>(body_size), out, ByteView(head).substr(0, head_size));
            // The head waits for no body.
            if (!is_there) {
              CHECK(fixture.to.far->read(head_size) == head.substr(0, head_size));
              writer = std::thread(write);
              CHECK(fixture.to.far->read(body_size) == bytes.substr(0, body_size));
            } else {
              CHECK(fixture.to.far->read(wanted.size()) == wanted);
            }
            writer.join();
            REQUIRE(is_over(fixture, out));
            CHECK(out.last.end == none);
            CHECK(out.given == body_size);
            CHECK(out.taken == body_size);
            CHECK(out.after == "tail");
          }
        }
      }
    }
  }
}

TEST_CASE("the head of a body that never comes goes out") {
  for (Kind kind : kinds) {
    SpliceFixture fixture(kind);
    SpliceOutcome out;
    start(fixture, 1000, out, "head");
    CHECK(fixture.to.far->read(4) == "head");
    fixture.thread.run([&] { fixture.from.stream->cancel_receive(); });
    REQUIRE(is_over(fixture, out));
    CHECK(out.last.end == cancelled);
    CHECK(out.given == 0);
  }
}

TEST_CASE("it does not matter in which pieces the bytes come") {
  const std::string bytes = noise(24, 2);
  for (Kind kind : kinds) {
    SpliceFixture fixture(kind);
    for (size_t split = 0; split <= bytes.size(); ++split) {
      for (uint32_t wanted : {1u, 11u, 23u}) {
        SpliceOutcome out;
        start(fixture, wanted, out);
        CHECK(fixture.from.far->send(bytes.substr(0, split)));
        fixture.thread.run([] {});
        CHECK(fixture.from.far->send(bytes.substr(split)));
        REQUIRE(is_over(fixture, out));
        CHECK(out.given == wanted);
        // The last of them wait a while for what follows.
        fixture.thread.run([&] { CHECK(fixture.to.stream->try_send(".", false) == 1); });
        CHECK(fixture.to.far->read(wanted + 1) == bytes.substr(0, wanted) + ".");
        // The rest is still there, to be received in as many pieces.
        std::string rest = out.after;
        while (rest.size() < bytes.size() - wanted) {
          SpliceOutcome more;
          start(fixture, 0, more);
          REQUIRE(is_over(fixture, more));
          REQUIRE_FALSE(more.after.empty());
          rest += more.after;
        }
        CHECK(rest == bytes.substr(wanted));
      }
    }
  }
}

TEST_CASE("pieces of any size make the same stream") {
  std::mt19937 random(3);
  const std::string bytes = noise(2 << 20, 4);
  SpliceFixture fixture;
  SpliceOutcome out;
  start(fixture, static_cast<uint32_t>(bytes.size()), out);
  std::thread writer([&] {
    for (size_t at = 0; at < bytes.size();) {
      size_t size =
          std::min<size_t>(random() % 3 == 0 ? random() % 90'000 : random() % 700, bytes.size() - at);
      fixture.from.far->send(ByteView(bytes).substr(at, size));
      at += size;
    }
    fixture.from.far->send("x");
  });
  std::string got;
  while (got.size() < bytes.size()) {
    std::string piece =
        fixture.to.far->read(std::min<size_t>(bytes.size() - got.size(), 1 + random() % 100'000));
    if (piece.empty()) break;
    got += piece;
  }
  writer.join();
  CHECK(got == bytes);
  REQUIRE(is_over(fixture, out));
  CHECK(out.after == "x");
}

TEST_CASE("a peer that does not read is waited for without turning the loop") {
  const std::string bytes = noise(16 << 20, 5);
  for (Kind kind : kinds) {
    SpliceFixture fixture(kind);
    SpliceOutcome out;
    start(fixture, static_cast<uint32_t>(bytes.size()), out);
    std::thread writer([&] { fixture.from.far->send(bytes + "x"); });
    // Until nothing moves any more.
    uint64_t enters = 0;
    uint64_t quiet = 0;
    for (int i = 0; i < 2'000 && quiet < 20; ++i) {
      ::usleep(5'000);
      const uint64_t now = fixture.thread.shard.counters().enters;
      quiet = now == enters ? quiet + 1 : 0;
      enters = now;
    }
    CHECK(quiet == 20);
    CHECK_FALSE(out.is_over);
    CHECK(fixture.to.far->read(bytes.size()) == bytes);
    writer.join();
    CHECK(is_over(fixture, out));
    CHECK(out.given == bytes.size());
  }
}

TEST_CASE("what one turn moves is bounded") {
  const std::string bytes = noise(4 << 20, 6);
  SpliceFixture fixture;
  SpliceOutcome out;
  start(fixture, static_cast<uint32_t>(bytes.size()), out);
  std::thread writer([&] { fixture.from.far->send(bytes + "x"); });
  CHECK(fixture.to.far->read(bytes.size()) == bytes);
  writer.join();
  REQUIRE(is_over(fixture, out));
  CHECK(fixture.thread.shard.counters().enters >= bytes.size() / Splice::turn_bytes_max);
  CHECK(out.last.given <= Splice::turn_bytes_max);
}

TEST_CASE("a wait for input ends by cancel_receive, and the stream stays usable") {
  for (Kind kind : kinds) {
    SpliceFixture fixture(kind);
    SpliceOutcome out;
    start(fixture, 1000, out);
    fixture.thread.run([&] { fixture.from.stream->cancel_receive(); });
    REQUIRE(is_over(fixture, out));
    CHECK(out.last.end == cancelled);
    CHECK(out.taken == 0);
    SpliceOutcome again;
    start(fixture, 4, again);
    CHECK(fixture.from.far->send("spliceand received"));
    CHECK(fixture.to.far->read(4) == "spli");
    REQUIRE(is_over(fixture, again));
    CHECK(again.after == "ceand received");
  }
}

TEST_CASE("one that waits for output when it is cancelled gives what it holds first") {
  SpliceFixture fixture;
  const std::string bytes = noise(16 << 20, 7);
  SpliceOutcome out;
  start(fixture, static_cast<uint32_t>(bytes.size()), out);
  std::thread writer([&] { fixture.from.far->send(bytes); });
  uint64_t submitted = 0;
  for (int quiet = 0; quiet < 20;) {
    ::usleep(5'000);
    const uint64_t now = fixture.thread.shard.counters().submissions;
    quiet = now == submitted ? quiet + 1 : 0;
    submitted = now;
  }
  fixture.thread.run([&] { fixture.from.stream->cancel_receive(); });
  CHECK_FALSE(out.is_over);
  std::string got;
  std::thread reader([&] { got = fixture.to.far->read(bytes.size()); });
  REQUIRE(is_over(fixture, out));
  fixture.thread.run([&] { fixture.to.stream->shutdown_write(); });
  reader.join();
  CHECK(out.last.end == cancelled);
  CHECK(out.taken == out.given);
  CHECK(out.given < bytes.size());
  CHECK(got == bytes.substr(0, out.given));
  fixture.thread.run([&] { fixture.from.stream->shutdown(); });
  fixture.from.far->reset();
  writer.join();
}

TEST_CASE("the end of the input in the middle is told, and shows again at a receive") {
  for (Kind kind : kinds) {
    SpliceFixture fixture(kind);
    SpliceOutcome out;
    start(fixture, 1000, out);
    fixture.from.far->send("some");
    CHECK(fixture.to.far->read(4) == "some");
    fixture.from.far->end();
    REQUIRE(is_over(fixture, out));
    CHECK(out.last.end == input_ended);
    CHECK(out.given == 4);
    CHECK_FALSE(out.has_failed);
    CHECK(out.after == "");
  }
}

TEST_CASE("a reset of the input shows as such at the next receive") {
  SpliceFixture fixture;
  SpliceOutcome out;
  start(fixture, 1000, out);
  fixture.thread.run([] {});
  fixture.from.far->reset();
  REQUIRE(is_over(fixture, out));
  CHECK(out.last.end == input_ended);
  CHECK(out.has_failed);
  CHECK(out.error == ECONNRESET);
}

TEST_CASE("shutdown of either stream ends a wait") {
  for (bool is_input : {true, false}) {
    for (Kind kind : kinds) {
      SpliceFixture fixture(kind);
      SpliceOutcome out;
      start(fixture, 64 << 20, out);
      std::atomic<bool> is_done = false;
      std::thread writer([&] {
        const std::string bytes = noise(1 << 20, 8);
        while (!is_input && !is_done && fixture.from.far->send(bytes)) {
        }
      });
      if (!is_input) ::usleep(20'000);
      fixture.thread.run([&] { (is_input ? fixture.from : fixture.to).stream->shutdown(); });
      REQUIRE(is_over(fixture, out));
      is_done = true;
      CHECK(out.last.end == (is_input ? input_ended : output_failed));
      CHECK(out.given <= out.taken);
      fixture.thread.run([&] { fixture.from.stream->shutdown(); });
      writer.join();
    }
  }
}

TEST_CASE("where the peer is gone what the pipe holds is lost and counted, and the pipe is not used again") {
  SpliceFixture fixture;
  fixture.to.far->reset();
  REQUIRE(fixture.thread.wait_until([&] { return fixture.to.stream->try_send("x", false) == 0; }));
  fixture.from.far->send(noise(1000, 9));
  SpliceOutcome out;
  start(fixture, 1000, out);
  REQUIRE(is_over(fixture, out));
  CHECK(out.last.end == output_failed);
  CHECK((out.last.error == EPIPE || out.last.error == ECONNRESET));
  CHECK(out.taken == 1000);
  CHECK(out.given == 0);
  // Another one begins with nothing.
  fixture.thread.run([&] { fixture.to.stream.reset(); });
  fixture.to = fixture.make(Kind::tcp);
  SpliceOutcome again;
  start(fixture, 5, again);
  fixture.from.far->send("fresh bytes");
  CHECK(fixture.to.far->read(5) == "fresh");
  CHECK(is_over(fixture, again));
}

TEST_CASE("what only a receive can step over is left to one, without turning the loop for it") {
  SpliceFixture fixture(Kind::tcp);
  SpliceOutcome out;
  start(fixture, 1 << 20, out);
  REQUIRE(fixture.from.far->send(noise(1'000, 3)));
  REQUIRE(fixture.from.far->send_urgent('!'));
  REQUIRE(fixture.from.far->send(noise(1'000, 4)));
  REQUIRE(is_over(fixture, out));
  CHECK(out.last.end == no_pipe);
  CHECK(out.taken == 1'000);
  CHECK(out.given == 1'000);
}

TEST_CASE("nobody waits for a pipe") {
  SpliceFixture fixture(Kind::unix_socket);
  std::vector<Leg> legs;
  std::vector<SpliceOutcome> outs(SplicePipes::all_max + 1);
  for (size_t i = 0; i <= SplicePipes::all_max; ++i) {
    legs.push_back(fixture.make(Kind::unix_socket));
    legs.back().far->send("0123456789");
  }
  // A pipe is held by one whose output takes nothing.
  fill(fixture);
  for (size_t i = 0; i < SplicePipes::all_max; ++i) {
    fixture.thread.run([&] { ring::spawn(move(&fixture, &legs[i], 10, &outs[i])); });
  }
  SpliceOutcome& last = outs.back();
  fixture.thread.run([&] {
    CHECK(fixture.pipes.are_out());
    ring::spawn(move(&fixture, &legs.back(), 10, &last));
    CHECK(last.is_over);
    CHECK(last.last.end == no_pipe);
    // Where there is a head it has not gone out either.
    SpliceOutcome with_head;
    ring::spawn(move(&fixture, &legs.back(), 10, &with_head, "head"));
    CHECK(with_head.is_over);
    CHECK(with_head.last.end == Spliced::End::no_head);
    fixture.to.stream->shutdown();
  });
  for (size_t i = 0; i < SplicePipes::all_max; ++i) REQUIRE(is_over(fixture, outs[i]));
  fixture.thread.run([&] {
    CHECK(fixture.pipes.taken() == 0);
    legs.clear();
  });
}

TEST_CASE("one that waits for input has no pipe") {
  SpliceFixture fixture;
  std::vector<Leg> legs;
  std::vector<SpliceOutcome> outs(SplicePipes::all_max + 8);
  for (size_t i = 0; i < outs.size(); ++i) legs.push_back(fixture.make(Kind::unix_socket));
  for (size_t i = 0; i < outs.size(); ++i) {
    fixture.thread.run([&] { ring::spawn(move(&fixture, &legs[i], 10, &outs[i])); });
  }
  fixture.thread.run([&] { CHECK(fixture.pipes.taken() == 0); });
  for (size_t i = 0; i < outs.size(); ++i) {
    legs[i].far->send("0123456789x");
    REQUIRE(is_over(fixture, outs[i]));
    CHECK(outs[i].given == 10);
    CHECK(outs[i].after == "x");
    CHECK(fixture.to.far->read(10) == "0123456789");
  }
  fixture.thread.run([&] {
    CHECK(fixture.pipes.taken() == 0);
    legs.clear();
  });
}

TEST_CASE("one that finds no pipe when its input comes says so") {
  SpliceFixture fixture(Kind::unix_socket);
  std::vector<Leg> legs;
  std::vector<SpliceOutcome> outs(SplicePipes::all_max + 1);
  for (size_t i = 0; i < outs.size(); ++i) legs.push_back(fixture.make(Kind::unix_socket));
  SpliceOutcome& waiting = outs.back();
  fixture.thread.run([&] { ring::spawn(move(&fixture, &legs.back(), 10, &waiting)); });
  fill(fixture);
  for (size_t i = 0; i < SplicePipes::all_max; ++i) {
    legs[i].far->send("0123456789");
    fixture.thread.run([&] { ring::spawn(move(&fixture, &legs[i], 10, &outs[i])); });
  }
  CHECK(fixture.thread.wait_until([&] { return fixture.pipes.taken() == SplicePipes::all_max; }));
  legs.back().far->send("0123456789");
  REQUIRE(is_over(fixture, waiting));
  CHECK(waiting.last.end == no_pipe);
  CHECK(waiting.taken == 0);
  fixture.thread.run([&] { fixture.to.stream->shutdown(); });
  for (size_t i = 0; i < SplicePipes::all_max; ++i) REQUIRE(is_over(fixture, outs[i]));
  fixture.thread.run([&] { legs.clear(); });
}

namespace {
ring::Task<void> receive_sizes(SocketStream* stream, size_t bytes, std::vector<size_t>* sizes) {
  while (bytes > 0) {
    Receive receive(*stream);
    Result<Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) break;
    bytes -= chunk->bytes().size();
    CHECK(stream->has_nothing_ahead());
    sizes->push_back(chunk->bytes().size());
  }
}
}  // namespace

TEST_CASE("where long bodies are expected a receive brings little, and more only if it was filled") {
  for (Kind kind : kinds) {
    SpliceFixture fixture(kind);
    const std::string bytes = noise(16 << 10, 10);
    fixture.from.far->send(bytes);
    std::vector<size_t> sizes;
    fixture.thread.run([&] { ring::spawn(receive_sizes(fixture.from.stream.get(), bytes.size(), &sizes)); });
    REQUIRE(fixture.thread.wait_until([&] { return sizes.size() == 2; }));
    CHECK(sizes == std::vector<size_t>{2048, 14336});
  }
}

TEST_CASE("what was received ahead comes before anything can be spliced") {
  for (Kind kind : kinds) {
    SpliceFixture fixture(kind);
    Leg leg = fixture.make(kind);
    fixture.thread.run([&] { leg.stream->expect_long_bodies(false); });
    SpliceOutcome first;
    // Arms the receive that stays.
    fixture.thread.run([&] { ring::spawn(move(&fixture, &leg, 0, &first)); });
    leg.far->send("a");
    REQUIRE(is_over(fixture, first));
    CHECK(first.after == "a");
    leg.far->send("b");
    fixture.thread.run([&] {
      CHECK_FALSE(leg.stream->has_nothing_ahead());
      leg.stream->expect_long_bodies(true);
      CHECK_FALSE(leg.stream->has_nothing_ahead());
    });
    SpliceOutcome second;
    fixture.thread.run([&] { ring::spawn(move(&fixture, &leg, 0, &second)); });
    REQUIRE(is_over(fixture, second));
    CHECK(second.after == "b");
    CHECK(fixture.thread.wait_until([&] { return leg.stream->has_nothing_ahead(); }));
    fixture.thread.run([&] { leg.stream.reset(); });
  }
}
