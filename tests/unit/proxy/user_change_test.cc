// Users that change in the store while their sessions run.
#include "session_fixture.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

constexpr Uuid ada_id{{1, 2, 3}};

void make_store_user(Snapshot& snapshot) {
  User& ada = snapshot.users["ada"];
  ada.id = ada_id;
  ada.password_set_us = 1'000'000;
  ada.roles = {"analyst"};
}
// A change of the store: the policies and the generation stay.
void use(World& world, const std::function<void(Snapshot&)>& change) {
  auto snapshot = std::make_shared<Snapshot>(*world.core->snapshot);
  change(*snapshot);
  world.core->use(snapshot);
  world.settle();
}
std::string last_error(std::string_view bytes) {
  std::string last;
  for (size_t at = 0; at + 5 <= bytes.size();) {
    const uint32_t length = detail::load_be<uint32_t>(bytes.data() + at + 1);
    if (bytes[at] == 'E')
      last = std::string(pg::parse_error_fields(bytes.substr(at + 5, length - 4))->message);
    at += 1 + length;
  }
  return last;
}

struct LoggedInUser : World {
  explicit LoggedInUser(std::function<void(Snapshot&)> change = make_store_user)
      : World(1, 0, std::move(change)) {
    connect();
    log_in();
    client.got.clear();
    server.got.clear();
  }
};

}  // namespace

TEST_CASE("a session ends at once, with what it runs, when its user goes or the password changes") {
  for (const bool is_running : {false, true}) {
    for (const int change : {0, 1, 2}) {
      LoggedInUser world;
      if (is_running) world.send(world.client, query("select pg_sleep(1000)"));
      use(world, [change](Snapshot& next) {
        if (change == 0) next.users.erase("ada");
        if (change == 1) next.users["ada"].password_set_us = 2'000'000;
        if (change == 2) next.users["ada"].id = Uuid{{9}};  // Another one of this name.
      });
      CHECK(last_error(world.client.got).starts_with("terminating connection: the "));
      CHECK(world.cancels.empty() != is_running);
      CHECK(world.client.has_ended);
    }
  }
}

TEST_CASE("what changes of others leaves a session alone, and its decisions with it") {
  LoggedInUser world([](Snapshot& snapshot) {
    make_store_user(snapshot);
    snapshot.policies = policies_for("analyst", policy::Level::read);
  });
  world.send(world.client, query("select 1"));
  world.send(world.server, answer());
  const auto before =
      world.pg_shard->state().accesses.find("ada", "shop", world.core->snapshot, world.core->snapshot);
  use(world, [](Snapshot& next) { next.users["bob"].name = "bob"; });
  CHECK(world.pg_shard->state().accesses.find("ada", "shop", world.core->snapshot, world.core->snapshot) ==
        before);
  world.client.got.clear();
  world.send(world.client, query("select 2"));
  world.send(world.server, answer());
  CHECK(World::types(world.client.got).find('E') == std::string::npos);
}

TEST_CASE("a role that is taken away decides the next statement") {
  LoggedInUser world([](Snapshot& snapshot) {
    make_store_user(snapshot);
    snapshot.users["ada"].roles = {"writer"};
    snapshot.policies = policies_for("writer", policy::Level::write);
  });
  world.send(world.client, query("insert into t values (1)"));
  CHECK(world.server.got.find("insert") != std::string::npos);
  world.send(world.server, answer());
  use(world, [](Snapshot& next) { next.users["ada"].roles = {}; });
  CHECK(last_error(world.client.got).starts_with("terminating connection: your access to database"));
}

TEST_CASE("a session ends at once, with what it runs, when its target goes or the access to it does") {
  for (const bool is_running : {false, true}) {
    for (const int change : {0, 1, 2}) {
      LoggedInUser world;
      if (is_running) world.send(world.client, query("select pg_sleep(1000)"));
      use(world, [change](Snapshot& next) {
        if (change == 0) next.targets.erase("shop");
        if (change == 1) next.targets["shop"].id = Uuid{{9}};  // Another one of this name.
        if (change == 2) next.policies = policies_for("nobody", policy::Level::admin);
      });
      CHECK(last_error(world.client.got) ==
            (change == 2 ? "terminating connection: your access to database \"shop\" has ended"
                         : "terminating connection: database \"shop\" is not available any more"));
      CHECK(world.cancels.empty() != is_running);
      CHECK(world.client.has_ended);
    }
  }
}

TEST_CASE("a COPY from a client who has lost access ends: nobody would end it") {
  for (const bool is_late : {false, true}) {
    LoggedInUser world([](Snapshot& snapshot) {
      make_store_user(snapshot);
      snapshot.users["ada"].roles = {"writer"};
      snapshot.policies = policies_for("writer", policy::Level::write);
    });
    world.send(world.client, query("copy t from stdin"));
    const std::string begun = message('G', std::string("\0\0\0", 3));
    const auto take_role = [&] { use(world, [](Snapshot& next) { next.users["ada"].roles = {}; }); };
    if (!is_late) take_role();
    world.send(world.server, begun);
    if (is_late) take_role();
    CHECK(last_error(world.client.got).starts_with("terminating connection: your access to database"));
    CHECK(world.client.has_ended);
    CHECK_FALSE(world.cancels.empty());
  }
}

TEST_CASE("a role that is changed for another one changes what passes, without a reload") {
  policy::Policy writers, definers;
  writers.name = "writers";
  writers.roles = {{"writer", ""}};
  writers.level = policy::Level::write;
  definers.name = "definers";
  definers.roles = {{"definer", ""}};
  definers.level = policy::Level::ddl;
  std::vector<policy::Problem> problems;
  auto set = policy::PolicySet::compile({writers, definers}, problems);
  REQUIRE(set);
  LoggedInUser world([&](Snapshot& snapshot) {
    make_store_user(snapshot);
    snapshot.users["ada"].roles = {"definer"};
    snapshot.policies = set;
  });
  world.send(world.client, query("drop table t"));
  CHECK(world.server.got.find("drop table t") != std::string::npos);
  world.send(world.server, answer());
  use(world, [](Snapshot& next) { next.users["ada"].roles = {"writer"}; });
  world.server.got.clear();
  world.send(world.client, query("drop table t"));
  CHECK(world.server.got.find("drop table t") == std::string::npos);
}

TEST_CASE("who must change the password is let in nowhere, and is told the cure") {
  World world(1, 0, [](Snapshot& snapshot) {
    make_store_user(snapshot);
    snapshot.users["ada"].must_change_password = true;
  });
  world.connect();
  world.authenticate("ada", "secret");
  CHECK(last_error(world.client.got) == "the password must be changed before the first connection");
  CHECK(!world.server.stream);
}

TEST_CASE("a user without a password fails as one with a wrong one does") {
  World world(1, 0, [](Snapshot& snapshot) {
    make_store_user(snapshot);
    snapshot.users["ada"].has_password = false;
  });
  world.connect();
  world.authenticate("ada", "secret");
  CHECK(last_error(world.client.got).find("password authentication failed") != std::string::npos);
}
