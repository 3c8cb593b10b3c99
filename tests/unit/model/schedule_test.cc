// Recurring hours, over the edges of days, weeks and clocks.
#include "ringfence/model/schedule.h"

#include <doctest/doctest.h>

#include "ringfence/model/grant.h"
#include "ringfence/model/timestamp.h"

using namespace ringfence::model;

namespace {

uint64_t at(const char* time) { return *parse_rfc3339(time); }

Schedule hours(std::vector<unsigned> days, const char* from, const char* until, const char* zone) {
  return {std::move(days), *parse_time_of_day(from), *parse_time_of_day(until), zone};
}

}  // namespace

TEST_CASE("hours of a working day") {
  const Schedule work = hours({0, 1, 2, 3, 4}, "08:30", "17:00", "Europe/Berlin");
  // 2026-12-01 is a Tuesday; Berlin is an hour ahead.
  CHECK(!work.is_open(at("2026-12-01T07:29:59Z")));
  CHECK(work.is_open(at("2026-12-01T07:30:00Z")));
  CHECK(work.is_open(at("2026-12-01T15:59:59Z")));
  CHECK(!work.is_open(at("2026-12-01T16:00:00Z")));
  CHECK(!work.is_open(at("2026-12-05T10:00:00Z")));
  CHECK(work.next_change_us(at("2026-12-01T00:00:00Z")) == at("2026-12-01T07:30:00Z"));
  CHECK(work.next_change_us(at("2026-12-01T07:30:00Z")) == at("2026-12-01T16:00:00Z"));
  CHECK(work.next_change_us(at("2026-12-04T16:00:00Z")) == at("2026-12-07T07:30:00Z"));
}

TEST_CASE("hours over midnight belong to the day on which they begin") {
  const Schedule night = hours({4}, "22:00", "06:00", "UTC");
  CHECK(!night.is_open(at("2026-12-04T05:00:00Z")));
  CHECK(night.is_open(at("2026-12-04T22:00:00Z")));
  CHECK(night.is_open(at("2026-12-05T05:59:59Z")));
  CHECK(!night.is_open(at("2026-12-05T06:00:00Z")));
  CHECK(!night.is_open(at("2026-12-05T23:00:00Z")));
  CHECK(night.next_change_us(at("2026-12-04T23:00:00Z")) == at("2026-12-05T06:00:00Z"));
  CHECK(night.next_change_us(at("2026-12-05T06:00:00Z")) == at("2026-12-11T22:00:00Z"));
}

TEST_CASE("days alone are whole days") {
  const Schedule sunday = hours({6}, "00:00", "00:00", "UTC");
  CHECK(sunday.is_open(at("2026-12-06T00:00:00Z")));
  CHECK(sunday.is_open(at("2026-12-06T23:59:59Z")));
  CHECK(!sunday.is_open(at("2026-12-07T00:00:00Z")));
}

TEST_CASE("where clocks go forward the hours begin behind the gap") {
  // Berlin, 2026-03-29: 02:00 becomes 03:00, which is 01:00 UTC.
  const Schedule early = hours({}, "02:30", "05:00", "Europe/Berlin");
  CHECK(!early.is_open(at("2026-03-29T00:59:59Z")));
  CHECK(early.is_open(at("2026-03-29T01:00:00Z")));
  CHECK(early.is_open(at("2026-03-29T02:59:59Z")));
  CHECK(!early.is_open(at("2026-03-29T03:00:00Z")));
}

TEST_CASE("of an hour that comes twice both are open") {
  // Berlin, 2026-10-25: 03:00 becomes 02:00; 02:30 is 00:30 and 01:30 UTC.
  const Schedule twice = hours({}, "02:00", "02:30", "Europe/Berlin");
  CHECK(!twice.is_open(at("2026-10-24T23:59:59Z")));
  CHECK(twice.is_open(at("2026-10-25T00:00:00Z")));
  CHECK(twice.is_open(at("2026-10-25T01:29:59Z")));
  CHECK(!twice.is_open(at("2026-10-25T01:30:00Z")));
}

TEST_CASE("what is no time and no zone") {
  for (const char* text : {"", "8:30", "08:60", "24:00", "08.30", "08:3a", "0830", "08:300"})
    CHECK(!parse_time_of_day(text));
  CHECK(parse_time_of_day("23:59") == 23 * 60 + 59);
  CHECK(check_time_zone("Europe/Berlin").empty());
  CHECK(check_time_zone("UTC").empty());
  for (const char* text : {"Mars/Base", "../../etc/passwd", "CET+99"}) CHECK(!check_time_zone(text).empty());
  CHECK(!Schedule{{}, 0, 0, "Mars/Base"}.is_open(at("2026-12-01T00:00:00Z")));
}

TEST_CASE("a grant opens and closes by its window and its hours") {
  Grant grant;
  grant.starts_us = at("2026-12-01T12:00:00Z");
  grant.expires_us = at("2026-12-03T09:00:00Z");
  grant.schedule = hours({}, "08:00", "16:00", "UTC");
  std::vector<uint64_t> changes;
  for (uint64_t now = at("2026-11-30T00:00:00Z"); now != 0; now = grant.next_change_us(now))
    changes.push_back(now);
  std::vector<bool> open;
  for (const uint64_t now : changes) open.push_back(grant.is_open(now));
  CHECK(std::vector<uint64_t>(changes.begin() + 1, changes.end()) ==
        std::vector<uint64_t>{at("2026-12-01T12:00:00Z"), at("2026-12-01T16:00:00Z"),
                              at("2026-12-02T08:00:00Z"), at("2026-12-02T16:00:00Z"),
                              at("2026-12-03T08:00:00Z"), at("2026-12-03T09:00:00Z")});
  CHECK(open == std::vector<bool>{false, true, false, true, false, true, false});
}

TEST_CASE("which grant decides") {
  const auto grant = [](int64_t priority, ringfence::sql::Level level, int64_t number) {
    Grant out;
    out.priority = priority;
    out.level = level;
    out.number = number;
    return out;
  };
  using ringfence::sql::Level;
  CHECK(decides_before(grant(2, Level::read, 9), grant(1, Level::admin, 1)));
  CHECK(decides_before(grant(1, Level::admin, 9), grant(1, Level::read, 1)));
  CHECK(decides_before(grant(1, Level::read, 1), grant(1, Level::read, 2)));
  CHECK(!decides_before(grant(1, Level::read, 2), grant(1, Level::read, 2)));
}
