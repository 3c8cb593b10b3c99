// The days of audit_event, made ahead. By the owner's connection.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ringfence/store/connection.h"

namespace ringfence::audit {

inline constexpr uint64_t day_us = 86'400'000'000;

// Makes the partitions for the days from the one of `from_us` to `days` later. Gives the end of the last one.
Result<uint64_t> make_partitions(store::Connection& owner, uint64_t from_us, int days);
// The beginning of the day that a partition is named after; none where it has no such name.
std::optional<uint64_t> day_of_partition(std::string_view name);
Result<void> set_retention_days(store::Connection& owner, uint32_t days);

}  // namespace ringfence::audit
