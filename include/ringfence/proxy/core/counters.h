// What a shard counts: written by its thread alone with relaxed stores, read by the admin shard.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "ringfence/net/tls.h"
#include "ringfence/proxy/core/hold.h"

namespace ringfence::proxy {

class Counter {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(uint64_t n = 1) { add(~n + 1); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Durations in buckets of powers of two microseconds: bucket i counts those of at most 2^i µs that no smaller
// one counts; the last counts the rest.
class DurationHistogram {
 public:
  static constexpr size_t buckets = 32;
  void add(uint64_t ns) {
    uint64_t us = ns / 1000;
    size_t bucket = us <= 1 ? 0 : 64 - static_cast<size_t>(__builtin_clzll(us - 1));
    counts_[bucket < buckets ? bucket : buckets - 1].add();
    sum_ns_.add(ns);
  }
  uint64_t count(size_t bucket) const { return counts_[bucket].get(); }
  uint64_t sum_ns() const { return sum_ns_.get(); }

 private:
  std::array<Counter, buckets> counts_;
  Counter sum_ns_;
};

struct ShardCounters {
  Counter connections_accepted;
  Counter connections_refused;  // At the bound on connections.
  Counter connections_open;     // Sockets, in whatever phase.
  Counter sessions_open;        // Logged in on both legs.
  Counter sessions_total;
  Counter logins_failed;
  Counter failures_counted;   // Of those, told together with others like them.
  Counter upstream_failures;  // Dialling or logging in to the server failed.
  Counter key_derivations;    // From targets' passwords, for salts that were not known yet.
  Counter pool_idle;          // Connections that wait for a session, of targets with a pool.
  Counter pool_in_use;        // That a session has.
  Counter pool_hits;          // Sessions that got one that waited,
  Counter pool_misses;        // and those that had to have one made.
  Counter pool_returns;       // Given back clean.
  Counter pool_discards;      // Closed with their session, or because they could not be kept.
  Counter pool_expired;       // Closed because nobody came for them.
  Counter pool_failures;      // That waited and were not usable any more, or could not be made ahead.
  Counter cancels_forwarded;
  Counter cancels_unknown;  // With a key that belongs to no session.
  Counter cancels_limited;  // Looked up a moment later, for their address had sent too many wrong ones.
  Counter statements_started;
  Counter statements_succeeded;
  Counter statements_failed;
  Counter statements_cancelled;
  Counter statements_not_executed;
  Counter statements_unknown;
  Counter statements_withheld;           // Completed, and a bound kept the result from the client.
  Counter statements_refused;            // By policy: they never reached the server.
  Counter statements_analysed_aside;     // On a thread of their own, being too much for the shard.
  Counter sessions_held;                 // Parked now, until somebody gives his word on their statement.
  std::array<Counter, hold_ends> holds;  // How they ended, by HoldEnd.
  Counter bytes_to_client;
  Counter bytes_to_server;
  Counter spliced_to_client;  // Of those, through a pipe.
  Counter spliced_to_server;
  Counter splice_pipes_out;  // Receives of long bodies that found all pipes taken.
  Counter rows;
  Counter limits_reached;     // Messages too long, pipelines too deep for a moment, deadlines of phases.
  Counter trail_waits;        // A session waited for room in the trail.
  Counter trail_refusals;     // A session was ended because no room came.
  Counter trail_syncs;        // Group commits of start records (audit.durability: disk).
  Counter volume_waits;       // A session waited for its user's or its address's bound on the trail's bytes,
  Counter volume_refusals;    // or was ended, for it would have waited too long.
  Counter answers_unmatched;  // Server answers that fitted no statement.
  Counter attribution_mismatches;  // Answers that contradict what was recorded.
  Counter watch_connections;       // To targets with attribution_watch, open now.
  Counter watch_samples;           // Times that one of them asked what sessions run.
  Counter watch_compared;          // Sessions that were found to run what was sent,
  Counter watch_unknown;           // and those of which it could not be told.
  Counter watch_failures;          // Samples that came to nothing.
  // TLS handshakes with clients, and with targets' servers.
  struct Handshakes {
    Counter done;
    Counter resumed;  // Of those.
    std::array<Counter, net::tls_failures> failed;
    net::TlsLegs legs;
    void fail(net::TlsFailure reason) { failed[static_cast<size_t>(reason)].add(); }
  };
  Handshakes client_tls;
  Handshakes server_tls;
  Counter clients_without_tls;  // Refused where the listener requires it.
  DurationHistogram statement_duration;
};

}  // namespace ringfence::proxy
