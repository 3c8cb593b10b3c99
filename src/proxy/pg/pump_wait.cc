// What a pump may have to wait for before it passes a chunk on.
#include <algorithm>

#include "parked.h"
#include "pump.h"
#include "relay.h"

namespace ringfence::proxy {

using ring::Task;

namespace {

// Longer a client whose user, or address, adds too much to the trail does not wait: with so much behind it
// its user's next statements would wait as long.
constexpr uint64_t volume_wait_max_ns = 10'000'000'000;
// After which it looks whether the session has ended, and whether the store has caught up.
constexpr uint64_t slice_ns = 250'000'000;
constexpr uint64_t behind_slice_ns = 20'000'000;
// Longer a lease does not wait for the store alone, which may be away.
constexpr uint64_t behind_wait_max_ns = 1'000'000'000;

}  // namespace

// ---------------------------------------------------------------- for the conversation

// Until the conversation takes the rest of the chunk, which the pump then passes on.
Task<bool> Pump::wait_until_accepted(net::Receive& receive, net::Chunk chunk, size_t at, Advance advance) {
  while (advance != Advance::all) {
    if (advance == Advance::broken) {
      relay_.break_by(from_);
      co_return false;
    }
    // Whoever waits holds none of the shard's buffers.
    chunk.detach();
    if (from_ == Side::client) conversation().move_chunk(chunk.bytes());
    else conversation().move_server_chunk(chunk.bytes());
    {
      auto waiting = wait_by(receive, chunk, advance);
      const bool goes_on = co_await waiting;
      if (!goes_on) co_return false;
    }
    if (parts().ending.is_now() || is_over()) co_return false;
    // What waited is decided by the policies in force now; without access nothing goes on.
    if (from_ == Side::client && conversation().can_change_policies()) {
      relay_.renew_access();
      if (parts().ending.is_due()) {
        auto ending = wait_for_server(Until::it_ends);
        co_await ending;
        co_return false;
      }
    }
    advance = inspect(chunk.bytes(), at);
  }
  pending().chunk = std::move(chunk);
  co_return true;
}

Task<bool> Pump::wait_by(net::Receive& receive, net::Chunk& chunk, Advance advance) {
  if (advance == Advance::wait_answer || advance == Advance::wait_queue) {
    auto sending = forward_so_far(chunk.bytes());
    bool is_sent = co_await sending;
    if (!is_sent) co_return false;
    auto waiting = wait_for_server(Until::it_has_answered);
    co_await waiting;
  } else if (advance == Advance::wait_analysis || advance == Advance::wait_hold) {
    auto parking = park(receive, chunk, advance);
    bool goes_on = co_await parking;
    if (goes_on) co_return true;
    if (parts().ending.is_pending()) {
      auto ending = wait_for_server(Until::it_ends);
      co_await ending;
    }
    co_return false;
  } else if (advance == Advance::wait_trail) {
    auto waiting = wait_for_trail();
    co_return co_await waiting;
  }
  co_return true;
}

Task<bool> Pump::wait_for_trail() {
  ShardCore& core = parts().shard.core;
  core.counters.trail_waits.add();
  auto waiting = core.room.wait();
  bool has_room = co_await waiting;
  if (has_room) co_return true;
  core.counters.trail_refusals.add();
  relay_.end({"58030", "the audit trail cannot be written, so no statement is forwarded",
              "The appliance's /readyz says why; nothing of this session is lost from the trail."});
  co_return false;
}

// The client's next bytes wait for the server to answer all that it was sent, or are not wanted any more
// while what runs at the server still is. False: the session or the server's pump is over.
Task<bool> Pump::wait_for_server(Until until) {
  while (!is_over() && (until == Until::it_ends || !conversation().is_clear())) {
    waits_ = true;
    co_await signal_;
    waits_ = false;
  }
  co_return !is_over();
}

// False: the session ends.
Task<bool> Pump::park(net::Receive& receive, net::Chunk& chunk, Advance why) {
  auto sending = forward_before_waiting();
  bool is_sent = co_await sending;
  Parked parked(relay_, *this, receive, why == Advance::wait_analysis);
  // It gives its receive buffer back.
  chunk.detach();
  conversation().move_chunk(chunk.bytes());
  auto waiting = parked.wait(is_sent);
  co_await waiting;
  co_return parked.goes_on();
}

// ---------------------------------------------------------------- for the volume

// The client's chunk waits until there is something to spend, then goes its way.
Task<bool> Pump::wait_for_volume(net::Receive& receive, net::Chunk chunk) {
  SessionParts& of = parts();
  of.shard.core.counters.volume_waits.add();
  // Whoever waits holds none of the shard's buffers.
  chunk.detach();
  uint64_t waited_ns = 0;
  for (uint64_t wait_ns = of.volume.settle(of.shard); wait_ns > 0;
       wait_ns = of.volume.settle(of.shard, waited_ns < behind_wait_max_ns)) {
    const uint64_t rule_wait_ns = of.volume.wait_ns(of.now_ns());
    if (rule_wait_ns > 0 && waited_ns + rule_wait_ns > volume_wait_max_ns) {
      of.shard.core.counters.volume_refusals.add();
      relay_.end(of.volume.exceeded(relay_.access().user(), of.recorder.client_addr(), of.now_ns()));
      co_return false;
    }
    const uint64_t slice = std::min(wait_ns, rule_wait_ns > 0 ? slice_ns : behind_slice_ns);
    ring::Event due;
    ring::CallbackTimer timer(of.shard.core.shard.timers(), [&due] { due.set(); });
    timer.arm(of.now_ns() + slice);
    co_await due;
    waited_ns += slice;
    relay_.note_waiting();
    if (is_over()) co_return false;
  }
  if (!relay_.renew_access()) {
    auto ending = wait_for_server(Until::it_ends);
    co_await ending;
    co_return false;
  }
  size_t at = 0;
  Advance advance = inspect(chunk.bytes(), at);
  if (advance != Advance::all) {
    auto waiting = wait_until_accepted(receive, std::move(chunk), at, advance);
    bool goes_on = co_await waiting;
    co_return goes_on;
  }
  pending().chunk = std::move(chunk);
  co_return true;
}

// ---------------------------------------------------------------- for the disk and the server

// Of a chunk from the client, what stands before a message that has to wait.
Task<bool> Pump::forward_so_far(ByteView chunk) {
  auto syncing = make_durable();
  bool is_durable = co_await syncing;
  if (!is_durable || conversation().server_said_fatal()) co_return false;
  auto forwarding = forward(conversation().to_server_so_far(chunk));
  co_return co_await forwarding;
}

// What came before the message that waits, and does not belong to its sync group, is answered meanwhile.
Task<bool> Pump::forward_before_waiting() {
  ByteView bytes = conversation().before_waiting();
  if (bytes.empty()) co_return true;
  auto syncing = make_durable();
  bool is_durable = co_await syncing;
  if (!is_durable) co_return false;
  auto forwarding = forward(bytes);
  bool is_sent = co_await forwarding;
  conversation().before_waiting_is_sent();
  co_return is_sent;
}

bool Pump::needs_sync() const {
  return relay_.parts().shard.core.disk_sync.is_needed() && !relay_.is_durable();
}

Task<bool> Pump::make_durable() {
  if (!needs_sync()) co_return true;
  DurableWait syncing(parts().shard.core.disk_sync);
  bool is_durable = co_await syncing;
  co_return note_durable(is_durable);
}

bool Pump::note_durable(bool is_durable) {
  if (!is_durable) {
    relay_.end({"58030", "the audit trail cannot be made durable, so the statement is not forwarded",
                "The disk of the appliance's state_dir refuses to sync; see its log."});
    return false;
  }
  relay_.note_durable();
  return !is_over();
}

// To the server, behind the name of the session.
Task<bool> Pump::forward(ByteView bytes) {
  count(bytes.size());
  ServerLease& lease = parts().lease;
  if (lease.has_to_name(bytes)) {
    auto naming = lease.name(&bytes);
    bool is_named = co_await naming;
    if (!is_named) co_return false;
  }
  net::Send sending(lease.stream(), bytes);
  Result<void> sent = co_await sending;
  co_return sent.has_value();
}

}  // namespace ringfence::proxy
