// Budgets of grants on this node: leases from the store for its sessions, and back what they have spent.
//
// One thread with a connection of its own. A lease has a term: where the store cannot be asked in time, what
// is left of the lease is not spent any more, and the store gives it to others. What was spent and could not
// be told is told when the store answers again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "ringfence/base/uuid.h"
#include "ringfence/model/grant.h"
#include "ringfence/proxy/core/budget_account.h"

namespace ringfence::store {
class Connection;
}

namespace ringfence::control {

class BudgetKeeper {
 public:
  static constexpr uint64_t term_s = 30;

  // `dsn`: of the role that owns the tables. `distrusted`: told when the store has less than was spent.
  BudgetKeeper(std::string dsn,
               std::function<void(const std::string& record, const std::string& why)> distrusted);
  ~BudgetKeeper();
  BudgetKeeper(const BudgetKeeper&) = delete;
  BudgetKeeper& operator=(const BudgetKeeper&) = delete;

  // From any thread: the account of the grant, with its bounds as they are now. Null: the grant has no
  // budget.
  std::shared_ptr<proxy::BudgetAccount> account(const model::Grant& grant);
  // Tells the store what was spent, and gives the leases back.
  void stop();

 private:
  struct Kept {
    std::shared_ptr<proxy::BudgetAccount> account;
    policy::Budget budget;
    proxy::BudgetAccount::Amounts told{};   // Of what was spent, the store knows so much.
    proxy::BudgetAccount::Amounts total{};  // Of all nodes, as the store had it last.
    uint64_t told_ns = 0;
    uint64_t spent_ns = 0;  // When something was spent last, as the store was told.
    uint64_t until_ns = 0;  // Of the lease; 0: there is none.
  };
  // Wakes the thread; from any thread, and without a lock.
  void ring();
  void run();
  // 0: leases are given back.
  void turn(uint64_t lease_s);
  bool is_due(const Kept& kept, uint64_t now_ns) const;
  bool settle(const std::string& id, Kept& kept, uint64_t lease_s);
  bool connect();

  const std::string dsn_;
  std::function<void(const std::string&, const std::string&)> distrusted_;
  const Uuid node_;
  std::mutex lock_;                                    // Around what follows.
  std::map<std::string, std::shared_ptr<Kept>> kept_;  // By the grant's id.
  std::condition_variable wanted_;
  std::atomic<bool> is_rung_{false};
  std::atomic<bool> is_stopping_{false};
  std::mutex connection_lock_;  // Around the pointer, for stop().
  std::unique_ptr<store::Connection> connection_;
  std::atomic<bool> is_asking_{false};
  bool is_silent_ = false;  // The store does not answer, and the log says so.
  std::thread thread_;
};

}  // namespace ringfence::control
