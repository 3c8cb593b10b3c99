// In the steady state a shard allocates nothing for a statement: its whole thread is counted, with its ring,
// its sockets and the journal. Every allocation of the process comes through the functions below.
#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>
#include <cstdlib>

#include "shard_fixture.h"

// glibc's own, under the names that it keeps for programs that take the public ones over.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {
thread_local uint64_t allocations = 0;
thread_local uint64_t locks = 0;
}  // namespace

extern "C" {
int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  using Lock = int (*)(pthread_mutex_t*);
  static const Lock real = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  ++locks;
  return real(mutex);
}
void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  ++allocations;
  return __libc_realloc(memory, size);
}
void* memalign(size_t alignment, size_t size) {
  ++allocations;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, size_t alignment, size_t size) {
  *out = memalign(alignment, size);
  return *out != nullptr ? 0 : ENOMEM;
}
}

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

uint64_t allocations_of_shard(ShardFixture& fixture) {
  uint64_t count = 0;
  fixture.on_shard([&] { count = allocations; });
  return count;
}

void round_trip(Wire& client, const std::string& request, int ready = 1) {
  REQUIRE(client.send(request));
  while (ready > 0) {
    char type = client.next().type;
    REQUIRE(type != 0);
    REQUIRE(type != 'E');
    if (type == 'Z') --ready;
  }
}

uint64_t locks_of_shard(ShardFixture& fixture) {
  uint64_t count = 0;
  fixture.on_shard([&] { count = locks; });
  return count;
}

// Level read and a hundred whitelist patterns, one of which admits what is sent here.
void restrict_everybody(ShardFixture& fixture) {
  policy::Policy policy;
  policy.name = "readers";
  policy.roles = {{"*", ""}};
  policy.whitelist.emplace();
  for (int i = 0; i < 99; ++i)
    policy.whitelist->push_back({"^select [a-z]+ from report_" + std::to_string(i) + "$", ""});
  policy.whitelist->push_back({"^select abalance from pgbench_accounts where aid = ", ""});
  std::vector<policy::Problem> problems;
  auto set = policy::PolicySet::compile({policy}, problems);
  REQUIRE(set);
  fixture.on_shard([&] {
    auto made = std::make_shared<Snapshot>(*fixture.core->snapshot);
    ++made->generation;
    made->policies = set;
    fixture.core->use(made);
  });
}

enum class Durability { process, disk };
enum class Users { unrestricted, restricted };

// `request` makes the n-th request, which brings `ready` ReadyForQuery messages.
template <typename F>
void check_steady_state(F request, int ready = 1, Durability durability = Durability::process,
                        Users users = Users::unrestricted) {
  constexpr uint64_t segment_bytes = 256 << 10;
  bool is_durable = durability == Durability::disk;
  ShardFixture fixture(segment_bytes, is_durable);
  if (users == Users::restricted) restrict_everybody(fixture);
  int count = is_durable ? 500 : 3'000;  // Each waits for the disk.
  auto client = fixture.log_in();
  std::string prepare;
  pg::append_parse(prepare, "S_1", "SELECT abalance FROM pgbench_accounts WHERE aid = $1");
  pg::append_sync(prepare);
  round_trip(*client, prepare);
  int n = 0;
  for (; n < 500; ++n) {
    round_trip(*client, request(n), ready);  // Pools and buffers reach their size.
    fixture.let_keeper_catch_up();
  }
  uint64_t before = allocations_of_shard(fixture);
  CHECK(before > 0);  // The count counts.
  uint64_t locks_before = locks_of_shard(fixture);
  for (int end = n + count; n < end; ++n) {
    round_trip(*client, request(n), ready);
    fixture.let_keeper_catch_up();  // A session that waits for room is not in its steady state.
  }
  CHECK(allocations_of_shard(fixture) - before == 0);
  // on_shard() takes some to tell that it is done; a statement takes none.
  if (!is_durable) CHECK(locks_of_shard(fixture) - locks_before < 20);
  CHECK((fixture.core->counters.trail_syncs.get() >= static_cast<uint64_t>(n)) == is_durable);
  // Several segments of the journal were written meanwhile.
  if (!is_durable) CHECK(fixture.journal->published_position() > 4 * segment_bytes);
}

void append_prepared(std::string& out, std::string_view value) {
  const std::optional<std::string_view> values[] = {value};
  pg::append_bind(out, "", "S_1", values);
  pg::append_execute(out, "");
}

}  // namespace

TEST_CASE("a prepared statement that is run again allocates nothing on its shard") {
  check_steady_state([](int n) {
    std::string out;
    append_prepared(out, std::to_string(100'000 + n));
    pg::append_sync(out);
    return out;
  });
}

TEST_CASE("a simple statement whose constant changes allocates nothing on its shard") {
  check_steady_state([](int n) {
    std::string out;
    pg::append_query(out, "SELECT abalance FROM pgbench_accounts WHERE aid = " + std::to_string(100'000 + n));
    return out;
  });
}

TEST_CASE("an unnamed statement that is parsed, described and run allocates nothing on its shard") {
  check_steady_state([](int n) {
    std::string out;
    pg::append_parse(out, "",
                     "SELECT abalance FROM pgbench_accounts WHERE aid = " + std::to_string(100'000 + n));
    pg::append_bind(out, "", "");
    pg::append_describe(out, 'P', "");
    pg::append_execute(out, "");
    pg::append_sync(out);
    return out;
  });
}

TEST_CASE("a pipeline of prepared statements allocates nothing on its shard") {
  check_steady_state(
      [](int n) {
        std::string out;
        for (int i = 0; i < 10; ++i) {
          append_prepared(out, std::to_string(100'000 + n * 10 + i));
          pg::append_sync(out);
        }
        return out;
      },
      10);
}

TEST_CASE("waiting for the disk allocates nothing on the shard") {
  auto simple = [](int n) {
    std::string out;
    pg::append_query(out, "SELECT abalance FROM pgbench_accounts WHERE aid = " + std::to_string(100'000 + n));
    return out;
  };
  auto prepared = [](int n) {
    std::string out;
    append_prepared(out, std::to_string(100'000 + n));
    pg::append_sync(out);
    return out;
  };
  check_steady_state(simple, 1, Durability::disk);
  check_steady_state(prepared, 1, Durability::disk);
}

TEST_CASE("a restricted session's statements are decided without an allocation or a lock, prepared or not") {
  check_steady_state(
      [](int n) {
        std::string out;
        append_prepared(out, std::to_string(100'000 + n));
        pg::append_sync(out);
        return out;
      },
      1, Durability::process, Users::restricted);
  check_steady_state(
      [](int n) {
        std::string out;
        pg::append_query(out,
                         "SELECT abalance FROM pgbench_accounts WHERE aid = " + std::to_string(100'000 + n));
        return out;
      },
      1, Durability::process, Users::restricted);
  check_steady_state(
      [](int n) {
        std::string out;
        pg::append_parse(out, "",
                         "SELECT abalance FROM pgbench_accounts WHERE aid = " + std::to_string(100'000 + n));
        pg::append_bind(out, "", "");
        pg::append_execute(out, "");
        pg::append_sync(out);
        return out;
      },
      1, Durability::process, Users::restricted);
}
