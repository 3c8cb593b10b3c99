#include "audit/partitions.h"

#include <charconv>
#include <chrono>

#include "audit/numbers.h"
#include "ringfence/base/clock.h"

namespace ringfence::audit {
namespace {

// audit_row was once called audit_event; its partitions keep their names, which signed records have.
constexpr std::string_view row_prefix = "audit_event_c1_";
constexpr std::string_view block_prefix = "audit_block_c1_";

std::string day_text(uint64_t us, bool compact) {
  std::string day = rfc3339(us).substr(0, 10);
  if (compact) day = day.substr(0, 4) + day.substr(5, 2) + day.substr(8, 2);
  return day;
}

Result<bool> is_there(store::Connection& owner, const std::string& name) {
  auto rows = owner.exec("SELECT to_regclass('ringfence." + name + "') IS NOT NULL");
  if (!rows) return unexpected(std::move(rows.error()));
  return rows->get(0, 0) == "t";
}

Result<void> make_partition(store::Connection& owner, std::string_view prefix, uint64_t day) {
  const std::string name = std::string(prefix) + day_text(day, true);
  auto exists = is_there(owner, name);
  if (!exists) return unexpected(std::move(exists.error()));
  if (*exists) return {};
  // Waiting for the lock must not stop other nodes' writers for long.
  auto made =
      owner.exec("BEGIN; SET LOCAL lock_timeout = '5s'; CREATE TABLE IF NOT EXISTS ringfence." + name +
                 " PARTITION OF ringfence." + std::string(prefix.substr(0, prefix.size() - 1)) +
                 " FOR VALUES FROM ('" + day_text(day, false) + " 00:00:00+00') TO ('" +
                 day_text(day + day_us, false) + " 00:00:00+00'); COMMIT");
  if (made) return {};
  Error error = std::move(made.error());
  (void)owner.exec("ROLLBACK");
  // Another node may have been faster.
  auto again = is_there(owner, name);
  if (!again || !*again) return unexpected(std::move(error).in("partition " + name));
  return {};
}

}  // namespace

Result<uint64_t> make_partitions(store::Connection& owner, uint64_t from_us, int days) {
  uint64_t first = from_us / day_us * day_us;
  uint64_t end = first;
  for (int i = 0; i < days; ++i) {
    uint64_t day = first + static_cast<uint64_t>(i) * day_us;
    for (std::string_view prefix : {row_prefix, block_prefix}) {
      if (auto made = make_partition(owner, prefix, day); !made) return unexpected(std::move(made.error()));
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

bool is_block_partition(std::string_view name) { return name.starts_with(block_prefix); }

std::string block_partition_of(std::string_view row_partition) {
  return std::string(block_prefix).append(row_partition.substr(row_prefix.size()));
}

std::optional<uint64_t> day_of_partition(std::string_view name) {
  const std::string_view prefix = is_block_partition(name) ? block_prefix : row_prefix;
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
