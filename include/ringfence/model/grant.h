// A grant: what a user, or a group of users, may do on a target, for how long and how much.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ringfence/model/json.h"
#include "ringfence/model/schedule.h"
#include "ringfence/policy/grant.h"

namespace ringfence::model {

// Of grants that somebody gives. Break-glass goes before all of them.
inline constexpr int64_t grant_priority_max = 999'999;
inline constexpr int64_t break_glass_priority = 1'000'000;

struct Grant : policy::Grant {
  std::string subject;  // See grant_subject().
  std::string object;   // See grant_object().
  // Names, where they are of the configuration file; else empty.
  std::string declared_user;
  std::string declared_target;
  int64_t priority = 0;
  uint64_t starts_us = 0;   // Unix time; 0: it has begun.
  uint64_t expires_us = 0;  // 0: never.
  std::optional<Schedule> schedule;

  bool operator==(const Grant& other) const {
    return id == other.id && version == other.version && is_in_doubt == other.is_in_doubt;
  }
  bool is_open(uint64_t now_us) const;
  // The next time at which is_open() changes; 0: it does not.
  uint64_t next_change_us(uint64_t now_us) const;
};

// Of a record whose fields have their kinds.
Grant grant_of(const Json& record);

// What a grant is about, as texts that are compared: "user <id>", "group <id>"; "target <id>",
// "target_group <id>", "tag <tag>".
std::string grant_subject(std::string_view kind, std::string_view id);
std::string grant_object(std::string_view kind, std::string_view id_or_tag);

// Which of two grants decides: that of the higher priority, then of the wider level, then the older one.
bool decides_before(const Grant& one, const Grant& other);

}  // namespace ringfence::model
