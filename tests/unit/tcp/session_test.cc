// Raw TCP sessions on a shard's thread, between real sockets of which the test has the far ends.
#include <doctest/doctest.h>

#include <netinet/in.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include "net/far_end.h"
#include "net/shard_thread.h"
#include "proxy/access_fixture.h"
#include "proxy/vector_space.h"
#include "ringfence/net/socket_stream.h"
#include "ringfence/proxy/tcp/tcp_shard.h"

using namespace ringfence;
using namespace ringfence::proxy;
using net_test::Far;
using net_test::noise;

namespace {

struct World {
  explicit World(std::function<void(Snapshot&)> change = {}, std::function<Result<void>()> sync = {}) {
    std::signal(SIGPIPE, SIG_IGN);
    listening = net::listen(net::numeric_address("127.0.0.1", 0).value(), "x").value();
    const net::Address address = net::local_address(listening);
    made = std::make_shared<Snapshot>();
    made->policies = everything_for_everybody();
    made->users["ada"].name = "ada";
    Listener rules;
    rules.name = "raw";
    rules.protocol = "tcp";
    rules.tls = ListenerTls::off;
    rules.target = "cache";
    rules.network_users = {{"127.0.0.0/8", "ada"}};
    TcpTarget target;
    target.name = "cache";
    target.hosts = {"127.0.0.1"};
    target.port = ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
    made->tcp_targets["cache"] = target;
    made->listeners["raw"] = rules;
    if (change) change(*made);
    made->listeners["raw"].client_networks = ClientNetworks(made->listeners["raw"]);
    facts->name = "raw";
    facts->transport = "tcp";
    ShardCore::Options options;
    options.sync = std::move(sync);
    thread.run([&] {
      core = std::make_unique<ShardCore>(options, thread.shard, space, ShardWorkers(workers), made);
      tcp = std::make_unique<TcpShard>(*core);
    });
  }
  ~World() {
    CHECK(thread.wait_until([&] { return core->is_drained(); }));
    thread.run([&] {
      CHECK(core->splice_pipes.taken() == 0);
      CHECK(core->counters.connections_open.get() == 0);
      CHECK(*made->tcp_targets["cache"].sessions == 0);
      tcp.reset();
      core.reset();
    });
    ::close(listening);
  }
  std::unique_ptr<Far> connect() {
    int ends[2];
    net_test::make_pair_of(net_test::Kind::tcp, ends);
    core->hand_over(ends[0], *tcp, facts);
    return std::make_unique<Far>(ends[1]);
  }
  std::unique_ptr<Far> accept() { return std::make_unique<Far>(::accept(listening, nullptr, nullptr)); }
  bool is_over() {
    return thread.wait_until([&] { return core->is_drained(); });
  }
  std::vector<std::string> actions() {
    std::vector<std::string> out;
    thread.run([&] {
      for (const auto& record : space.records) out.push_back(record[audit::Tag::action]);
    });
    return out;
  }
  std::string last(audit::Tag tag) {
    std::string out;
    thread.run([&] { out = space.records.back()[tag]; });
    return out;
  }
  void use(std::function<void(Snapshot&)> change) {
    auto next = std::make_shared<Snapshot>(*made);
    change(*next);
    next->listeners["raw"].client_networks = ClientNetworks(next->listeners["raw"]);
    thread.run([&] { core->use(next); });
  }

  int listening = -1;
  VectorSpace space;
  std::shared_ptr<Snapshot> made;
  std::shared_ptr<ListenerFacts> facts = std::make_shared<ListenerFacts>();
  net_test::ShardThread thread;
  ring::Workers workers{1, 16};  // What it has to say it says to the shard.
  std::unique_ptr<ShardCore> core;
  std::unique_ptr<TcpShard> tcp;
};

using Actions = std::vector<std::string>;
const Actions whole = {"policy_evaluated", "tcp_connect", "tcp_disconnect"};

}  // namespace

TEST_CASE("bytes pass both ways in any pieces, and the trail has how many") {
  World world;
  auto client = world.connect();
  auto server = world.accept();
  const std::string up = noise(3 << 20, 1), down = noise(2 << 20, 2);
  std::thread sending([&] {
    client->send(ByteView(up).substr(0, 1));
    client->send(ByteView(up).substr(1));
    client->end();
  });
  std::thread answering([&] {
    server->send(down);
    server->end();
  });
  std::string got_down;
  std::thread reading([&] { got_down = client->read(down.size() + 1); });
  CHECK(server->read(up.size() + 1) == up);
  for (std::thread* one : {&sending, &answering, &reading}) one->join();
  CHECK(got_down == down);
  REQUIRE(world.is_over());
  CHECK(world.actions() == whole);
  world.thread.run([&] {
    const auto& done = world.space.records.back();
    CHECK(done.integer(audit::Tag::bytes_to_server) == static_cast<int64_t>(up.size()));
    CHECK(done.integer(audit::Tag::bytes_to_client) == static_cast<int64_t>(down.size()));
    CHECK(world.core->counters.spliced_to_server.get() > 0);
  });
}

