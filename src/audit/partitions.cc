#include "audit/partitions.h"

#include <charconv>
#include <chrono>

#include "audit/numbers.h"
#include "ringfence/base/clock.h"

namespace ringfence::audit {
namespace {

std::string day_text(uint64_t us, bool compact) {
  std::string day = rfc3339(us).substr(0, 10);
  if (compact) day = day.substr(0, 4) + day.substr(5, 2) + day.substr(8, 2);
  return day;
}
}  // namespace

Result<uint64_t> make_partitions(store::Connection& owner, uint64_t from_us, int days) {
  uint64_t first = from_us / day_us * day_us;
  uint64_t end = first;
  for (int i = 0; i < days; ++i) {
    uint64_t day = first + static_cast<uint64_t>(i) * day_us;
    std::string name = "audit_event_c1_" + day_text(day, true);
    auto exists = owner.exec("SELECT to_regclass('ringfence." + name + "') IS NOT NULL");
    if (!exists) return unexpected(std::move(exists.error()));
    if (exists->get(0, 0) != "t") {
      // Waiting for the lock must not stop other nodes' writers for long.
      auto made =
          owner.exec("BEGIN; SET LOCAL lock_timeout = '5s'; CREATE TABLE IF NOT EXISTS ringfence." + name +
                     " PARTITION OF ringfence.audit_event_c1 FOR VALUES FROM ('" + day_text(day, false) +
                     " 00:00:00+00') TO ('" + day_text(day + day_us, false) + " 00:00:00+00'); COMMIT");
      if (!made) {
        Error error = std::move(made.error());
        (void)owner.exec("ROLLBACK");
        // Another node may have been faster.
        auto again = owner.exec("SELECT to_regclass('ringfence." + name + "') IS NOT NULL");
        if (!again || again->get(0, 0) != "t") return unexpected(std::move(error).in("partition " + name));
      }
    }
    end = day + day_us;
  }
  return end;
}

Result<void> set_retention_days(store::Connection& owner, uint32_t days) {
  auto done =
      owner.exec("UPDATE ringfence.audit_retention_class SET days = " +
                 (days == 0 ? std::string("NULL") : number(days)) + " WHERE retention_class = 1 AND days " +
                 "IS DISTINCT FROM " + (days == 0 ? std::string("NULL") : number(days)));
  if (!done) return unexpected(std::move(done.error()));
  return {};
}

std::optional<uint64_t> day_of_partition(std::string_view name) {
  constexpr std::string_view prefix = "audit_event_c1_";
  if (!name.starts_with(prefix) || name.size() != prefix.size() + 8) return std::nullopt;
  unsigned number = 0;
  const char* end = name.data() + name.size();
  auto read = std::from_chars(name.data() + prefix.size(), end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  std::chrono::year_month_day date(std::chrono::year(static_cast<int>(number / 10'000)),
                                   std::chrono::month(number / 100 % 100), std::chrono::day(number % 100));
  if (!date.ok() || number < 1970'01'01) return std::nullopt;
  return static_cast<uint64_t>(std::chrono::sys_days(date).time_since_epoch().count()) * day_us;
}

}  // namespace ringfence::audit
