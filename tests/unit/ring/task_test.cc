#include "ringfence/ring/task.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace ringfence::ring;

namespace {
Task<int> value(int n) { co_return n; }
Task<int> depth(int n) {
  if (n == 0) co_return 0;
  auto inner = depth(n - 1);
  int below = co_await inner;
  co_return below + 1;
}
Task<std::string> after(Event* event, std::string text) {
  co_await *event;
  co_return text;
}
Task<void> collect(Event* event, std::vector<std::string>* out) {
  auto first = after(event, "first");
  out->push_back(co_await first);
  auto second = after(event, "second");
  out->push_back(co_await second);
}
Task<void> keep(int* out) {
  auto deep = depth(500);
  int reached = co_await deep;
  auto plain = value(7);
  *out = reached + co_await plain;
}
}  // namespace

TEST_CASE("tasks that do not wait complete inline, also nested") {
  int out = 0;
  spawn(keep(&out));
  CHECK(out == 507);
}

TEST_CASE("a task waits for an event, a signal before the wait is kept, and the event is reusable") {
  Event event;
  std::vector<std::string> out;
  event.set();
  spawn(collect(&event, &out));
  CHECK(out == std::vector<std::string>{"first"});
  event.set();
  CHECK(out == std::vector<std::string>{"first", "second"});
}

TEST_CASE("a task that was never awaited frees itself") {
  auto task = value(1);
  auto moved = std::move(task);
}
