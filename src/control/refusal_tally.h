// How many refusals of one caller the trail is told of, one by one. What is beyond that is counted, and the
// next one that is told says how many were not: so nobody fills the trail with changes that are not valid.
//
// One thread. It remembers callers for as long as their room is not whole.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace ringfence::control {

class RefusalTally {
 public:
  static constexpr uint64_t at_once_max = 60;
  static constexpr uint64_t room_again_ns = 1'000'000'000;  // After so long there is room for another one.

  struct Room {
    bool has_room = false;
    uint64_t left_out = 0;  // Of this caller, since the last one that was told.
  };
  // `now_ns`: of mono_ns().
  Room take(const std::string& caller, uint64_t now_ns);
  size_t size() const { return callers_.size(); }

 private:
  struct Caller {
    uint64_t whole_ns = 0;  // When the room is whole again.
    uint64_t left_out = 0;
  };
  std::map<std::string, Caller> callers_;
};

}  // namespace ringfence::control
