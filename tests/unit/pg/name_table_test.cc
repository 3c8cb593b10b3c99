#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "ringfence/pg/name_table.h"

using namespace ringfence::pg;

namespace {

constexpr ringfence::HashKey key{0x5eed, 0x5ec2e7};

Ref<Prepared> named(ObjectPools& pools, const std::string& name) {
  Ref<Prepared> object = pools.prepared.make();
  object->name = name;
  return object;
}

// Counts how often its name is compared with another: once for each place that is looked at.
struct Watched {
  struct Name {
    std::string text;
    static inline uint64_t comparisons = 0;
    operator std::string_view() const { return text; }
    friend bool operator==(const Name& name, std::string_view other) {
      ++comparisons;
      return name.text == other;
    }
  };
  Pool<Watched>* pool = nullptr;
  uint32_t references = 0;
  Name name;
  void clear() { name.text.clear(); }
};

// Names whose hashes by std::hash, which has no secret, agree in as many low bits as a table of so many
// places uses.
std::vector<std::string> colliding_names(size_t count, uint32_t places) {
  std::vector<std::string> out;
  for (uint64_t i = 0; out.size() < count; ++i) {
    std::string name = "s" + std::to_string(i);
    if ((std::hash<std::string_view>()(name) & (places - 1)) == 0) out.push_back(std::move(name));
  }
  return out;
}

}  // namespace

TEST_CASE("a table of names finds what was added and not taken, whatever the order") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    ObjectPools pools{key};
    NameTable<Prepared> table;
    std::map<std::string, Prepared*> model;
    for (int step = 0; step < 2'000; ++step) {
      // Few names, so that most places are near one another, and some are taken while others move up behind
      // them.
      const std::string name = "s" + std::to_string(random() % 40);
      if (random() % 2 == 0 && !model.contains(name)) {
        Ref<Prepared> object = named(pools, name);
        table.add(key, object);
        model[name] = object.get();
      } else {
        Ref<Prepared> taken = table.take(key, name);
        auto known = model.find(name);
        REQUIRE(taken.get() == (known == model.end() ? nullptr : known->second));
        if (known != model.end()) model.erase(known);
      }
      REQUIRE(table.size() == model.size());
      for (int i = 0; i < 40; ++i) {
        auto known = model.find("s" + std::to_string(i));
        REQUIRE(table.find(key, "s" + std::to_string(i)) == (known == model.end() ? nullptr : known->second));
      }
    }
  }
}

TEST_CASE("a table of names lets go of what it held") {
  ObjectPools pools{key};
  Ref<Prepared> object = named(pools, "one");
  {
    NameTable<Prepared> table;
    table.add(key, object);
    CHECK(object->references == 2);
    table.clear();
    CHECK(object->references == 1);
    CHECK(table.find(key, "one") == nullptr);
    table.add(key, object);
  }
  CHECK(object->references == 1);
}

TEST_CASE("names that collide under a hash without a secret are found as fast as any others") {
  constexpr uint32_t places = 2'048;
  Pool<Watched> pool;
  NameTable<Watched> table;
  const std::vector<std::string> names = colliding_names(places * 11 / 16, places);
  for (const std::string& name : names) {
    Ref<Watched> object = pool.make();
    object->name.text = name;
    table.add(key, object);
  }
  REQUIRE(table.places() == places);
  Watched::Name::comparisons = 0;
  uint64_t most = 0;
  for (const std::string& name : names) {
    const uint64_t before = Watched::Name::comparisons;
    REQUIRE(table.find(key, name) != nullptr);
    most = std::max(most, Watched::Name::comparisons - before);
  }
  // Two on average are expected of a good hash at this load; all in one heap it would be some 700 and 1,408.
  CHECK(Watched::Name::comparisons < 4 * names.size());
  CHECK(most < 100);
  Watched::Name::comparisons = 0;
  for (const std::string& name : names) REQUIRE(table.find(key, name + "x") == nullptr);
  CHECK(Watched::Name::comparisons < 12 * names.size());
}

TEST_CASE("a table of names has places for what is in it, not for what was") {
  ObjectPools pools{key};
  NameTable<Prepared> table;
  constexpr uint32_t count = 5'000;
  for (uint32_t i = 0; i < count; ++i) {
    table.add(key, named(pools, std::to_string(i)));
    REQUIRE(table.places() * 3 >= table.size() * 4);
  }
  for (uint32_t i = 0; i < count; ++i) {
    REQUIRE(table.take(key, std::to_string(i)));
    REQUIRE(table.places() <= std::max(8u, table.size() * 8));
    REQUIRE((i + 1 == count || table.find(key, std::to_string(count - 1)) != nullptr));
  }
  CHECK(table.size() == 0);
  for (uint32_t i = 0; i < count; ++i) table.add(key, named(pools, std::to_string(i)));
  uint32_t left = 0;
  table.clear([&](Prepared&) { ++left; });
  CHECK(left == count);
  CHECK(table.places() == 0);
}

TEST_CASE("a name that comes and goes keeps its places") {
  ObjectPools pools{key};
  NameTable<Prepared> table;
  Ref<Prepared> object = named(pools, "one");
  table.add(key, object);
  const uint32_t places = table.places();
  CHECK(places <= 2);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(table.take(key, "one").get() == object.get());
    REQUIRE(table.places() == places);
    table.add(key, object);
    table.clear();
    REQUIRE(table.places() == places);
    table.add(key, object);
  }
  // Between two sizes it does not go to and fro.
  for (int i = 0; i < 24; ++i) table.add(key, named(pools, std::to_string(i)));
  const uint32_t larger = table.places();
  for (int i = 0; i < 3; ++i) {
    table.add(key, named(pools, "x"));
    REQUIRE(table.take(key, "x"));
  }
  CHECK(table.places() <= larger * 2);
}
