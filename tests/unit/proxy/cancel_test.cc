// Cancel requests: whom they find, on which shard, and what a flood of wrong ones does to the right ones.
#include "messages.h"
#include "proxy/pg/cancel_desk.h"
#include "proxy/pg/cancel_failures.h"
#include "proxy/pg/pg_session.h"
#include "session_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

struct LoggedInWorld : World {
  LoggedInWorld() {
    connect();
    authenticate("ada", "secret");
    REQUIRE(server.stream);
    send(server, welcome());
    key = key_of(client.got);
    REQUIRE(key.process_id == 77);
  }
  static std::string request() {
    std::string out;
    pg::append_cancel_request(out, 77, "key!");
    return out;
  }
  // How many requests went to the server.
  size_t cancelled() const {
    for (size_t at = 0; at < cancels.size(); at += request().size())
      CHECK(cancels.substr(at, request().size()) == request());
    return cancels.size() / request().size();
  }
  pg::BackendKeyData key;  // As the client was told.
};

// Requests of strangers, each by a connection of its own.
struct Stranger {
  explicit Stranger(World& world) : world_(world) {}
  Peer& ask(uint32_t process_id, std::string_view key) {
    auto pair = world_.network.make_pair(0);
    Peer& peer = *peers_.emplace_back(std::make_unique<Peer>());
    peer.stream = std::move(pair.right);
    world_.pg_shard->adopt(std::move(pair.left), world_.listener);
    ring::spawn(listen_to(&peer));
    std::string packet;
    pg::append_cancel_request(packet, process_id, key);
    world_.send(peer, packet);
    return peer;
  }
  World& world_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

uint64_t unknown(World& world) { return world.core->counters.cancels_unknown.get(); }
uint64_t paced(World& world) { return world.core->counters.cancels_limited.get(); }

void turn(std::initializer_list<World*> worlds, uint64_t ms) {
  for (int i = 0; i < 4; ++i) {
    for (World* world : worlds) world->advance_to(ms);
  }
}

}  // namespace

TEST_CASE("of sessions that servers gave one process id, the secret tells which is meant") {
  CancelKeys keys;
  World world;
  world.connect();
  Peer first = std::move(world.client);
  world.connect();
  std::vector<PgSession*> sessions;
  world.core->sessions.for_each([&](Session& one) { sessions.push_back(static_cast<PgSession*>(&one)); });
  REQUIRE(sessions.size() == 2);
  keys.add(7, "aaaa", *sessions[0]);
  keys.add(7, "bbbb", *sessions[1]);
  CHECK(keys.find(7, "aaaa") == sessions[0]);
  CHECK(keys.find(7, "bbbb") == sessions[1]);
  for (std::string_view wrong : {"", "a", "aaab", "aaaaa", "baaa"}) CHECK(keys.find(7, wrong) == nullptr);
  CHECK(keys.find(8, "aaaa") == nullptr);
  keys.remove(7, *sessions[0]);
  CHECK(keys.find(7, "aaaa") == nullptr);
  CHECK(keys.find(7, "bbbb") == sessions[1]);
  keys.remove(7, *sessions[0]);
  first.stream->shutdown();
  world.settle();
}

TEST_CASE("an address is counted without its port, and a network of IPv6 as one") {
  const auto same = [](std::string_view a, std::string_view b) {
    return CancelFailures::network_of(a) == CancelFailures::network_of(b);
  };
  CHECK(same("10.0.0.1:5000", "10.0.0.1:5001"));
  CHECK_FALSE(same("10.0.0.1:5000", "10.0.0.2:5000"));
  CHECK(same("[2001:db8:1:2::3]:1", "[2001:db8:1:2:ffff::4]:2"));
  CHECK_FALSE(same("[2001:db8:1:2::3]:1", "[2001:db8:1:3::3]:1"));
  CHECK(same("unix:", "unix:/run/x"));
  CancelFailures failures(HashKey{1, 2});
  for (uint32_t i = 0; i < wrong_cancels_per_second; ++i)
    CHECK(failures.note("10.0.0.1:" + std::to_string(i), 5));
  CHECK_FALSE(failures.note("10.0.0.1:1", 5));
  CHECK(failures.note("10.0.0.2:1", 5));
  failures.take_back("10.0.0.1:1", 5);
  failures.take_back("10.0.0.1:1", 5);
  CHECK(failures.note("10.0.0.1:1", 5));
  CHECK_FALSE(failures.note("10.0.0.1:1", 5));
  CHECK(failures.note("10.0.0.1:1", 6));
}

