// Nanoseconds for each decision: a statement whose shape is known, against policies with so many whitelist
// patterns, and one that has to be parsed; and for each query of a session, its answer included, with
// policies and without (`hot`: nothing else runs in between; `cold`: the caches are full of other things, as
// the kernel's work between two messages leaves them). Prints one JSON line for each case: bench, case,
// metric, value, unit, n, min, max and p90.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "proxy/pg/conversation.h"
#include "ringfence/pg/messages.h"

using namespace ringfence;

namespace {

// `last`: the pattern that admits what is asked.
std::shared_ptr<const policy::PolicySet> readers(
    size_t patterns, std::string last = "^select abalance from pgbench_accounts where aid = ") {
  policy::Policy policy;
  policy.name = "bench";
  policy.roles = {{"*", ""}};
  if (patterns > 0) policy.whitelist.emplace();
  for (size_t i = 0; i + 1 < patterns; ++i) {
    policy.whitelist->push_back(
        {"^select [a-z_, ]+ from report_" + std::to_string(i) + " where [a-z]+ = [0-9]+$", ""});
  }
  if (patterns > 0) policy.whitelist->push_back({std::move(last), ""});
  std::vector<policy::Problem> problems;
  auto set = policy::PolicySet::compile({policy}, problems);
  if (!set) std::abort();
  return set;
}

struct Spread {
  double p50, p90, least, most;
};

// `run(i)` decides once; the time of batches, which are long against the clock's own.
template <typename Run>
Spread measure(size_t batches, size_t batch, Run run) {
  std::vector<double> times;
  size_t i = 0;
  for (size_t b = 0; b < batches + batches / 10; ++b) {
    const auto begin = std::chrono::steady_clock::now();
    for (size_t j = 0; j < batch; ++j) run(i++);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    if (b >= batches / 10) times.push_back(took.count() / static_cast<double>(batch));  // Warm.
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 9 / 10], times.front(), times.back()};
}

void print(const std::string& name, size_t n, const Spread& spread, const char* contender = "judge") {
  std::printf(
      "{\"bench\": \"policy\", \"case\": \"%s\", \"contender\": \"%s\", \"metric\": \"decision\", \"value\": "
      "%.1f, "
      "\"unit\": \"ns\", \"n\": %zu, \"min\": %.1f, \"max\": %.1f, \"p90\": %.1f}\n",
      name.c_str(), contender, spread.p50, n, spread.least, spread.most, spread.p90);
}

class ScratchSpace final : public audit::RecordSpace {
 public:
  char* reserve(size_t size_max) override { return size_max <= sizeof room_ ? room_ : nullptr; }
  uint64_t publish(audit::RecordKind, size_t, uint64_t) override { return ++seq_; }

 private:
  char room_[1 << 16];
  uint64_t seq_ = 0;
};

void append_answer(std::string& out, char type, ByteView body) {
  const auto header = pg::frame_header(type, static_cast<uint32_t>(body.size()));
  out.append(header.data(), header.size()).append(body);
}

