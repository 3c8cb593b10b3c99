// The days of audit_row and audit_block, made ahead. By the owner's connection.
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
bool is_block_partition(std::string_view name);
// The partition of audit_block for the day of a partition of audit_row.
std::string block_partition_of(std::string_view row_partition);
Result<void> set_retention_days(store::Connection& owner, uint32_t days);

}  // namespace ringfence::audit
