#include "ringfence/model/collections.h"

#include <doctest/doctest.h>

#include "found.h"
#include "ringfence/pg/scram.h"

using namespace ringfence;
using namespace ringfence::model;

namespace {

Listener listener(const std::string& name, const std::string& address, uint16_t port) {
  Listener out;
  out.name = name;
  out.address = address;
  out.port = port;
  return out;
}

PgTarget target(const std::string& name) {
  PgTarget out;
  out.name = out.database = name;
  out.hosts = {"db1"};
  out.user = "app";
  return out;
}

User user(const std::string& name) {
  static const Secret verifier(
      pg::format_scram_verifier(pg::make_scram_verifier("x", "0123456789abcdef", 1)));
  return {name, {}, verifier};
}

}  // namespace

TEST_CASE("defects of a value in a collection have its place") {
  PgTarget second = target("b");
  second.pool = {2, 1};
  CHECK(only(defects(std::vector<PgTarget>{target("a"), second})) ==
        "targets[1].pool.min: is 2, more than max; use at most 1");
  CHECK(only(defects(std::vector<User>{user("")})) == "users[0].name: is missing; add it");
  starts(only(defects(std::vector<Listener>{listener("a", "x", 1)})), "listeners[0].address: is \"x\"");
}

TEST_CASE("a name that stands twice is a defect of the second, which names the first") {
  const Defects users = defects(std::vector<User>{user("a"), user("b"), user("a")});
  CHECK(
      only(users) ==
      "users[2].name: \"a\" stands here for the second time, first as users[0].name; each user needs a name "
      "of its own");
  CHECK(users[0].first == "users[0].name");
  starts(only(defects(std::vector<PgTarget>{target("a"), target("a")})),
         "targets[1].name: \"a\" stands here");
  starts(only(defects(std::vector<Listener>{listener("a", "::1", 1), listener("a", "::1", 2)})),
         "listeners[1].name: \"a\" stands here");
  CHECK(defects(std::vector<PgTarget>{target("a"), target("b")}).empty());
}

TEST_CASE("a place that is listened on twice is a defect, however it is written") {
  std::vector<ListeningPlace> all =
      places({listener("a", "::1", 7), listener("b", "127.0.0.1", 7), listener("c", "0:0::1", 7)});
  const Defects found = taken_twice(all);
  CHECK(only(found) ==
        "listeners[2].port: [::1]:7 is listened on twice, first as listeners[0].port; change one of them");
  CHECK(found[0].first == "listeners[0].port");
  all.pop_back();
  all.push_back({"127.0.0.1", 7, "admin.port"});
  starts(only(taken_twice(all)), "admin.port: 127.0.0.1:7 is listened on twice, first as listeners[1].port");
  Listener by_path = listener("a", "", 7);
  by_path.path = "/s";
  starts(only(taken_twice(places({by_path, by_path}))), "listeners[1].path: /s is listened on twice");
  // Any free port is free.
  CHECK(taken_twice(places({listener("a", "::1", 0), listener("b", "::1", 0)})).empty());
}

TEST_CASE("collections are bounded") {
  CHECK(only(defects([] {
          std::vector<Listener> many;
          for (int i = 0; i < 65; ++i) many.push_back(listener("l" + std::to_string(i), "::1", 1));
          return many;
        }())) == "listeners: has more than 64 entries");
  CHECK(only(defects([] {
          std::vector<PgTarget> many;
          for (int i = 0; i < 10'001; ++i) many.push_back(target("t" + std::to_string(i)));
          return many;
        }())) == "targets: has more than 10000 entries");
  CHECK(only(defects([] {
          std::vector<User> many;
          for (int i = 0; i < 10'001; ++i) many.push_back(user("u" + std::to_string(i)));
          return many;
        }())) == "users: has more than 10000 entries");
}
