// Recurring hours: on which days, from when until when, in a time zone of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringfence::model {

inline constexpr std::string_view weekday_names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

// Hours that belong to the day on which they begin. They are those that the zone's clocks show: where clocks
// go forward over the beginning, the hours begin behind the gap; where an hour comes twice, the hours begin
// with the first one and end with the second one.
struct Schedule {
  std::vector<unsigned> days;  // 0: Monday. Empty: every day.
  unsigned from_minute = 0;    // Of the day, 0 to 1439.
  unsigned until_minute = 0;   // Likewise; not after from_minute: of the next day.
  std::string time_zone;       // Of the IANA database, "Europe/Berlin"; empty: UTC.

  bool is_open(uint64_t unix_us) const;
  // The next time after `unix_us` at which hours begin or end; nothing: there is none within a year.
  std::optional<uint64_t> next_change_us(uint64_t unix_us) const;
};

// Minutes of "08:30"; nothing: it is no such time.
std::optional<unsigned> parse_time_of_day(std::string_view text);
std::string check_time_of_day(std::string_view text);
// Of the IANA time zone database of this machine.
std::string check_time_zone(std::string_view name);

}  // namespace ringfence::model
