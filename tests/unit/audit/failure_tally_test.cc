#include "ringfence/audit/failure_tally.h"

#include <doctest/doctest.h>

#include <vector>

#include "ringfence/audit/chain.h"

using namespace ringfence;
using namespace ringfence::audit;

namespace {

constexpr uint64_t window = 10'000'000;

struct Told {
  std::string address, user, reason, of;
  uint64_t count, first_us, last_us;
};

struct Fixture {
  FailureTally tally{window};
  std::vector<Told> told;
  bool has_room = true;

  bool fails(std::string_view address, std::string_view user, uint64_t now,
             std::string_view reason = "wrong password") {
    return tally.is_first({Category::authentication, "postgres_auth_failed", address, user, reason, "28P01"},
                          now);
  }
  FailureTally::Tell tell() {
    return [this](const FailureTally::Count& count) {
      if (!has_room) return false;
      told.push_back({std::string(count.address), std::string(count.user), std::string(count.reason),
                      std::string(count.of), count.count, count.first_us, count.last_us});
      return true;
    };
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "the first failure is told at once, those like it are counted, whatever the port") {
  CHECK(fails("10.0.0.1:1000", "alice", 100));
  CHECK(!fails("10.0.0.1:1001", "alice", 200));
  CHECK(!fails("10.0.0.1:1002", "alice", 300));
  tally.tell_due(100 + window - 1, tell());
  CHECK(told.empty());
  tally.tell_due(100 + window, tell());
  REQUIRE(told.size() == 1);
  CHECK(told[0].address == "10.0.0.1");
  CHECK(told[0].user == "alice");
  CHECK(told[0].reason == "wrong password");
  CHECK(told[0].of == "user");
  CHECK(told[0].count == 2);
  CHECK(told[0].first_us == 200);
  CHECK(told[0].last_us == 300);
}

TEST_CASE_FIXTURE(Fixture, "others' failures and other reasons are told by themselves") {
  CHECK(fails("10.0.0.1:1", "alice", 0));
  CHECK(fails("10.0.0.1:1", "bob", 0));
  CHECK(fails("10.0.0.2:1", "alice", 0));
  CHECK(fails("10.0.0.1:1", "alice", 0, "no such user"));
  CHECK(tally.is_first(
      {Category::system, "admin_auth_failed", "10.0.0.1:1", "alice", "wrong password", "28P01"}, 0));
}

TEST_CASE_FIXTURE(Fixture, "a quiet window is forgotten, and the next failure is a first one") {
  CHECK(fails("10.0.0.1:1", "alice", 0));
  CHECK(!fails("10.0.0.1:1", "alice", 1));
  tally.tell_due(window, tell());
  CHECK(told.size() == 1);
  CHECK(!fails("10.0.0.1:1", "alice", window + 1));
  tally.tell_due(2 * window, tell());
  REQUIRE(told.size() == 2);
  CHECK(told[1].count == 1);
  CHECK(told[1].first_us == window + 1);
  tally.tell_due(3 * window, tell());
  CHECK(told.size() == 2);
  CHECK(tally.is_empty());
  CHECK(fails("10.0.0.1:1", "alice", 3 * window + 1));
}

TEST_CASE_FIXTURE(Fixture, "a count that finds no room is kept") {
  fails("10.0.0.1:1", "alice", 0);
  fails("10.0.0.1:1", "alice", 1);
  has_room = false;
  tally.tell_due(window, tell());
  tally.tell_all(tell());
  CHECK(told.empty());
  fails("10.0.0.1:1", "alice", window + 5);
  has_room = true;
  tally.tell_all(tell());
  REQUIRE(told.size() == 1);
  CHECK(told[0].count == 2);
  CHECK(told[0].last_us == window + 5);
  CHECK(tally.is_empty());
}

TEST_CASE_FIXTURE(Fixture, "users that one address invents are counted together") {
  size_t first = 0;
  for (int i = 0; i < 10'000; ++i) first += fails("10.0.0.1:1", "user" + std::to_string(i), 1);
  CHECK(first == FailureTally::users_max + 1);
  CHECK(tally.size() == FailureTally::users_max + 1);
  // Somebody else's are still told.
  CHECK(fails("10.0.0.2:1", "alice", 2));
  tally.tell_all(tell());
  REQUIRE(told.size() == 1);
  CHECK(told[0].of == "address");
  CHECK(told[0].address == "10.0.0.1");
  CHECK(told[0].user == "");
  CHECK(told[0].count == 10'000 - first);
}

TEST_CASE_FIXTURE(Fixture,
                  "with more addresses than the table has room for nothing is lost, and it does not grow") {
  uint64_t first = 0;
  const uint64_t all = 50'000;
  for (uint64_t i = 0; i < all; ++i) first += fails("[2001:db8::" + std::to_string(i) + "]:5432", "alice", i);
  CHECK(tally.size() == FailureTally::entries_max + 1);
  tally.tell_all(tell());
  uint64_t counted = 0;
  for (const Told& one : told) {
    CHECK(one.of == "action");
    CHECK(one.address == "");
    counted += one.count;
  }
  CHECK(first + counted == all);
  CHECK(first == FailureTally::entries_max + 1);
  // When they are forgotten there is room again.
  CHECK(tally.is_empty());
  CHECK(fails("10.0.0.1:1", "alice", all));
}

TEST_CASE_FIXTURE(Fixture, "what is kept of a failure is bounded") {
  CHECK(fails("10.0.0.1:1", std::string(8'000, 'x') + "1", 0, std::string(100'000, 'r')));
  CHECK(!fails("10.0.0.1:1", std::string(8'000, 'x') + "2", 1, std::string(100'000, 'r')));
  tally.tell_all(tell());
  REQUIRE(told.size() == 1);
  CHECK(told[0].user.size() == field_bytes_max(Tag::user_name));
  CHECK(told[0].reason.size() == field_bytes_max(Tag::reason));
}

TEST_CASE_FIXTURE(Fixture, "a clock that is set back delays a count by a window at most") {
  fails("10.0.0.1:1", "alice", 100 * window);
  fails("10.0.0.1:1", "alice", 100 * window);
  tally.tell_due(5, tell());
  CHECK(told.empty());
  tally.tell_due(5 + window, tell());
  CHECK(told.size() == 1);
}

TEST_CASE("the address of a peer is without its port") {
  CHECK(address_of_peer("10.0.0.1:5432") == "10.0.0.1");
  CHECK(address_of_peer("[::1]:5432") == "[::1]");
  CHECK(address_of_peer("[::1]") == "[::1]");
  CHECK(address_of_peer("unix:/run/x:1") == "unix:/run/x:1");
  CHECK(address_of_peer("unix:") == "unix:");
  CHECK(address_of_peer("memory") == "memory");
  CHECK(address_of_peer("") == "");
  CHECK(address_of_peer(":1") == "");
}

TEST_CASE("a count is an event that says how many, since when and until when") {
  FailureTally::Count count;
  count.action = "postgres_auth_failed";
  count.address = "10.0.0.1";
  count.user = "alice";
  count.reason = "wrong password";
  count.sqlstate = "28P01";
  count.count = 17;
  count.first_us = 1'700'000'000'000'000;
  count.last_us = 1'700'000'001'000'000;
  count.of = "user";
  EventBuilder event = event_of(count);
  FieldSet fields;
  REQUIRE(parse_fields(event.bytes(), fields));
  CHECK(fields.get(Tag::metadata) ==
        "{\"count\":17,\"first\":\"2023-11-14T22:13:20.000000Z\",\"last\":\"2023-11-14T22:13:21.000000Z\","
        "\"of\":\"user\"}");
  CHECK(fields.get(Tag::outcome) == "denied");
  CHECK(event.bytes().size() < 400);
}
