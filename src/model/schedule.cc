#include "ringfence/model/schedule.h"

#include <date/tz.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>

namespace ringfence::model {

namespace {

using std::chrono::microseconds;
using std::chrono::minutes;
using Instant = date::sys_time<microseconds>;

constexpr int days_looked_at = 366;

// Null: this machine does not know it.
const date::time_zone* zone_of(const std::string& name) {
  try {
    return date::locate_zone(name.empty() ? "UTC" : name);
  } catch (const std::runtime_error&) {
    return nullptr;
  }
}

struct Hours {
  Instant begin;
  Instant end;
};

class Days {
 public:
  Days(const Schedule& schedule, const date::time_zone& zone) : schedule_(schedule), zone_(zone) {}

  date::local_days day_of(Instant at) const { return date::floor<date::days>(zone_.to_local(at)); }
  // Nothing: the day is none of the schedule's.
  std::optional<Hours> hours(date::local_days day) const {
    const unsigned weekday = date::weekday(day).iso_encoding() - 1;
    const auto& days = schedule_.days;
    if (!days.empty() && std::find(days.begin(), days.end(), weekday) == days.end()) return std::nullopt;
    const date::local_days last = schedule_.until_minute > schedule_.from_minute ? day : day + date::days(1);
    return Hours{zone_.to_sys(day + minutes(schedule_.from_minute), date::choose::earliest),
                 zone_.to_sys(last + minutes(schedule_.until_minute), date::choose::latest)};
  }

 private:
  const Schedule& schedule_;
  const date::time_zone& zone_;
};

uint64_t us_of(Instant at) { return static_cast<uint64_t>(at.time_since_epoch().count()); }

}  // namespace

bool Schedule::is_open(uint64_t unix_us) const {
  const date::time_zone* zone = zone_of(time_zone);
  if (zone == nullptr) return false;
  const Instant at{microseconds(unix_us)};
  const Days all(*this, *zone);
  for (int back = 0; back <= 1; ++back) {
    const auto hours = all.hours(all.day_of(at) - date::days(back));
    if (hours && hours->begin <= at && at < hours->end) return true;
  }
  return false;
}

std::optional<uint64_t> Schedule::next_change_us(uint64_t unix_us) const {
  const date::time_zone* zone = zone_of(time_zone);
  if (zone == nullptr) return std::nullopt;
  const Instant at{microseconds(unix_us)};
  const Days all(*this, *zone);
  std::optional<Instant> next;
  const auto take = [&](Instant one) {
    if (one > at && (!next || one < *next)) next = one;
  };
  // Hours of a day end at the latest on the day behind it, so the first day with a change is not always it.
  for (int day = -1; day <= days_looked_at; ++day) {
    const auto hours = all.hours(all.day_of(at) + date::days(day));
    if (!hours) continue;
    take(hours->begin);
    take(hours->end);
    if (next && *next < hours->begin) break;
  }
  if (!next) return std::nullopt;
  return us_of(*next);
}

std::optional<unsigned> parse_time_of_day(std::string_view text) {
  const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4))
    return std::nullopt;
  const auto two = [&](size_t at) {
    return static_cast<unsigned>(text[at] - '0') * 10 + static_cast<unsigned>(text[at + 1] - '0');
  };
  if (two(0) > 23 || two(3) > 59) return std::nullopt;
  return two(0) * 60 + two(3);
}

std::string check_time_of_day(std::string_view text) {
  return parse_time_of_day(text) ? ""
                                 : "is no time of day; write it as \"08:30\", from \"00:00\" to \"23:59\"";
}

std::string check_time_zone(std::string_view name) {
  return zone_of(std::string(name)) != nullptr
             ? ""
             : "is no time zone that this machine knows; use a name such as \"Europe/Berlin\" or \"UTC\"";
}

}  // namespace ringfence::model
