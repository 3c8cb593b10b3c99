// Two shards whose turns are the test's, with sessions that only have names.
#include "ringfence/control/sessions.h"

#include <doctest/doctest.h>

#include <optional>

#include "proxy/vector_space.h"

using namespace ringfence;
using namespace ringfence::control;

namespace {

Uuid id_of(uint8_t number) {
  Uuid out{};
  out.bytes[15] = number;
  return out;
}

class NamedSession final : public proxy::Session {
 public:
  NamedSession(uint8_t number, std::string user) : id_(id_of(number)), user_(std::move(user)) {}
  const Uuid& id() const override { return id_; }
  bool is_logged_in() const override { return true; }
  model::SessionInfo info() const override {
    model::SessionInfo out;
    out.id = id_;
    out.user = user_;
    return out;
  }
  void end_by(const proxy::EndOrder& order) override { ended.push_back(order.message); }
  void drain() override {}
  void reconsider() override {}

  std::vector<std::string> ended;

 private:
  Uuid id_;
  std::string user_;
};

struct SessionsWorld {
  SessionsWorld() : first({}), second({}), home({}) {
    auto snapshot = std::make_shared<proxy::Snapshot>();
    for (ring::Shard* shard : {&first, &second}) {
      cores.push_back(
          std::make_unique<proxy::ShardCore>(proxy::ShardCoreOptions{}, *shard, space, workers, snapshot));
    }
  }
  NamedSession& add(size_t shard, uint8_t number, const std::string& user) {
    auto made = std::make_unique<NamedSession>(number, user);
    NamedSession& out = *made;
    cores[shard]->sessions.add(std::move(made));
    return out;
  }
  void serve() { sessions.serve({cores[0].get(), cores[1].get()}); }
  void turn() {
    first.turn_at(1);
    second.turn_at(1);
    home.turn_at(1);
  }

  ring::Shard first, second, home;
  ring::Workers workers{0, 0};
  proxy::VectorSpace space;
  proxy::VectorSpace trail;
  std::vector<std::unique_ptr<proxy::ShardCore>> cores;
  Events events{[this] { return has_trail ? &trail : nullptr; }};
  Sessions sessions{home, events};
  bool has_trail = true;
};

}  // namespace

TEST_CASE("the sessions of all shards are listed") {
  SessionsWorld world;
  world.add(0, 1, "ada");
  world.add(1, 2, "bob");
  world.serve();
  std::vector<std::string> users;
  bool is_done = false;
  world.sessions.list([&](std::vector<model::SessionInfo> all) {
    is_done = true;
    for (const model::SessionInfo& one : all) users.push_back(one.user);
  });
  CHECK_FALSE(is_done);
  world.turn();
  CHECK(is_done);
  CHECK(users == std::vector<std::string>{"ada", "bob"});
  CHECK(world.trail.records.empty());
}

TEST_CASE("a session is ended on its shard, and the trail says who asked") {
  SessionsWorld world;
  NamedSession& ada = world.add(0, 1, "ada");
  NamedSession& bob = world.add(1, 2, "bob");
  world.serve();
  std::optional<bool> found;
  world.sessions.end(id_of(2), "root", [&](bool is_found) { found = is_found; });
  world.turn();
  CHECK(found == std::optional(true));
  CHECK(bob.ended == std::vector<std::string>{"terminating connection due to administrator command"});
  CHECK(ada.ended.empty());
  REQUIRE(world.trail.records.size() == 1);
  const auto& told = world.trail.records[0];
  CHECK(told[audit::Tag::action] == "session_terminated");
  CHECK(told[audit::Tag::user_name] == "root");
  CHECK(told[audit::Tag::entity_type] == "session");
  CHECK(told[audit::Tag::entity_id] == to_string(id_of(2)));
  CHECK(told[audit::Tag::outcome] == "success");
}

TEST_CASE("that there is no such session is told, and recorded as a failure") {
  SessionsWorld world;
  world.serve();
  std::optional<bool> found;
  world.sessions.end(id_of(9), "root", [&](bool is_found) { found = is_found; });
  world.turn();
  CHECK(found == std::optional(false));
  REQUIRE(world.trail.records.size() == 1);
  CHECK(world.trail.records[0][audit::Tag::outcome] == "failure");
}

TEST_CASE("without a trail a session ends all the same") {
  SessionsWorld world;
  world.has_trail = false;
  NamedSession& ada = world.add(0, 1, "ada");
  world.serve();
  std::optional<bool> found;
  world.sessions.end(id_of(1), "root", [&](bool is_found) { found = is_found; });
  world.turn();
  CHECK(found == std::optional(true));
  CHECK(ada.ended.size() == 1);
}

TEST_CASE("before the shards run, and after, there are no sessions and nobody is asked") {
  SessionsWorld world;
  NamedSession& ada = world.add(0, 1, "ada");
  const auto asks = [&] {
    std::optional<size_t> listed;
    std::optional<bool> found;
    world.sessions.list([&](std::vector<model::SessionInfo> all) { listed = all.size(); });
    world.sessions.end(id_of(1), "root", [&](bool is_found) { found = is_found; });
    CHECK(listed == std::optional<size_t>(0));
    CHECK(found == std::optional(false));
  };
  asks();
  world.serve();
  world.sessions.stop_serving();
  asks();
  world.turn();
  CHECK(ada.ended.empty());
  CHECK(world.trail.records.empty());
}
