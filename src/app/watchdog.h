// Whether the threads live: each is asked, and has to answer within a bound.
//
// A thread with a mailbox gets a job whose running is the answer, so a loop that turns without reading its
// mail does not count. A thread without one shows a number that grows with its turns. One question at a time
// is under way for each thread. Belongs to one thread, the one that asks.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ringfence/ring/mailbox.h"

namespace ringfence::app {

class Watchdog {
 public:
  explicit Watchdog(uint64_t bound_ns) : bound_ns_(bound_ns) {}

  // `post` puts a job into the thread's mailbox; false when that is full, which is no answer either.
  void add(std::string name, std::function<bool(ring::Job)> post);
  // `turns` gives the thread's number; nothing while it waits for something that is not its fault.
  void add_turning(std::string name, std::function<std::optional<uint64_t>()> turns);

  // Asks whoever has answered, and gives the names of those who are silent for longer than the bound. To be
  // called several times within a bound.
  std::vector<std::string> silent(uint64_t now_ns);

 private:
  struct Watched {
    std::string name;
    std::function<bool(ring::Job)> post;
    std::function<std::optional<uint64_t>()> turns;
    std::shared_ptr<std::atomic<bool>> has_answered;  // The job may outlive us in a mailbox.
    bool is_asked = false;                            // The job is in the mailbox.
    std::optional<uint64_t> turns_seen;
    uint64_t since_ns = 0;  // Of the last answer; 0: not asked yet.
  };
  bool answers(Watched& watched);

  uint64_t bound_ns_;
  std::vector<Watched> watched_;
};

}  // namespace ringfence::app
