// What threads that analyse a text leave behind when they end: nothing.
#include <doctest/doctest.h>
#include <pthread.h>

#include <thread>

#include "ringfence/sql/analyze.h"

using namespace ringfence;
using namespace ringfence::sql;

namespace {

// glibc gives the lowest one that is free.
pthread_key_t next_key() {
  pthread_key_t key = 0;
  REQUIRE(pthread_key_create(&key, nullptr) == 0);
  pthread_key_delete(key);
  return key;
}

}  // namespace

TEST_CASE("a thread that analyses a text takes no pthread key from the process") {
  const pthread_key_t before = next_key();
  for (int i = 0; i < 20; ++i) {
    bool is_known = false;
    std::thread([&] { is_known = analyze("select a from t where b = 1").has_value(); }).join();
    REQUIRE(is_known);
  }
  CHECK(next_key() == before);
}

TEST_CASE("a thread analyses texts in UTF-8 from its first one on") {
  std::thread([] {
    const auto facts = analyze("select '\xc3\xa4\xc3\xb6' from \"t\xc3\xbc\"");
    REQUIRE(facts);
    CHECK(facts->kind == "select");
    CHECK_FALSE(analyze("select from from"));
    CHECK(analyze("select 1"));
  }).join();
}
