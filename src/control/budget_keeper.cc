#include "ringfence/control/budget_keeper.h"

#include <chrono>
#include <vector>

#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/control/events.h"
#include "ringfence/store/budgets.h"
#include "ringfence/store/connection.h"

namespace ringfence::control {

using proxy::BudgetAccount;

namespace {

constexpr uint64_t second_ns = 1'000'000'000;
constexpr std::chrono::milliseconds look_ms{250};
constexpr uint64_t idle_ns = 5 * second_ns;
constexpr uint64_t renew_ns = BudgetKeeper::term_s * second_ns / 3;
// The store's clock may be ahead of ours by so much.
constexpr uint64_t margin_ns = 2 * second_ns;

store::BudgetAmounts amounts_of(const policy::Budget& budget) {
  return {budget.queries, budget.bytes, budget.rows};
}

}  // namespace

BudgetKeeper::BudgetKeeper(std::string dsn,
                           std::function<void(const std::string&, const std::string&)> distrusted)
    : dsn_(std::move(dsn)),
      distrusted_(std::move(distrusted)),
      node_(new_event_id(wall_us())),
      thread_([this] { run(); }) {}

BudgetKeeper::~BudgetKeeper() { stop(); }

void BudgetKeeper::stop() {
  is_stopping_ = true;
  ring();
  {
    // A store that does not answer holds nobody up.
    const std::lock_guard guard(connection_lock_);
    if (connection_ && is_asking_) connection_->interrupt();
  }
  if (thread_.joinable()) thread_.join();
}

void BudgetKeeper::ring() {
  is_rung_ = true;
  wanted_.notify_one();
}

std::shared_ptr<BudgetAccount> BudgetKeeper::account(const model::Grant& grant) {
  if (!grant.budget.is_bounded()) return nullptr;
  const std::lock_guard guard(lock_);
  std::shared_ptr<Kept>& kept = kept_[grant.id];
  if (!kept) {
    kept = std::make_shared<Kept>();
    kept->account = std::make_shared<BudgetAccount>(grant.budget, [this] { ring(); });
  } else if (kept->budget != grant.budget) {
    kept->account->set_bounds(grant.budget);
  }
  kept->budget = grant.budget;
  return kept->account;
}

bool BudgetKeeper::connect() {
  if (connection_ && connection_->is_open()) return true;
  auto made = store::Connection::open(dsn_, "ringfence control budgets");
  if (made) {
    auto bounded = (*made)->exec("SET statement_timeout = '5s'; SET lock_timeout = '2s'");
    if (bounded) {
      {
        const std::lock_guard guard(connection_lock_);
        connection_ = std::move(*made);
      }
      if (is_silent_) log_info("budgets of grants are kept in the store again");
      is_silent_ = false;
      return true;
    }
  }
  if (!is_silent_) {
    log_error("budgets of grants cannot be kept in the store",
              {{"reason", made ? "the connection broke" : made.error().message}});
  }
  is_silent_ = true;
  return false;
}

bool BudgetKeeper::is_due(const Kept& kept, uint64_t now_ns) const {
  if (kept.account->is_wanted()) return true;
  if (kept.until_ns == 0) return false;
  const bool is_untold = kept.account->used() != kept.told;
  return now_ns - kept.told_ns > (is_untold ? second_ns : renew_ns);
}

// False: the store does not answer.
bool BudgetKeeper::settle(const std::string& id, Kept& kept, uint64_t lease_s) {
  const uint64_t began_ns = mono_ns();
  const BudgetAccount::Amounts used = kept.account->used();
  store::BudgetAmounts spent;
  for (size_t kind = 0; kind < spent.size(); ++kind) spent[kind] = used[kind] - kept.told[kind];
  policy::Budget budget;
  {
    const std::lock_guard guard(lock_);
    budget = kept.budget;
  }
  is_asking_ = true;
  auto settled = store::Budgets(*connection_, node_)
                     .settle({id, spent, amounts_of(budget), kept.account->take_needed(), lease_s});
  is_asking_ = false;
  if (!settled) {
    if (settled.error().fault == Fault::not_found) {
      kept.account->close();
      kept.until_ns = 0;
      return true;
    }
    log_error("a grant's budget cannot be settled", {{"grant", id}, {"reason", settled.error().message}});
    const std::lock_guard guard(connection_lock_);
    connection_.reset();
    return false;
  }
  bool was_taken_back = false;
  for (size_t kind = 0; kind < spent.size(); ++kind)
    was_taken_back = was_taken_back || settled->total[kind] < kept.total[kind] + spent[kind];
  kept.total = settled->total;
  if (used != kept.told || kept.until_ns == 0) kept.spent_ns = began_ns;
  kept.told = used;
  kept.told_ns = began_ns;
  kept.until_ns = lease_s == 0 ? 0 : began_ns + lease_s * second_ns - margin_ns;
  if (was_taken_back) {
    kept.account->close();
    distrusted_("grant " + id, "the store has less spent of its budget than this node has told it");
    return true;
  }
  kept.account->settle(used, settled->leased, settled->is_over, kept.until_ns);
  return true;
}

void BudgetKeeper::turn(uint64_t lease_s) {
  struct Due {
    std::string id;
    std::shared_ptr<Kept> kept;
    uint64_t lease_s;
  };
  std::vector<Due> all;
  {
    const std::lock_guard guard(lock_);
    const uint64_t now_ns = mono_ns();
    for (auto at = kept_.begin(); at != kept_.end();) {
      const Kept& kept = *at->second;
      const bool is_told = kept.account->used() == kept.told;
      const bool has_lease = kept.until_ns != 0;
      // Of a grant that has gone, and of which all is told.
      if (kept.account.use_count() == 1 && !has_lease && is_told) {
        at = kept_.erase(at);
        continue;
      }
      // No session has it, besides the keeper and the snapshot; or none spends anything for a while.
      const bool is_unused = kept.account.use_count() <= 2 ||
                             (!kept.account->is_wanted() && is_told && now_ns - kept.spent_ns > idle_ns);
      const bool is_end = lease_s == 0;
      if (is_end ? has_lease : is_due(kept, now_ns) || (is_unused && has_lease))
        all.push_back({at->first, at->second, is_unused ? 0 : lease_s});
      ++at;
    }
  }
  for (const Due& one : all) {
    // A store that does not answer is asked again in the next round; at the end it is left.
    if (!connect() || !settle(one.id, *one.kept, one.lease_s)) return;
    if (lease_s != 0 && is_stopping_) return;
  }
}

void BudgetKeeper::run() {
  while (!is_stopping_) {
    turn(term_s);
    std::unique_lock guard(lock_);
    wanted_.wait_for(guard, look_ms, [this] { return is_rung_ || is_stopping_; });
    is_rung_ = false;
  }
  turn(0);
}

}  // namespace ringfence::control
