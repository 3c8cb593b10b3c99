#include "chunk_wait.h"

#include <algorithm>

#include "broken_stream.h"
#include "parked.h"
#include "relay.h"
#include "ringfence/audit/failure_tally.h"
#include "ringfence/pg/sqlstate.h"

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
// How long a statement waits for the store to say what is left of a budget, and how often it looks.
constexpr uint64_t budget_wait_max_ns = 5'000'000'000;
constexpr uint64_t budget_slice_max_ns = 250'000'000;

// Why a session ends that would have to wait too long for that bound. `peer`: the client's.
EndReason exceeded(const SessionVolume::Bound& bound, std::string_view user, std::string_view peer) {
  const std::string whose = bound.is_users ? "user \"" + std::string(user) + "\""
                                           : "address " + std::string(audit::address_of_peer(peer));
  const std::string key = bound.is_users ? "audit.volume_per_user" : "audit.volume_per_address";
  return {
      std::string(pg::sqlstate::configuration_limit_exceeded),
      "terminating connection: the statements of " + whose +
          " fill the audit trail faster than the allowed " + std::to_string(bound.rule.bytes_per_s) +
          " bytes a second",
      "The bound is " + key +
          " of the appliance's configuration (bytes_per_s, burst_bytes). Send fewer or shorter statements "
          "at a time, or have it raised."};
}

}  // namespace

ChunkWait::ChunkWait(Relay& relay, Pump& pump, net::Receive& receive, net::Chunk chunk)
    : relay_(relay), pump_(pump), receive_(receive), chunk_(std::move(chunk)) {
  // Whoever waits holds none of the shard's buffers.
  chunk_.detach();
}

// ---------------------------------------------------------------- for the conversation

Task<bool> ChunkWait::until_accepted(size_t at, Advance advance) {
  const bool is_client = pump_.from() == Side::client;
  Conversation& conversation = relay_.conversation();
  const Ending& ending = relay_.parts().ending;
  while (advance != Advance::all) {
    if (advance == Advance::broken) {
      relay_.end(broken_by(conversation, pump_.from()));
      co_return false;
    }
    if (is_client) conversation.client().move_chunk(chunk_.bytes());
    else conversation.server().move_chunk(chunk_.bytes());
    {
      auto waiting = wait_by(advance);
      const bool goes_on = co_await waiting;
      if (!goes_on) co_return false;
    }
    if (ending.is_now() || pump_.is_over()) co_return false;
    // What waited is decided by the policies in force now; without access nothing goes on.
    if (is_client && conversation.can_change_policies()) {
      relay_.renew_access();
      if (ending.is_due()) {
        auto ended = pump_.wait_for_server(Pump::Until::it_ends);
        co_await ended;
        co_return false;
      }
    }
    const size_t before = at;
    advance = pump_.inspect(chunk_.bytes(), at);
    // Another statement waits anew.
    if (advance != Advance::wait_budget || at != before) note_paid();
  }
  co_return true;
}

Task<bool> ChunkWait::wait_by(Advance advance) {
  if (advance == Advance::wait_answer || advance == Advance::wait_queue) {
    auto waiting = wait_for_answers();
    co_return co_await waiting;
  }
  if (advance == Advance::wait_trail) {
    auto waiting = wait_for_trail();
    co_return co_await waiting;
  }
  if (advance == Advance::wait_budget) {
    auto waiting = wait_for_budget();
    co_return co_await waiting;
  }
  auto parking = park(advance);
  bool goes_on = co_await parking;
  if (!goes_on && relay_.parts().ending.is_pending()) {
    auto ending = pump_.wait_for_server(Pump::Until::it_ends);
    co_await ending;
  }
  co_return goes_on;
}

Task<bool> ChunkWait::wait_for_answers() {
  auto sending = forward_so_far();
  bool is_sent = co_await sending;
  if (!is_sent) co_return false;
  auto waiting = pump_.wait_for_server(Pump::Until::it_has_answered);
  co_await waiting;
  co_return true;
}

Task<bool> ChunkWait::wait_for_trail() {
  ShardCore& core = relay_.parts().shard.core;
  core.counters.trail_waits.add();
  auto waiting = core.room.wait();
  bool has_room = co_await waiting;
  if (has_room) co_return true;
  core.counters.trail_refusals.add();
  relay_.end({"58030", "the audit trail cannot be written, so no statement is forwarded",
              "The appliance's /readyz says why; nothing of this session is lost from the trail."});
  co_return false;
}

void ChunkWait::note_paid() {
  budget_since_ns_ = 0;
  budget_slice_ns_ = budget_slice_min_ns;
}

