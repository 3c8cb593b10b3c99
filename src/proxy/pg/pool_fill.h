// Making connections ahead, as many as a target's pool is to have (pool.min), like those that sessions want.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "warm_kind.h"

namespace ringfence::proxy {

class WarmPool;

class PoolFill {
 public:
  PoolFill(PgShardState& shard, WarmPool& pool) : shard_(shard), pool_(pool) {}

  // What connections made ahead are to be like: as the last session wanted its own.
  void note_wish(const Target& target, policy::Level level,
                 const std::vector<pg::StartupParameter>& parameters);
  // The kind of that. `target`: of the snapshot in force.
  const std::string& kind_wanted(const Target& target);
  // One that was made ahead ended early: the next one is not made at once.
  void note_failure(const std::string& target);
  // One of them is there long enough.
  void note_lasts(const std::string& target);
  // Another snapshot is in force.
  void look();
  // Begins to make what is missing. Gives when the next one is to be tried.
  uint64_t fill_all();

 private:
  // Making connections ahead for a target.
  struct Filling {
    // What they are to be like. Without a level the target's own user logs in, as before any session came.
    std::optional<policy::Level> level;
    std::vector<pg::StartupParameter> parameters = {{"application_name", std::string(warm_application_name)},
                                                    {"standard_conforming_strings", "on"}};
    std::string kind;  // Of that, as the snapshot in force has it; empty: not known yet.
    uint64_t next_ns = 0;
    uint64_t retry_ms = 0;  // 0: the last one did not fail.
    bool is_running = false;
  };

  bool is_short(const Target& target);
  ring::Task<void> fill(std::string name);
  bool has_learned_encoding(const Target& target, const Credential& credential,
                            const std::vector<pg::StartupParameter>& parameters, const Upstream& upstream);
  ring::Task<bool> make_one(std::string name);

  PgShardState& shard_;
  WarmPool& pool_;
  std::map<std::string, Filling> fillings_;  // By target.
};

}  // namespace ringfence::proxy
