// What a node may still spend of a grant's budget: a share of it that the node has from the store (a lease),
// and what its sessions have spent. Sessions of all shards use one account; whoever keeps it asks the store
// for more.
//
// No locks: a statement costs an addition, a run of rows another one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "ringfence/policy/grant.h"

namespace ringfence::proxy {

class BudgetAccount {
 public:
  enum Kind : uint8_t { queries, bytes, rows };
  static constexpr size_t kinds = 3;
  using Amounts = std::array<uint64_t, kinds>;

  // `ring`: called on any thread when a lease comes to its end; it does not block.
  BudgetAccount(const policy::Budget& budget, std::function<void()> ring) : ring_(std::move(ring)) {
    set_bounds(budget);
  }

  enum class Take : uint8_t {
    taken,
    wait,   // The lease is used up; the store may have more.
    spent,  // The budget is, or nobody knows that it is not.
  };
  // So many statements begin.
  Take take(uint64_t statements, uint64_t now_ns) {
    if (is_closed_.load(std::memory_order_relaxed)) return Take::spent;
    if (now_ns >= until_ns_.load(std::memory_order_relaxed)) return ask(queries);
    for (const Kind kind : {bytes, rows}) {
      if (is_bounded(kind) && used(kind) >= allowed(kind)) return ask(kind);
    }
    if (!is_bounded(queries)) return Take::taken;
    const uint64_t now = used_[queries].fetch_add(statements, std::memory_order_relaxed) + statements;
    if (now <= allowed(queries)) {
      if (now * 2 > allowed(queries) + settled(queries)) want_more();
      return Take::taken;
    }
    used_[queries].fetch_sub(statements, std::memory_order_relaxed);
    uint64_t needed = needed_.load(std::memory_order_relaxed);
    while (needed < statements &&
           !needed_.compare_exchange_weak(needed, statements, std::memory_order_relaxed)) {
    }
    return ask(queries);
  }
  // They go to a client. False: the budget is spent by that.
  bool add(uint64_t more_rows, uint64_t more_bytes) {
    const bool has_rows = spend(rows, more_rows), has_bytes = spend(bytes, more_bytes);
    if (has_rows && has_bytes) return true;
    want_more();
    return (has_rows || !is_spent(rows)) && (has_bytes || !is_spent(bytes));
  }
  // How much of it may still go to clients. All that there is, as long as the store may have more.
  uint64_t left(Kind kind) const {
    if (!is_bounded(kind) || !is_spent(kind)) return ~uint64_t{0};
    const uint64_t now = used(kind);
    return now < allowed(kind) ? allowed(kind) - now : 0;
  }

  // ---------------------------------------------------------------- for its keeper
  // 0: that kind has no bound.
  void set_bounds(const policy::Budget& budget) {
    is_bounded_[queries] = budget.queries != 0;
    is_bounded_[bytes] = budget.bytes != 0;
    is_bounded_[rows] = budget.rows != 0;
    for (auto& one : is_spent_) one = false;
    want_more();
  }
  // So many statements at least, of one message; asked once.
  uint64_t take_needed() { return needed_.exchange(0, std::memory_order_relaxed); }
  bool is_wanted() const { return is_wanted_.load(std::memory_order_relaxed); }
  Amounts used() const { return {used(queries), used(bytes), used(rows)}; }
  // The store knows of `settled`, all of them together since the start, and allows `more` beyond that until
  // then (mono_ns). `is_over`: of which nobody has anything left.
  void settle(const Amounts& settled, const Amounts& more, const std::array<bool, kinds>& is_over,
              uint64_t until_ns) {
    for (size_t kind = 0; kind < kinds; ++kind) {
      settled_[kind] = settled[kind];
      allowed_[kind] = settled[kind] + more[kind];
      is_spent_[kind] = is_over[kind];
    }
    until_ns_ = until_ns;
    is_wanted_ = false;
  }
  // Nothing more may be spent.
  void close() {
    is_closed_ = true;
    for (auto& one : is_spent_) one = true;
    is_wanted_ = false;
  }

 private:
  bool is_bounded(Kind kind) const { return is_bounded_[kind].load(std::memory_order_relaxed); }
  uint64_t used(Kind kind) const { return used_[kind].load(std::memory_order_relaxed); }
  uint64_t allowed(Kind kind) const { return allowed_[kind].load(std::memory_order_relaxed); }
  uint64_t settled(Kind kind) const { return settled_[kind].load(std::memory_order_relaxed); }
  // Of what nobody has leased nothing is left.
  bool is_spent(Kind kind) const { return is_spent_[kind].load(std::memory_order_relaxed); }
  // False: it is beyond the lease.
  bool spend(Kind kind, uint64_t amount) {
    if (!is_bounded(kind) || amount == 0) return true;
    const uint64_t now = used_[kind].fetch_add(amount, std::memory_order_relaxed) + amount;
    if (now > allowed(kind)) return false;
    if (now * 2 > allowed(kind) + settled(kind)) want_more();
    return true;
  }
  void want_more() {
    if (!is_wanted_.exchange(true, std::memory_order_relaxed)) ring_();
  }
  Take ask(Kind kind) {
    want_more();
    return is_spent(kind) ? Take::spent : Take::wait;
  }

  std::function<void()> ring_;
  std::array<std::atomic<bool>, kinds> is_bounded_{};
  std::array<std::atomic<uint64_t>, kinds> used_{};
  std::array<std::atomic<uint64_t>, kinds> settled_{};
  std::array<std::atomic<uint64_t>, kinds> allowed_{};
  std::atomic<uint64_t> needed_{0};
  std::array<std::atomic<bool>, kinds> is_spent_{};
  std::atomic<uint64_t> until_ns_{0};
  std::atomic<bool> is_closed_{false};
  std::atomic<bool> is_wanted_{false};
};

}  // namespace ringfence::proxy