// A session that asks what pgbench -S asks, byte for byte as the shard runs it, without a ring.
struct Session {
  explicit Session(const std::shared_ptr<const policy::PolicySet>& set) {
    std::unique_ptr<proxy::Gate> gate;
    if (set) {
      auto judge =
          std::make_shared<proxy::StatementJudge>(set->access({}, {}), policy::SessionFacts{}, judge_space);
      gate = std::make_unique<proxy::Gate>(std::move(judge), "nonce");
    }
    recorder.identify({.user = "bench",
                       .auth_method = "scram-sha-256",
                       .client_addr = "127.0.0.1:40000",
                       .application_name = "pgbench",
                       .transport = "tcp",
                       .target = "bench",
                       .database = "bench",
                       .server_addr = "127.0.0.1:5432",
                       .server_user = "bench"});
    conversation.emplace(recorder, pools, counters, limits, std::move(gate));
  }
  bool exchange(ByteView request, ByteView answer) {
    size_t at = 0;
    bool is_right = conversation->client().advance(request, at, {1'000, 1}) == proxy::Advance::all;
    is_right = is_right && conversation->client().to_server(request).size() == request.size();
    at = 0;
    is_right = is_right && conversation->server().advance(answer, at, {2'000, 2}) == proxy::Advance::all;
    return is_right && conversation->server().to_client(answer).size() == answer.size();
  }

  proxy::JudgeSpace judge_space{HashKey{1, 7}};
  ScratchSpace space;
  proxy::ShardCounters counters;
  proxy::TrailDoor door{space, counters, proxy::IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  proxy::Limits limits;
  proxy::Recorder recorder{door};
  std::optional<proxy::Conversation> conversation;
};

// What a query costs the session, by the simple protocol and prepared.
bool print_queries(const std::string& name, const std::shared_ptr<const policy::PolicySet>& set,
                   const std::vector<std::string>& texts, size_t batches) {
  Session session(set);
  std::vector<std::string> requests;
  for (const std::string& text : texts) pg::append_query(requests.emplace_back(), text + ";");
  std::string answer;
  append_answer(answer, 'T', std::string(30, 'x'));
  append_answer(answer, 'D', std::string(12, 'x'));
  append_answer(answer, 'C', ByteView("SELECT 1\0", 9));
  append_answer(answer, 'Z', "I");
  bool is_right = true;
  const auto simple = [&](size_t i) {
    is_right = session.exchange(requests[i % requests.size()], answer) && is_right;
  };
  print("simple/hot/" + name, batches, measure(batches, 1'000, simple), "session");

  std::vector<uint64_t> other(size_t{1} << 18);  // 2 MiB: more than a core has for itself.
  std::vector<double> times;
  uint64_t sum = 0;
  for (size_t i = 0; i < batches * 4; ++i) {
    for (size_t j = 0; j < other.size(); j += 8) sum += other[j]++;
    const auto begin = std::chrono::steady_clock::now();
    simple(i);
    times.push_back(
        std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  is_right = is_right && sum > 0;
  print("simple/cold/" + name, batches * 4,
        {times[times.size() / 2], times[times.size() * 9 / 10], times.front(), times.back()}, "session");

  std::string request, parsed;
  pg::append_parse(request, "S_1", "SELECT abalance FROM pgbench_accounts WHERE aid = $1");
  pg::append_sync(request);
  append_answer(parsed, '1', "");
  append_answer(parsed, 'Z', "I");
  is_right = session.exchange(request, parsed) && is_right;
  request.clear();
  const std::optional<std::string_view> values[] = {"123456"};
  pg::append_bind(request, "", "S_1", values);
  pg::append_describe(request, 'P', "");
  pg::append_execute(request, "");
  pg::append_sync(request);
  answer.insert(0, "2\0\0\0\4", 5);
  const auto prepared = [&](size_t) { is_right = session.exchange(request, answer) && is_right; };
  print("prepared/hot/" + name, batches, measure(batches, 1'000, prepared), "session");
  return is_right;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t batches = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 400;
  const std::string text = "SELECT abalance FROM pgbench_accounts WHERE aid = ";
  std::vector<std::string> texts;
  for (int i = 0; i < 512; ++i) texts.push_back(text + std::to_string(100'000 + i * 37) + ";");
  for (std::string& one : texts) one.pop_back();
  bool is_right = true;
  for (size_t patterns : {size_t{0}, size_t{10}, size_t{100}, size_t{1'000}}) {
    const auto set = readers(patterns);
    proxy::JudgeSpace space{HashKey{1, 7}};
    proxy::StatementJudge judge(set->access({}, {}), {}, space);
    const auto decide = [&](size_t i) {
      is_right = judge.judge(texts[i % texts.size()])->is_allowed && is_right;
    };
    print("hit/" + std::to_string(patterns), batches, measure(batches, 1'000, decide));
    // Each text has a shape of its own.
    std::string fresh;
    const auto miss = [&](size_t i) {
      fresh = "SELECT abalance AS a" + std::to_string(i) + " FROM pgbench_accounts WHERE aid = 1";
      (void)judge.judge(fresh);
    };
    print("miss/" + std::to_string(patterns), batches, measure(batches, 20, miss));
  }
  is_right = print_queries("unrestricted", nullptr, texts, batches) && is_right;
  is_right = print_queries("100", readers(100), texts, batches) && is_right;
  const auto whole = readers(100, "^select abalance from pgbench_accounts where aid = ([0-9]+|\\$1)$");
  is_right = print_queries("100-whole", whole, texts, batches) && is_right;
  if (!is_right) std::fprintf(stderr, "a statement was refused that the whitelist has, or came to nothing\n");
  return is_right ? 0 : 1;
}
