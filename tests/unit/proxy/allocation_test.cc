// The steady state of a session allocates nothing: counted through operator new, in a program of its own.
#include <cstdlib>
#include <new>

#include <doctest/doctest.h>

#include "proxy/pg/conversation.h"
#include "ringfence/pg/messages.h"

namespace {
size_t allocations = 0;
}

// Not inlined: g++ 12 would warn of a `free` that meets what an operator new returned.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  void* memory = std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) std::abort();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

using namespace ringfence;
using namespace ringfence::proxy;

namespace {

class ScratchSpace final : public audit::RecordSpace {
 public:
  char* reserve(size_t size_max) override { return size_max <= sizeof room_ ? room_ : nullptr; }
  uint64_t publish(audit::RecordKind, size_t, uint64_t) override { return ++seq_; }

 private:
  char room_[1 << 16];
  uint64_t seq_ = 0;
};

// Reads, what the whitelist lists, and not what is denied.
std::unique_ptr<Gate> restricted(JudgeSpace& space) {
  policy::Policy policy;
  policy.name = "readers-of-everything-that-is-theirs";
  policy.roles = {{"dev", ""}};
  policy.whitelist =
      std::vector<policy::Text>{{"^select .* from pgbench_accounts", "/etc/ringfence/ringfence.yaml:12"}};
  policy.deny.push_back({.where = "f:1", .relations = {{"secret", "f:1"}}});
  std::vector<policy::Problem> problems;
  auto set = policy::PolicySet::compile({policy}, problems);
  REQUIRE(set);
  return std::make_unique<Gate>(
      std::make_shared<StatementJudge>(set->access({"dev"}, {}), policy::SessionFacts{}, space), "n");
}

struct Fixture {
  explicit Fixture(bool is_restricted = false)
      : conversation(recorder, pools, counters, limits, is_restricted ? restricted(judge_space) : nullptr) {}
  JudgeSpace judge_space{HashKey{1, 2}};
  ScratchSpace space;
  ShardCounters counters;
  TrailDoor door{space, counters, IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  Limits limits;
  Recorder recorder{door};
  Conversation conversation;
  std::string request;
  std::string answer;

  void exchange() {
    size_t at = 0;
    REQUIRE(conversation.client().advance(request, at, {1000, 1}) == Advance::all);
    REQUIRE(conversation.client().to_server(request).size() == request.size());
    at = 0;
    REQUIRE(conversation.server().advance(answer, at, {2000, 2}) == Advance::all);
    REQUIRE(conversation.server().to_client(answer).size() == answer.size());
  }
  size_t allocations_of(int times) {
    for (int i = 0; i < 16; ++i) exchange();  // Buffers and pools reach their size.
    size_t before = allocations;
    for (int i = 0; i < times; ++i) exchange();
    return allocations - before;
  }
};

void append_answer(std::string& out, char type, ByteView body) {
  auto header = pg::frame_header(type, static_cast<uint32_t>(body.size()));
  out.append(header.data(), header.size());
  out.append(body);
}

}  // namespace

TEST_CASE("a prepared statement's Bind, Execute and Sync allocate nothing, restricted or not") {
  bool is_restricted = false;
  SUBCASE("unrestricted") {}
  SUBCASE("restricted") { is_restricted = true; }
  Fixture f(is_restricted);
  pg::append_parse(f.request, "S_1", "SELECT abalance FROM pgbench_accounts WHERE aid = $1");
  pg::append_sync(f.request);
  append_answer(f.answer, '1', "");
  append_answer(f.answer, 'Z', "I");
  f.exchange();
  f.request.clear();
  f.answer.clear();
  const std::optional<std::string_view> values[] = {"123456"};
  pg::append_bind(f.request, "", "S_1", values);
  pg::append_describe(f.request, 'P', "");
  pg::append_execute(f.request, "");
  pg::append_sync(f.request);
  append_answer(f.answer, '2', "");
  append_answer(f.answer, 'T', std::string(30, 'x'));
  append_answer(f.answer, 'D', std::string(12, 'x'));
  append_answer(f.answer, 'C', ByteView("SELECT 1\0", 9));
  append_answer(f.answer, 'Z', "I");
  CHECK(f.allocations_of(1000) == 0);
  CHECK(f.counters.statements_succeeded.get() == 1016);
}

TEST_CASE("a simple statement with a changing constant allocates nothing, restricted or not") {
  bool is_restricted = false;
  SUBCASE("unrestricted") {}
  SUBCASE("restricted") { is_restricted = true; }
  Fixture f(is_restricted);
  append_answer(f.answer, 'T', std::string(30, 'x'));
  append_answer(f.answer, 'D', std::string(12, 'x'));
  append_answer(f.answer, 'C', ByteView("SELECT 1\0", 9));
  append_answer(f.answer, 'Z', "I");
  std::string requests[2];
  pg::append_query(requests[0], "SELECT abalance FROM pgbench_accounts WHERE aid = 17;");
  pg::append_query(requests[1], "SELECT abalance FROM pgbench_accounts WHERE aid = 99881;");
  f.request = requests[0];
  f.request.reserve(256);
  CHECK(f.allocations_of(1000) == 0);
  f.request.assign(requests[1]);
  CHECK(f.allocations_of(1000) == 0);
}
