#include <doctest/doctest.h>

#include <map>
#include <random>

#include "audit/open_starts.h"

using namespace ringfence::audit;

TEST_CASE("open starts behave like a map under any order of adds and removes") {
  std::mt19937_64 random(7);
  OpenStarts open;
  std::map<uint64_t, std::string> model;
  for (int i = 0; i < 200'000; ++i) {
    uint64_t key = OpenStarts::key_of(static_cast<uint32_t>(random() % 3), 1 + random() % 3000);
    if (random() % 2 == 0) {
      OpenStart& start = open.add(key);
      start.copy = std::to_string(key);
      start.fields = start.copy;
      model[key] = std::to_string(key);
    } else {
      open.remove(key);
      model.erase(key);
    }
    if (i % 1000 != 0) continue;
    REQUIRE(open.size() == model.size());
    for (const auto& [k, text] : model) {
      OpenStart* found = open.find(k);
      REQUIRE(found != nullptr);
      REQUIRE(found->fields == text);
    }
  }
}
