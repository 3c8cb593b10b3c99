// What sessions may use, and what of them is recorded.
#pragma once

#include <cstdint>
#include <type_traits>

#include "ringfence/model/defect.h"
#include "ringfence/model/number.h"

namespace ringfence::model {

struct Limits {
  uint32_t connections_max = 10'000;
  uint32_t message_bytes_max = 1u << 30;
  uint64_t prepared_bytes_max = 64u << 20;  // See pg::SessionNames::kept_bytes().
  uint64_t startup_ms = 10'000;
  uint64_t authentication_ms = 30'000;
  uint64_t connect_ms = 10'000;
  uint64_t idle_ms = 0;                 // 0: no limit.
  uint64_t idle_in_transaction_ms = 0;  // 0: no limit.
  uint64_t drain_ms = 30'000;
};

template <typename Self, typename Visit>
void each_number(Self& limits, const Visit& visit)
  requires std::is_same_v<Limits, std::remove_const_t<Self>>
{
  constexpr Range waiting{100, 3'600'000, Unit::milliseconds};
  constexpr Range idling{0, 365 * day_ms, Unit::milliseconds};
  visit("connections_max", limits.connections_max, Range{1, 1'000'000});
  // PostgreSQL itself takes no message beyond 1 GiB.
  visit("message_bytes_max", limits.message_bytes_max, Range{64 * kib, gib, Unit::bytes});
  visit("prepared_bytes_max", limits.prepared_bytes_max, Range{64 * kib, gib, Unit::bytes});
  visit("startup_ms", limits.startup_ms, waiting);
  visit("authentication_ms", limits.authentication_ms, waiting);
  visit("connect_ms", limits.connect_ms, waiting);
  visit("idle_ms", limits.idle_ms, idling);
  visit("idle_in_transaction_ms", limits.idle_in_transaction_ms, idling);
  visit("drain_ms", limits.drain_ms, Range{0, 3'600'000, Unit::milliseconds});
}

// How much one user, or one address, may add to the trail.
struct VolumeRule {
  uint64_t bytes_per_s = 0;  // 0: no bound.
  uint64_t burst_bytes = 0;
  bool operator==(const VolumeRule&) const = default;
};

template <typename Self, typename Visit>
void each_number(Self& rule, const Visit& visit)
  requires std::is_same_v<VolumeRule, std::remove_const_t<Self>>
{
  visit("bytes_per_s", rule.bytes_per_s, Range{0, gib, Unit::bytes});
  visit("burst_bytes", rule.burst_bytes, Range{mib, 16 * gib, Unit::bytes});
}

struct RecordLimits {
  // Of the two that follow, the most that a record of the trail has room for.
  static constexpr uint32_t statement_bytes_most = 384 << 10;
  static constexpr uint32_t parameters_bytes_most = 192 << 10;
  uint32_t statement_bytes_max = 65'536;
  uint32_t parameters_bytes_max = 16'384;
  VolumeRule volume_per_user{32 << 20, 128 << 20};
  VolumeRule volume_per_address{64 << 20, 256 << 20};
};

template <typename Self, typename Visit>
void each_number(Self& limits, const Visit& visit)
  requires std::is_same_v<RecordLimits, std::remove_const_t<Self>>
{
  visit("statement_bytes_max", limits.statement_bytes_max,
        Range{256, RecordLimits::statement_bytes_most, Unit::bytes});
  visit("parameters_bytes_max", limits.parameters_bytes_max,
        Range{0, RecordLimits::parameters_bytes_most, Unit::bytes});
}

// How long what the store has given is believed without it.
struct AccessRules {
  // So long after the store was last heard of, statements of access by grants are refused; 0: never.
  uint64_t stale_max_ms = 600'000;
};

template <typename Self, typename Visit>
void each_number(Self& rules, const Visit& visit)
  requires std::is_same_v<AccessRules, std::remove_const_t<Self>>
{
  visit("stale_max", rules.stale_max_ms, Range{0, 30 * day_ms, Unit::milliseconds});
}

Defects defects(const AccessRules& rules);
Defects defects(const Limits& limits);
Defects defects(const RecordLimits& limits);

}  // namespace ringfence::model
