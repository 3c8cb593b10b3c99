#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

#include "ringfence/pg/name_table.h"

using namespace ringfence::pg;

namespace {

Ref<Prepared> named(ObjectPools& pools, const std::string& name) {
  Ref<Prepared> object = pools.prepared.make();
  object->name = name;
  return object;
}

}  // namespace

TEST_CASE("a table of names finds what was added and not taken, whatever the order") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    ObjectPools pools;
    NameTable<Prepared> table;
    std::map<std::string, Prepared*> model;
    for (int step = 0; step < 2'000; ++step) {
      // Few names, so that most places are near one another, and some are taken while others move up behind them.
      const std::string name = "s" + std::to_string(random() % 40);
      if (random() % 2 == 0 && !model.contains(name)) {
        Ref<Prepared> object = named(pools, name);
        table.add(object);
        model[name] = object.get();
      } else {
        Ref<Prepared> taken = table.take(name);
        auto known = model.find(name);
        REQUIRE(taken.get() == (known == model.end() ? nullptr : known->second));
        if (known != model.end()) model.erase(known);
      }
      REQUIRE(table.size() == model.size());
      for (int i = 0; i < 40; ++i) {
        auto known = model.find("s" + std::to_string(i));
        REQUIRE(table.find("s" + std::to_string(i)) == (known == model.end() ? nullptr : known->second));
      }
    }
  }
}

TEST_CASE("a table of names lets go of what it held") {
  ObjectPools pools;
  Ref<Prepared> object = named(pools, "one");
  {
    NameTable<Prepared> table;
    table.add(object);
    CHECK(object->references == 2);
    table.clear();
    CHECK(object->references == 1);
    CHECK(table.find("one") == nullptr);
    table.add(object);
  }
  CHECK(object->references == 1);
}
