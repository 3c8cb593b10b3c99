// How many connections of a target there may be, and how room is made for one more: within a pool, on all
// shards, at the server.
#pragma once

#include <cstdint>
#include <string>

#include "upstream.h"

namespace ringfence::proxy {

class WarmPool;

class PoolRoom {
 public:
  PoolRoom(PgShardState& shard, WarmPool& pool) : shard_(shard), pool_(pool) {}

  // This shard's of a number of the configuration.
  uint32_t share_of(uint32_t number) const;
  static uint32_t connections(const Target& target);
  // A place among those that may wait. `of_session`: the connection counts already.
  bool reserve(const Target& target, bool of_session);
  // Where a new session would go beyond the target's connections_max, one that waits is closed, on whatever
  // shard; done when the server has let go of it. False: there is no room.
  ring::Task<bool> make_room(const Target& target, const Opening& opening);
  // The same where it is the server that has no room. False: none waited, or it did not go in time.
  ring::Task<bool> free_one(const Target& target, const Opening& opening);

 private:
  // One shard after the other is asked to close one, until one does. `surplus`: of more than its share alone.
  void ask_next(const std::string& target, size_t left, bool surplus);
  void asked(const std::string& target, size_t left, bool surplus);
  ring::Task<void> pause();

  PgShardState& shard_;
  WarmPool& pool_;
};

}  // namespace ringfence::proxy
