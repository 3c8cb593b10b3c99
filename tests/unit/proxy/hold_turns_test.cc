#include <doctest/doctest.h>

#include <list>
#include <string>
#include <vector>

#include "ringfence/proxy/core/hold_table.h"

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

struct World {
  Hold& wait(const std::string& user, bool can_begin = true) {
    Hold& hold = holds.emplace_back(table, timers, 1'000, true);
    table.take_turn(hold, user, [this, user, can_begin, &hold] {
      if (can_begin) begun.push_back(user + " " + std::to_string(hold.number()));
      else hold.end(HoldEnd::released);
      return can_begin;
    });
    return hold;
  }
  void leave(const Hold& hold) {
    holds.remove_if([&](const Hold& one) { return &one == &hold; });
  }

  ring::Timers timers;
  HoldTable table;
  std::list<Hold> holds;
  std::vector<std::string> begun;
};
using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("of each user one statement at a time has its turn, in the order in which they came") {
  World world;
  for (int i = 0; i < 3; ++i) world.wait("ada");
  world.wait("bob");
  CHECK(world.begun == Lines{"ada 1", "bob 4"});
  world.table.end_turn("ada");
  CHECK(world.begun == Lines{"ada 1", "bob 4", "ada 2"});
  world.table.end_turn("bob");
  world.wait("bob");
  CHECK(world.begun == Lines{"ada 1", "bob 4", "ada 2", "bob 5"});
  world.table.end_turn("ada");
  world.table.end_turn("ada");
  world.wait("ada");
  CHECK(world.begun == Lines{"ada 1", "bob 4", "ada 2", "bob 5", "ada 3", "ada 6"});
}

TEST_CASE("who leaves or gives up before his turn has none, and who cannot begin holds nobody up") {
  World world;
  Hold& first = world.wait("ada");
  Hold& leaves = world.wait("ada");
  Hold& gives_up = world.wait("ada");
  Hold& cannot = world.wait("ada", false);
  world.wait("ada");
  world.leave(leaves);
  gives_up.end(HoldEnd::cancelled);
  // The one that has its turn leaves too; its job comes back all the same.
  world.leave(first);
  CHECK(world.begun == Lines{"ada 1"});
  world.table.end_turn("ada");
  CHECK(world.begun == Lines{"ada 1", "ada 5"});
  CHECK(cannot.ended_by() == HoldEnd::released);
  world.table.end_turn("ada");
  // Nobody has a turn any more.
  world.wait("ada", false);
  world.wait("ada");
  CHECK(world.begun == Lines{"ada 1", "ada 5", "ada 7"});
}
