// Sessions of several threads spend of one account, which another thread fills: never more than there is.
#include "ringfence/proxy/core/budget_account.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

using namespace ringfence;
using proxy::BudgetAccount;
using Take = BudgetAccount::Take;

TEST_CASE("statements of many threads are as many as there are") {
  constexpr uint64_t bound = 10'000;
  std::atomic<bool> is_rung{false};
  BudgetAccount account({bound, 0, 0}, [&] { is_rung = true; });
  std::atomic<uint64_t> taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (;;) {
        const uint64_t statements = i == 0 ? 3 : 1;
        const Take take = account.take(statements, 1);
        if (take == Take::spent) return;
        if (take == Take::taken) taken += statements;
        else std::this_thread::yield();
      }
    });
  }
  for (bool is_over = false; !is_over;) {
    if (!is_rung.exchange(false)) {
      std::this_thread::yield();
      continue;
    }
    const BudgetAccount::Amounts used = account.used();
    const uint64_t left = bound - used[0];
    const uint64_t leased = std::max<uint64_t>(left / 4, std::min(left, account.take_needed()));
    // Nobody can use what is less than a message needs.
    is_over = left < 3;
    account.settle(used, {std::max<uint64_t>(leased, left == 0 ? 0 : 1), 0, 0}, {is_over, false, false}, 2);
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(taken <= bound);
  CHECK(taken >= bound - 3);
  CHECK(account.used()[0] == taken);
}

TEST_CASE("rows and bytes may go beyond a lease until the budget is spent") {
  int rung = 0;
  BudgetAccount account({0, 0, 100}, [&] { ++rung; });
  CHECK(account.take(1, 1) == Take::wait);
  account.settle({0, 0, 0}, {0, 0, 25}, {}, 2);
  CHECK(account.take(1, 1) == Take::taken);
  CHECK(account.add(25, 1'000'000));
  CHECK(account.take(1, 1) == Take::wait);
  CHECK(account.add(80, 0));  // Nobody knows yet that it is too much.
  CHECK(rung >= 2);
  account.settle(account.used(), {0, 0, 0}, {false, false, true}, 2);
  CHECK(!account.add(1, 0));
  CHECK(account.take(1, 1) == Take::spent);
  account.set_bounds({0, 0, 1'000});
  CHECK(account.take(1, 1) == Take::wait);
  account.close();
  CHECK(account.take(1, 1) == Take::spent);
  CHECK(!account.add(1, 0));
}

TEST_CASE("what has no bound is never asked for") {
  BudgetAccount account({1, 0, 0}, [] {});
  account.settle({0, 0, 0}, {1, 0, 0}, {}, 2);
  CHECK(account.add(1'000'000, 1'000'000'000));
  CHECK(account.take(1, 1) == Take::taken);
  CHECK(account.take(1, 1) == Take::wait);
}

TEST_CASE("a lease ends by its time, whoever looks") {
  BudgetAccount account({100, 0, 0}, [] {});
  account.settle({0, 0, 0}, {50, 0, 0}, {}, 10);
  CHECK(account.take(1, 9) == Take::taken);
  CHECK(account.take(1, 10) == Take::wait);
}

TEST_CASE("one kind that is used up ends no result of the others") {
  BudgetAccount account({1, 0, 1'000}, [] {});
  account.settle({0, 0, 0}, {1, 0, 250}, {}, 2);
  CHECK(account.take(1, 1) == Take::taken);
  account.settle(account.used(), {0, 0, 0}, {true, false, false}, 2);
  CHECK(account.add(400, 0));
  CHECK(account.take(1, 1) == Take::wait);
}