TEST_CASE("a wrong key finds nobody, on no shard, and gets no byte") {
  LoggedInWorld a, b;
  a.pg_shard->set_peers({&*a.pg_shard, &*b.pg_shard});
  b.pg_shard->set_peers({&*a.pg_shard, &*b.pg_shard});
  Stranger stranger(b);
  Peer& asked = stranger.ask(77, std::string(4, '\0'));
  CHECK_FALSE(asked.has_ended);  // The other shard has not been heard.
  turn({&a, &b}, 1);
  CHECK(asked.has_ended);
  CHECK(asked.got.empty());
  CHECK(unknown(b) == 1);
  CHECK(unknown(a) == 0);
  CHECK(a.cancelled() + b.cancelled() == 0);
}

TEST_CASE(
    "a flood of wrong keys does not keep the right ones from any shard, and costs the others one question at "
    "a time") {
  LoggedInWorld a, b;
  a.pg_shard->set_peers({&*a.pg_shard, &*b.pg_shard});
  b.pg_shard->set_peers({&*a.pg_shard, &*b.pg_shard});
  // Both servers have one process id.
  CHECK(a.key.process_id == b.key.process_id);
  CHECK(a.key.key != b.key.key);
  for (World* at : {static_cast<World*>(&a), static_cast<World*>(&b)}) {
    for (uint64_t round = 1; round <= 3; ++round) {
      const uint64_t ms = round * 1'000 + (at == &b ? 10'000 : 0);
      turn({&a, &b}, ms);
      Stranger stranger(*at);
      for (uint32_t i = 0; i < 3 * wrong_cancels_per_second; ++i) stranger.ask(77, "nope");
      // From the same address.
      Peer& for_a = stranger.ask(77, a.key.key);
      Peer& for_b = stranger.ask(77, b.key.key);
      turn({&a, &b}, ms);
      CHECK((at == &a ? for_a : for_b).has_ended);
      CHECK(paced(*at) >= round * 2 * wrong_cancels_per_second);
      turn({&a, &b}, ms + cancel_pause_ms);
      CHECK(for_a.has_ended);
      CHECK(for_b.has_ended);
      for (auto& peer : stranger.peers_) {
        CHECK(peer->has_ended);
        CHECK(peer->got.empty());
      }
      CHECK(unknown(*at) == round * 3 * wrong_cancels_per_second);
      CHECK(a.cancelled() == round + (at == &b ? 3 : 0));
      CHECK(b.cancelled() == a.cancelled());
    }
  }
}

TEST_CASE("a shard whose mailbox is full for a moment is asked when it has room") {
  LoggedInWorld a, b;
  a.pg_shard->set_peers({&*a.pg_shard, &*b.pg_shard});
  b.pg_shard->set_peers({&*a.pg_shard, &*b.pg_shard});
  while (a.shard.post([] {})) continue;
  Stranger stranger(b);
  Peer& wrong = stranger.ask(77, "nope");
  Peer& right = stranger.ask(77, a.key.key);
  for (int i = 0; i < 10; ++i) b.advance_to(i + 1);
  CHECK_FALSE(right.has_ended);
  turn({&a, &b}, 20);
  turn({&a, &b}, 30);
  CHECK(right.has_ended);
  CHECK(wrong.has_ended);
  CHECK(a.cancelled() == 1);
  CHECK(b.cancelled() == 0);
  CHECK(unknown(b) == 1);
}

TEST_CASE("a request to cancel that is made badly, and what is no startup packet, get no byte") {
  const auto first = [](std::string bytes) {
    World world;
    world.connect();
    world.send(world.client, std::move(bytes));
    CHECK(world.client.has_ended);
    CHECK(world.client.got.empty());
    CHECK(world.core->is_drained());
    CHECK(world.space.records.empty());
  };
  for (size_t size : {0, 1, 3, 257}) {
    std::string packet;
    pg::append_cancel_request(packet, 77, std::string(size, 'k'));
    first(packet);
  }
  std::string terminate;
  pg::append_terminate(terminate);
  first(terminate);
  first("GET / HTTP/1.1\r\n\r\n");
  first(std::string("\0\0\0\7abc", 7));
  first(std::string("\xff\xff\xff\xff", 4));
}