// A moment, or so long that the statement is refused for it.
Task<bool> ChunkWait::wait_for_budget() {
  // What stands before it does not wait.
  auto sending = forward_so_far();
  const bool is_sent = co_await sending;
  if (!is_sent) co_return false;
  SessionParts& of = relay_.parts();
  Spending* spending = relay_.conversation().spending();
  if (budget_since_ns_ == 0) budget_since_ns_ = of.now_ns();
  if (spending != nullptr && of.now_ns() - budget_since_ns_ >= budget_wait_max_ns) {
    spending->give_up();
    note_paid();
    co_return true;
  }
  budget_slice_ns_ = std::min(budget_slice_ns_ * 2, budget_slice_max_ns);
  ring::Event due;
  ring::CallbackTimer timer(of.shard.core.shard.timers(), [&due] { due.set(); });
  timer.arm(of.now_ns() + budget_slice_ns_);
  co_await due;
  co_return true;
}

// Until the word has come, or the analysis.
Task<bool> ChunkWait::park(Advance why) {
  auto sending = forward_before_waiting();
  bool is_sent = co_await sending;
  Parked parked(relay_, pump_, receive_, why == Advance::wait_analysis);
  auto waiting = parked.wait(is_sent);
  co_await waiting;
  co_return parked.goes_on();
}

// ---------------------------------------------------------------- for the volume

Task<bool> ChunkWait::until_volume() {
  SessionParts& of = relay_.parts();
  SessionVolume& volume = of.recorder.volume();
  of.shard.core.counters.volume_waits.add();
  uint64_t waited_ns = 0;
  for (uint64_t wait_ns = volume.settle(of.shard.core, true); wait_ns > 0;
       wait_ns = volume.settle(of.shard.core, waited_ns < behind_wait_max_ns)) {
    const uint64_t rule_wait_ns = volume.wait_ns(of.now_ns());
    if (rule_wait_ns > 0 && waited_ns + rule_wait_ns > volume_wait_max_ns) {
      of.shard.core.counters.volume_refusals.add();
      relay_.end(exceeded(volume.bound(of.now_ns()), relay_.access().user(), of.recorder.client_addr()));
      co_return false;
    }
    const uint64_t slice = std::min(wait_ns, rule_wait_ns > 0 ? slice_ns : behind_slice_ns);
    ring::Event due;
    ring::CallbackTimer timer(of.shard.core.shard.timers(), [&due] { due.set(); });
    timer.arm(of.now_ns() + slice);
    co_await due;
    waited_ns += slice;
    relay_.idle().note_waiting(of.now_ns());
    if (pump_.is_over()) co_return false;
  }
  if (!relay_.renew_access()) {
    auto ending = pump_.wait_for_server(Pump::Until::it_ends);
    co_await ending;
    co_return false;
  }
  size_t at = 0;
  Advance advance = pump_.inspect(chunk_.bytes(), at);
  auto accepting = until_accepted(at, advance);
  co_return co_await accepting;
}

// ---------------------------------------------------------------- for the disk and the server

// Of a chunk from the client, what stands before a message that has to wait.
Task<bool> ChunkWait::forward_so_far() {
  auto syncing = make_durable();
  bool is_durable = co_await syncing;
  if (!is_durable || relay_.conversation().server().said_fatal()) co_return false;
  auto forwarding = forward(relay_.conversation().client().to_server_so_far(chunk_.bytes()));
  co_return co_await forwarding;
}

// What came before the message that waits, and does not belong to its sync group, is answered meanwhile.
Task<bool> ChunkWait::forward_before_waiting() {
  ByteView bytes = relay_.conversation().waiting().before();
  if (bytes.empty()) co_return true;
  auto syncing = make_durable();
  bool is_durable = co_await syncing;
  if (!is_durable) co_return false;
  auto forwarding = forward(bytes);
  bool is_sent = co_await forwarding;
  relay_.conversation().waiting().before_is_sent();
  co_return is_sent;
}

Task<bool> ChunkWait::make_durable() {
  if (!relay_.durable().are_due(relay_)) co_return true;
  DurableWait syncing(relay_.parts().shard.core.disk_sync);
  bool is_durable = co_await syncing;
  co_return relay_.durable().note_sync(relay_, is_durable);
}

// To the server, behind the name of the session.
Task<bool> ChunkWait::forward(ByteView bytes) {
  pump_.outlet().count(bytes.size());
  ServerLease& lease = relay_.parts().lease;
  if (lease.naming().goes_before(bytes)) {
    auto naming = lease.name(&bytes);
    bool is_named = co_await naming;
    if (!is_named) co_return false;
  }
  net::Send sending(lease.stream(), bytes);
  Result<void> sent = co_await sending;
  co_return sent.has_value();
}

}  // namespace ringfence::proxy
