// The door through which the records of a shard's sessions get into its journal, and what waits before it for
// room. Of the shard's thread.
#pragma once

#include <string>
#include <vector>

#include "ringfence/audit/event.h"
#include "ringfence/audit/sealing.h"
#include "ringfence/pg/pending_messages.h"
#include "ringfence/proxy/core/counters.h"

namespace ringfence::proxy {

// Random bits for ids: splitmix64, seeded from the kernel. Ids need to be unique, not secret.
class IdSource {
 public:
  explicit IdSource(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  Uuid uuid(uint64_t unix_us) { return uuid_v7(unix_us, next()); }

 private:
  uint64_t state_;
};

// What could not be written because the trail was at its bound: kept by the shard until there is room.
// Bounded by the statements that were open then; nothing new starts without room.
struct Deferred {
  struct Late {
    pg::StatementNumber number;
    std::string body;  // As it will be published.
  };
  std::vector<Late> outcomes;
  std::vector<audit::EventBuilder> events;
  bool is_empty() const { return outcomes.empty() && events.empty(); }
};

struct TrailDoor {
  audit::RecordSpace& space;
  ShardCounters& counters;
  IdSource ids;
  Deferred deferred = {};
  const audit::TextSealer* sealer = nullptr;  // Of clear texts; null: they are not kept.
  uint32_t shard = 0;                         // The journal's number.

  // What was deferred comes first: as long as that waits, nothing that would add to it is begun.
  bool has_room(size_t bytes) {
    if (!deferred.is_empty()) flush_deferred();
    return deferred.is_empty() && space.reserve(bytes) != nullptr;
  }
  // Deferred where there is no room.
  void publish(audit::EventBuilder event) {
    if (!event.publish(space)) deferred.events.push_back(std::move(event));
  }
  // Writes what was deferred, as far as there is room.
  void flush_deferred();
};

}  // namespace ringfence::proxy
