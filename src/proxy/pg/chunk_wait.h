// A chunk that a pump cannot pass on yet: it waits for answers, for the trail, for somebody's word, or until
// its user may add to the trail again. In the frame of the task that waits, and gone afterwards.
#pragma once

#include "pump.h"

namespace ringfence::proxy {

class ChunkWait {
 public:
  // `receive`: the pump's. All of these outlive it.
  ChunkWait(Relay& relay, Pump& pump, net::Receive& receive, net::Chunk chunk);

  // Until the conversation, which has taken `at` bytes and says `advance`, takes the rest. False: the session
  // has to end, and why is set.
  ring::Task<bool> until_accepted(size_t at, Advance advance);
  // The client's: until there is something to spend, and then as until_accepted().
  ring::Task<bool> until_volume();
  // Afterwards.
  net::Chunk take_chunk() { return std::move(chunk_); }

 private:
  static constexpr uint64_t budget_slice_min_ns = 1'000'000;
  // False: as above.
  ring::Task<bool> wait_by(Advance advance);
  ring::Task<bool> wait_for_answers();
  ring::Task<bool> wait_for_trail();
  ring::Task<bool> wait_for_budget();
  void note_paid();
  ring::Task<bool> park(Advance why);
  // Of the client's chunk, what stands before a message that waits.
  ring::Task<bool> forward_so_far();
  ring::Task<bool> forward_before_waiting();
  ring::Task<bool> make_durable();
  ring::Task<bool> forward(ByteView bytes);

  Relay& relay_;
  Pump& pump_;
  net::Receive& receive_;
  net::Chunk chunk_;
  uint64_t budget_since_ns_ = 0;                    // 0: it does not wait for a budget.
  uint64_t budget_slice_ns_ = budget_slice_min_ns;  // Until it looks again; doubled each time.
};

}  // namespace ringfence::proxy
