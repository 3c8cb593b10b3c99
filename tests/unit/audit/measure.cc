// Prints what a joined statement row costs: CPU of this process, CPU of the store, rows a second.
//   measure_audit [rows] [batch]
#define DOCTEST_CONFIG_IMPLEMENT
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "store_fixture.h"

using namespace ringfence;
using namespace ringfence::audit;
using namespace ringfence::audit::testing;

namespace {
double process_cpu() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}
double thread_cpu() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}
// utime + stime of the postmaster's children, live ones.
double store_cpu(int postmaster) {
  double ticks = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::string name = entry.path().filename().string();
    if (name.empty() || name[0] < '0' || name[0] > '9') continue;
    std::ifstream in(entry.path() / "stat");
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    size_t end = text.rfind(')');
    if (end == std::string::npos) continue;
    std::istringstream fields(text.substr(end + 2));
    std::string word;
    double value = 0;
    int parent = 0;
    for (int i = 3; i <= 15 && fields >> word; ++i) {
      if (i == 4) parent = std::atoi(word.c_str());
      if (i == 14 || i == 15) value += std::atof(word.c_str());
    }
    if (parent == postmaster) ticks += value;
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}
}  // namespace

int main(int argc, char** argv) {
  doctest::Context context;
  context.setAsDefaultForAssertsOutOfTestCases();
  context.setAssertHandler([](const doctest::AssertData& data) {
    if (data.m_failed) std::exit(1);
  });
  int rows = argc > 1 ? std::atoi(argv[1]) : 300'000;
  TempDir dir;
  TrailOptions options = trail_options(dir, "measure");
  options.producers = 1;
  options.batch_rows = argc > 2 ? static_cast<uint32_t>(std::atoi(argv[2])) : 10'000;
  options.batch_ms = 200;
  options.segment_bytes = 16 << 20;
  auto trail = Trail::open(options);
  if (!trail) return 1;
  (*trail)->start();
  std::string statement = "SELECT abalance FROM pgbench_accounts WHERE aid = 1234567;";
  ::usleep(500'000);
  double cpu = process_cpu();
  double own = thread_cpu();
  double store = store_cpu(cluster().store.pid());
  uint64_t began = mono_ns();
  for (int i = 0; i < rows; ++i) {
    uint64_t seq = 0;
    while ((seq = put_start((*trail)->journal(0), statement)) == 0) ::usleep(1000);
    while (put_outcome((*trail)->journal(0), seq) == 0) ::usleep(1000);
  }
  double produced = thread_cpu() - own;
  while ((*trail)->status().writer.rows < static_cast<uint64_t>(rows)) ::usleep(5000);
  double seconds = static_cast<double>(mono_ns() - began) * 1e-9;
  double used = process_cpu() - cpu;
  store = store_cpu(cluster().store.pid()) - store;
  std::printf("%d joined rows in %.2f s: %.0f rows/s, our process %.2f us/row (producer %.2f), store %.2f us/row, "
              "%.0f bytes/row sent\n",
              rows, seconds, rows / seconds, used / rows * 1e6, produced / rows * 1e6, store / rows * 1e6,
              static_cast<double>((*trail)->status().writer.bytes) / rows);
  (*trail)->stop(10'000);
  return 0;
}
