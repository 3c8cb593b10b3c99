// Questions to all shards, whatever stands in their mailboxes. The shards' turns are the test's.
#include "ringfence/proxy/core/fleet.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

void fill(ring::Shard& shard) {
  while (shard.post([] {})) {
  }
}

}  // namespace

TEST_CASE("all shards are asked and answer in their order, also where mailboxes are full") {
  ring::Shard home({}), one({}), two({}), three({});
  for (ring::Shard* shard : {&home, &two, &three}) fill(*shard);
  std::optional<std::vector<std::string>> answers;
  std::vector<size_t> asked;
  ask_all<std::string>(
      {&one, &two, &three}, home,
      [&asked](size_t place) {
        asked.push_back(place);
        return "answer " + std::to_string(place);
      },
      [&answers](std::vector<std::string> all) {
        CHECK_FALSE(answers);
        answers = std::move(all);
      });
  CHECK(asked.empty());
  three.turn_at(1);
  one.turn_at(1);
  home.turn_at(1);
  CHECK(asked == std::vector<size_t>{2, 0});
  CHECK_FALSE(answers);
  two.turn_at(1);
  CHECK_FALSE(answers);
  home.turn_at(2);
  REQUIRE(answers);
  CHECK(*answers == std::vector<std::string>{"answer 0", "answer 1", "answer 2"});
}

TEST_CASE("the home shard may be one of those that are asked") {
  ring::Shard home({}), other({});
  size_t sum = 0;
  ask_all<size_t>(
      {&home, &other}, home, [](size_t place) { return place + 1; },
      [&sum](const std::vector<size_t>& all) {
        for (size_t answer : all) sum += answer;
      });
  home.turn_at(1);
  other.turn_at(1);
  home.turn_at(2);
  CHECK(sum == 3);
}

TEST_CASE("what is not asked any more is let go of with its shard") {
  auto owned = std::make_shared<int>(0);
  ring::Shard home({});
  {
    ring::Shard gone({});
    ask_all<int>(
        {&gone}, home, [owned](size_t) { return *owned; },
        [owned](std::vector<int>) { FAIL("it was answered"); });
    CHECK(owned.use_count() == 3);
  }
  CHECK(owned.use_count() == 1);
}
