// Nanoseconds for each decision: a statement whose shape is known, against policies with so many whitelist patterns, and one
// that has to be parsed. Prints one JSON line for each case: bench, case, metric, value, unit, n, min, max and p90.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "proxy/statement_judge.h"

using namespace ringfence;

namespace {

std::shared_ptr<const policy::PolicySet> readers(size_t patterns) {
  policy::Policy policy;
  policy.name = "bench";
  policy.roles = {{"*", ""}};
  if (patterns > 0) policy.whitelist.emplace();
  for (size_t i = 0; i + 1 < patterns; ++i) {
    policy.whitelist->push_back({"^select [a-z_, ]+ from report_" + std::to_string(i) + " where [a-z]+ = [0-9]+$", ""});
  }
  if (patterns > 0) policy.whitelist->push_back({"^select abalance from pgbench_accounts where aid = ", ""});
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

void print(const std::string& name, size_t n, const Spread& spread) {
  std::printf("{\"bench\": \"policy\", \"case\": \"%s\", \"contender\": \"judge\", \"metric\": \"decision\", \"value\": %.1f, "
              "\"unit\": \"ns\", \"n\": %zu, \"min\": %.1f, \"max\": %.1f, \"p90\": %.1f}\n",
              name.c_str(), spread.p50, n, spread.least, spread.most, spread.p90);
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
    proxy::JudgeSpace space(17);
    proxy::StatementJudge judge(set->access({}, {}), {}, space);
    const auto decide = [&](size_t i) { is_right = judge.judge(texts[i % texts.size()])->is_allowed && is_right; };
    print("hit/" + std::to_string(patterns), batches, measure(batches, 1'000, decide));
    // Each text has a shape of its own.
    std::string fresh;
    const auto miss = [&](size_t i) {
      fresh = "SELECT abalance AS a" + std::to_string(i) + " FROM pgbench_accounts WHERE aid = 1";
      (void)judge.judge(fresh);
    };
    print("miss/" + std::to_string(patterns), batches, measure(batches, 20, miss));
  }
  if (!is_right) std::fprintf(stderr, "a statement was refused that the whitelist has\n");
  return is_right ? 0 : 1;
}