TEST_CASE("no byte passes before its record is on the disk") {
  std::promise<void> may_sync;
  auto gate = may_sync.get_future().share();
  World world({}, [gate]() -> Result<void> {
    gate.wait();
    return {};
  });
  auto client = world.connect();
  auto server = world.accept();
  client->send("hello");
  CHECK(world.thread.wait_until([&] { return world.space.records.size() == 2; }));
  ::usleep(50'000);
  world.thread.run([&] { CHECK(world.core->counters.bytes_to_server.get() == 0); });
  may_sync.set_value();
  CHECK(server->read(5) == "hello");
  client->close();
  server->close();
  CHECK(world.is_over());
}

TEST_CASE("where the disk takes no record nothing passes, and the end says so") {
  World world({}, []() -> Result<void> { return fail(Fault::unavailable, "no"); });
  auto client = world.connect();
  auto server = world.accept();
  client->send("hello");
  CHECK(server->read(5).empty());
  REQUIRE(world.is_over());
  CHECK(world.actions() == whole);
  CHECK(world.last(audit::Tag::reason) == "the disk does not take the record of the connection");
}

TEST_CASE("where the trail has no room no session begins") {
  World world;
  world.thread.run([&] { world.space.is_full = true; });
  auto client = world.connect();
  client->send("hello");
  ::usleep(50'000);
  world.thread.run([&] {
    CHECK(world.core->counters.sessions_open.get() == 0);
    world.space.is_full = false;
    world.core->trail_has_room();
  });
  auto server = world.accept();
  CHECK(server->read(5) == "hello");
  client->close();
  server->close();
  REQUIRE(world.is_over());
  CHECK(world.actions() == whole);
}

TEST_CASE("an end that finds no room is told when there is some") {
  World world;
  auto client = world.connect();
  auto server = world.accept();
  client->send("x");
  CHECK(server->read(1) == "x");
  world.thread.run([&] { world.space.is_full = true; });
  client->close();
  server->close();
  REQUIRE(world.is_over());
  CHECK(world.actions().size() == 2);
  world.thread.run([&] {
    world.space.is_full = false;
    world.core->trail_has_room();
  });
  CHECK(world.actions() == whole);
}

TEST_CASE("a reload that takes the access ends the session, one that changes nothing does not") {
  World world;
  auto client = world.connect();
  auto server = world.accept();
  client->send("x");
  CHECK(server->read(1) == "x");
  world.use([](Snapshot& next) { next.tcp_targets["cache"].connections_max = 5; });
  client->send("y");
  CHECK(server->read(1) == "y");
  world.use([](Snapshot& next) { next.policies = policies_for("*", policy::Level::read); });
  REQUIRE(world.is_over());
  CHECK(world.last(audit::Tag::reason) == "the present policies give no access to the target any more");
}

TEST_CASE("what is less than everything is no access") {
  for (policy::Level level :
       {policy::Level::read, policy::Level::write, policy::Level::ddl, policy::Level::admin}) {
    World world([&](Snapshot& snapshot) { snapshot.policies = policies_for("*", level, {{"delete", ""}}); });
    auto client = world.connect();
    CHECK(client->read(1).empty());
    REQUIRE(world.is_over());
    CHECK(world.actions() == Actions{"access_denied"});
  }
}

TEST_CASE("orders end it wherever it is") {
  for (int phase = 0; phase < 2; ++phase) {
    CAPTURE(phase);
    World world;
    auto client = world.connect();
    std::unique_ptr<Far> server;
    if (phase == 1) {
      server = world.accept();
      client->send("x");
      CHECK(server->read(1) == "x");
    }
    world.thread.run([&] { world.core->end_all({EndCause::administrator, "by order", ""}); });
    REQUIRE(world.is_over());
    if (phase == 1) CHECK(world.last(audit::Tag::reason) == "by order");
    world.thread.run([&] {
      const auto begun = [](const auto* record) { return (*record)[audit::Tag::outcome] == "success"; };
      const auto all = world.space.events("tcp_connect");
      CHECK(static_cast<size_t>(std::count_if(all.begin(), all.end(), begun)) ==
            world.space.events("tcp_disconnect").size());
    });
  }
}

TEST_CASE("an end while the server's name is looked up takes the session at once") {
  std::promise<void> may_work;
  auto gate = may_work.get_future().share();
  {
    World world(
        [](Snapshot& snapshot) { snapshot.tcp_targets["cache"].hosts = {"a.name.that.is.looked.up"}; });
    // The look-up stands behind this.
    REQUIRE(world.workers.post([gate] { gate.wait(); }));
    for (int round = 0; round < 3; ++round) {
      CAPTURE(round);
      auto client = world.connect();
      CHECK(world.thread.wait_until([&] { return world.core->sessions.size() == 1; }));
      ::usleep(20'000);
      world.thread.run([&] {
        if (round == 0) world.core->end_all({EndCause::administrator, "by order", ""});
        else world.core->drain();
        CHECK(world.core->is_drained());
        world.core->is_draining = false;
      });
    }
    CHECK(world.actions().empty());
    may_work.set_value();
  }
}

TEST_CASE("what can be repeated is told of once, and counted") {
  World world([](Snapshot& snapshot) { snapshot.policies = policies_for("*", policy::Level::read); });
  for (int i = 0; i < 50; ++i) {
    auto client = world.connect();
    CHECK(client->read(1).empty());
  }
  REQUIRE(world.is_over());
  CHECK(world.actions() == Actions{"access_denied"});
  world.thread.run([&] { CHECK(world.core->counters.failures_counted.get() == 49); });
}

TEST_CASE("a reload while the server is reached decides by what is in force then") {
  std::promise<void> may_work;
  auto gate = may_work.get_future().share();
  World world([](Snapshot& snapshot) { snapshot.tcp_targets["cache"].hosts = {"localhost"}; });
  REQUIRE(world.workers.post([gate] { gate.wait(); }));
  auto client = world.connect();
  CHECK(world.thread.wait_until([&] { return world.core->sessions.size() == 1; }));
  ::usleep(20'000);
  world.use([](Snapshot& next) { next.policies = policies_for("*", policy::Level::read); });
  may_work.set_value();
  CHECK(client->read(1).empty());
  REQUIRE(world.is_over());
  CHECK(world.actions() == Actions{"access_denied", "tcp_connect"});
  CHECK(world.last(audit::Tag::outcome) == "failure");
}

TEST_CASE("of what is cut off the bytes that nobody took are not counted") {
  World world;
  auto client = world.connect();
  auto server = world.accept();
  client->send("x");
  CHECK(server->read(1) == "x");
  std::atomic<bool> is_over{false};
  std::thread sending([&] {
    const std::string data = noise(256 << 10, 5);
    while (!is_over && server->send(data)) continue;
  });
  const std::string taken = client->read(1 << 20);
  // Until nothing goes on: both sockets are full.
  uint64_t before = 0;
  for (int quiet = 0; quiet < 5;) {
    ::usleep(50'000);
    world.thread.run([&] {
      const uint64_t now = world.core->counters.bytes_to_client.get();
      quiet = now == before ? quiet + 1 : 0;
      before = now;
    });
  }
  world.thread.run([&] { world.core->end_all({EndCause::administrator, "by order", ""}); });
  is_over = true;
  sending.join();
  REQUIRE(world.is_over());
  world.thread.run([&] {
    const int64_t told = world.space.records.back().integer(audit::Tag::bytes_to_client);
    // Of the piece that was being sent nothing is counted.
    CHECK(told + (64 << 10) >= static_cast<int64_t>(taken.size()));
    CHECK(told < static_cast<int64_t>(before));
  });
}

TEST_CASE("peers that reset, hang up or stop at any moment leave a beginning and an end each") {
  World world([](Snapshot& snapshot) { snapshot.tcp_targets["cache"].idle_ms = 300; });
  const std::string data = noise(600'000, 3);
  for (unsigned round = 0; round < 60; ++round) {
    CAPTURE(round);
    auto client = world.connect();
    auto server = world.accept();
    if (round % 3 == 1) client->send(ByteView(data).substr(0, 100));
    if (round % 3 == 2) {
      std::thread sending([&] { client->send(data); });
      server->read(round % 2 == 0 ? 10 : 300'000);
      switch (round / 3 % 4) {
        case 0: server->reset(); break;
        case 1: server->close(); break;
        default: break;
      }
      if (round / 3 % 4 >= 2) server->read(data.size());
      sending.join();
    }
    switch (round / 3 % 4) {
      case 0: client->reset(); break;
      case 1: client->close(); break;
      case 2:
        client->end();
        server->end();
        break;
      default: break;  // The bound on quiet.
    }
    if (round / 3 % 4 == 1) server->close();
    if (round / 3 % 4 == 2) {
      client->close();
      server->close();
    }
    REQUIRE(world.is_over());
  }
  const Actions actions = world.actions();
  CHECK(std::count(actions.begin(), actions.end(), "tcp_connect") == 60);
  CHECK(std::count(actions.begin(), actions.end(), "tcp_disconnect") == 60);
}
