#include "ringfence/base/shared_map.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <vector>

using namespace ringfence;

TEST_CASE("a copy keeps what it had when another one changes") {
  SharedMap<std::string> first;
  first["a"] = "1";
  first.set("b", std::string("2"));
  SharedMap<std::string> second = first;
  const std::string* shared = first.find("b");
  second["a"] = "changed";
  second.erase("b");
  second["c"] = "3";
  CHECK(*first.find("a") == "1");
  CHECK(first.find("b") == shared);
  CHECK(first.find("c") == nullptr);
  CHECK(first.size() == 2);
  CHECK(*second.find("a") == "changed");
  CHECK(second.find("b") == nullptr);
  CHECK(second.size() == 2);
  second.erase("nobody");
  CHECK(second.size() == 2);
}

TEST_CASE("it holds what a map holds, whatever is done to it and its copies") {
  std::mt19937 random(7);
  SharedMap<int> shared;
  std::map<std::string, int> plain;
  std::vector<std::pair<SharedMap<int>, std::map<std::string, int>>> kept;
  for (int i = 0; i < 20'000; ++i) {
    const std::string name = "n" + std::to_string(random() % 700);
    const int value = static_cast<int>(random() % 100);
    switch (random() % 4) {
      case 0:
        shared[name] = value;
        plain[name] = value;
        break;
      case 1:
        shared.set(name, value);
        plain[name] = value;
        break;
      case 2:
        shared.erase(name);
        plain.erase(name);
        break;
      default:
        if (i % 1'000 == 0) kept.emplace_back(shared, plain);
    }
  }
  kept.emplace_back(shared, plain);
  for (const auto& [map, expected] : kept) {
    std::map<std::string, int> found;
    for (const auto& [name, value] : map) found[name] = value;
    CHECK(found == expected);
    CHECK(map.size() == expected.size());
  }
  const SharedMap<int> none;
  CHECK(none.begin() == none.end());
}
