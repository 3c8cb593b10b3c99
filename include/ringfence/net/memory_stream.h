// Two streams that are each other's peer, in memory: what tests drive sessions with. Deliveries wait in a
// queue and happen when step() is called, in an order and in pieces that a seed decides.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "ringfence/net/stream.h"

namespace ringfence::net {

class MemoryNetwork {
 public:
  explicit MemoryNetwork(uint64_t seed) : random_(seed) {}

  struct Pair {
    std::unique_ptr<Stream> left;
    std::unique_ptr<Stream> right;
  };
  // `piece_max`: a receive gives at most so many bytes, and at random fewer; 0: all that is there.
  Pair make_pair(size_t piece_max);

  // Completes one pending operation that can complete, chosen at random. False when there is none.
  bool step();
  // Until nothing can complete; false when that takes more than `steps_max`.
  bool run(size_t steps_max = 1'000'000);

 private:
  friend class MemoryStream;
  std::mt19937_64 random_;
  std::vector<std::function<void()>> ready_;
};

}  // namespace ringfence::net
