// How long the way to a server may take in all, whatever it is made of: a connection that waited and has to
// answer, room in the pool, name look-ups, each address, each attempt with TLS and without, the login. And
// that nobody waits for it any more: then what runs is broken off at once.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "ringfence/net/stream.h"
#include "ringfence/ring/shard.h"

namespace ringfence::proxy {

inline constexpr std::string_view opening_is_over = "the time to connect and log in is over";

class Opening {
 public:
  Opening(ring::Shard& shard, uint64_t ms);
  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;

  // Nobody wants it any more.
  void abandon();
  // It has ended for whoever opens: nothing more is begun.
  bool is_over() const { return has_passed_ || is_abandoned_; }
  bool has_passed() const { return has_passed_; }
  bool is_abandoned() const { return is_abandoned_; }
  // At least 1, for timers of which 0 is never.
  uint64_t left_ms() const;

  // While one lives, the end of the opening does this: shuts a stream down, or wakes who waits. One may stand
  // within another; the inner one comes last, for whoever it wakes may go on to the end within the call.
  class Break {
   public:
    Break(Opening& opening, std::function<void()> what);
    Break(Opening& opening, net::Stream& stream);
    ~Break();
    Break(const Break&) = delete;
    Break& operator=(const Break&) = delete;

   private:
    Opening& opening_;
  };

 private:
  void end();

  ring::Shard& shard_;
  uint64_t end_ns_;
  std::vector<std::function<void()>> breaks_;
  bool has_passed_ = false;
  bool is_abandoned_ = false;
  ring::CallbackTimer timer_;
};

}  // namespace ringfence::proxy
