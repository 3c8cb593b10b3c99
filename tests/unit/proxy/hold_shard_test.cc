// Held statements on a real shard: words from other threads, and what a parked session costs. Every
// allocation of the process comes through the functions below, but for TSan, which brings its own: it sees
// the threads alone.
#include <malloc.h>

#include <cerrno>
#include <cstdlib>

#include "messages.h"
#include "shard_fixture.h"

#ifndef __SANITIZE_THREAD__
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);
}

namespace {
thread_local uint64_t allocations = 0;
thread_local int64_t live_bytes = 0;

void* counted(void* memory) {
  ++allocations;
  live_bytes += static_cast<int64_t>(malloc_usable_size(memory));
  return memory;
}
}  // namespace

extern "C" {
void* malloc(size_t size) { return counted(__libc_malloc(size)); }
void* calloc(size_t count, size_t size) { return counted(__libc_calloc(count, size)); }
void* realloc(void* memory, size_t size) {
  live_bytes -= static_cast<int64_t>(malloc_usable_size(memory));
  return counted(__libc_realloc(memory, size));
}
void* memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, size_t alignment, size_t size) {
  *out = memalign(alignment, size);
  return *out != nullptr ? 0 : ENOMEM;
}
void free(void* memory) {
  live_bytes -= static_cast<int64_t>(malloc_usable_size(memory));
  __libc_free(memory);
}
}
#endif

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

// Any DELETE of anybody waits.
std::shared_ptr<const policy::PolicySet> holding_deletes() {
  policy::Policy policy;
  policy.name = "careful";
  policy.roles = {{"*", ""}};
  policy.level = policy::Level::write;
  policy::HoldRule rule;
  rule.kinds = {{"delete", ""}};
  rule.timeout_ms = 600'000;
  policy.hold.push_back(rule);
  std::vector<policy::Problem> problems;
  auto set = policy::PolicySet::compile({policy}, problems);
  REQUIRE(set);
  return set;
}

struct HoldingShard : ShardFixture {
  // Room in the trail for all statements that are released at once: nobody tells this shard when there is
  // room again.
  HoldingShard() : ShardFixture(uint64_t{32} << 20) {
    on_shard([&] {
      auto made = std::make_shared<Snapshot>(*core->snapshot);
      ++made->generation;
      made->policies = holding_deletes();
      core->use(made);
    });
  }
  size_t held() const { return core->counters.sessions_held.get(); }
  void wait_for_held(size_t count) {
    for (int i = 0; i < 20'000 && held() != count; ++i) ::usleep(1'000);
    REQUIRE(held() == count);
  }
  std::vector<HeldStatement> holds() {
    std::vector<HeldStatement> out;
    on_shard([&] { out = core->held(); });
    return out;
  }
};

void finish(Wire& client) {
  for (char type = 0; type != 'Z';) {
    const Wire::Message message = client.next();
    type = message.type;
    CAPTURE(message.body);
    REQUIRE(type != 0);
    REQUIRE(type != 'E');
  }
}

}  // namespace

TEST_CASE("words from many threads at once: one counts, and the statement runs once") {
  HoldingShard fixture;
  auto client = fixture.log_in();
  for (uint64_t round = 1; round <= 50; ++round) {
    const uint64_t rows = fixture.core->counters.statements_succeeded.get();
    REQUIRE(client->send(query("delete from t")));
    fixture.wait_for_held(1);
    const uint64_t number = fixture.holds().at(0).id.number;
    CHECK(number == round);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        while (!fixture.core->answer_hold(number, {.is_released = true})) std::this_thread::yield();
      });
    }
    for (std::thread& thread : threads) thread.join();
    finish(*client);
    CHECK(fixture.core->counters.statements_succeeded.get() == rows + 1);
    CHECK(fixture.core->counters.holds[static_cast<size_t>(HoldEnd::released)].get() == round);
    CHECK(fixture.held() == 0);
  }
}

TEST_CASE("a client that hangs up is noticed by the shard while its statement waits") {
  HoldingShard fixture;
  auto client = fixture.log_in();
  REQUIRE(client->send(query("delete from t")));
  fixture.wait_for_held(1);
  client.reset();
  fixture.wait_for_held(0);
  CHECK(fixture.core->counters.holds[static_cast<size_t>(HoldEnd::disconnected)].get() == 1);
}

#ifndef __SANITIZE_THREAD__
TEST_CASE(
    "a parked session costs its own bytes and nothing more while it waits, and takes no receive buffer") {
  HoldingShard fixture;
  constexpr size_t count = 600;  // More than the ring has receive buffers.
  std::vector<std::unique_ptr<Wire>> clients;
  for (size_t i = 0; i < count; ++i) clients.push_back(fixture.log_in());
  auto other = fixture.log_in();
  auto measure = [&](int64_t& bytes, uint64_t& number) {
    fixture.on_shard([&] {
      bytes = live_bytes;
      number = allocations;
    });
  };
  // Twice: the first time what the shard keeps for all grows.
  for (int round = 0; round < 2; ++round) {
    int64_t before = 0, parked = 0, later = 0;
    uint64_t number_before = 0, number_parked = 0, number_later = 0;
    measure(before, number_before);
    const std::string text = "delete from t where a = '" + std::string(4'000, 'x') + "'";
    for (auto& client : clients) REQUIRE(client->send(query(text) + query("select 1")));
    fixture.wait_for_held(count);
    measure(parked, number_parked);
    // What was read, its text for whoever decides, and the frames that wait.
    if (round == 1) CHECK(parked - before < static_cast<int64_t>(count * (2 * text.size() + 4'096)));
    for (int i = 0; i < 1'000; ++i) measure(later, number_later);
    CHECK(later == parked);
    CHECK(number_later == number_parked);
    REQUIRE(other->send(query("select 1")));
    finish(*other);
    CHECK(fixture.shard.counters().buffers_exhausted == 0);
    for (const HeldStatement& hold : fixture.holds()) {
      while (!fixture.core->answer_hold(hold.id.number, {.is_released = true})) std::this_thread::yield();
    }
    for (auto& client : clients) {
      finish(*client);
      finish(*client);
    }
    CHECK(fixture.held() == 0);
  }
}
#endif
