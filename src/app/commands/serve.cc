#include <algorithm>
#include <csignal>
#include <cstdio>
#include <future>
#include <thread>

#include "app/appliance.h"
#include "app/credential_check.h"
#include "app/service_manager.h"
#include "app/watchdog.h"
#include "commands.h"
#include "ringfence/app/lint.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::app {

namespace {

void print(const std::vector<ConfigError>& errors, const char* kind) {
  for (const ConfigError& error : errors) std::fprintf(stderr, "%s: %s\n", kind, to_string(error).c_str());
}

// How often the state is shown, and how long a changed certificate may wait to be noticed; the watchdog may
// want the threads to be looked at more often.
constexpr uint64_t tick_ns_max = 2'000'000'000;
// Below it looking costs more than it tells.
constexpr uint64_t tick_ns_min = 50'000'000;

// Tells systemd what is true: alive while every thread answers, and in one line how it is.
class Reporter {
 public:
  explicit Reporter(Appliance& appliance) : appliance_(appliance), watchdog_(watchdog_ns().value_or(0) / 2) {
    if (auto bound = watchdog_ns()) {
      is_watched_ = true;
      tick_ns_ = std::clamp(*bound / 10, tick_ns_min, tick_ns_max);
      appliance.be_watched(watchdog_);
    }
  }
  uint64_t tick_ns() const { return tick_ns_; }

  void tick() {
    if (is_watched_) look();
    std::string line = silent_.empty() ? appliance_.status_line() : silent_ + " does not answer";
    if (!problem_.empty()) line = problem_ + "; " + line;
    if (line != shown_) notify_status(line);
    shown_ = std::move(line);
  }
  // Shown until the next one; empty: none.
  void set_problem(std::string problem) { problem_ = std::move(problem); }

 private:
  void look() {
    std::string silent;
    for (const std::string& name : watchdog_.silent(mono_ns())) silent += (silent.empty() ? "" : ", ") + name;
    if (silent.empty()) notify_alive();
    if (silent != silent_) {
      if (silent.empty()) log_info("all threads answer again");
      else
        log_error("threads do not answer; systemd will end and restart the appliance", {{"threads", silent}});
    }
    silent_ = std::move(silent);
  }

  Appliance& appliance_;
  Watchdog watchdog_;
  bool is_watched_ = false;
  uint64_t tick_ns_ = tick_ns_max;
  std::string silent_;
  std::string problem_;
  std::string shown_;
};

void reload(Appliance& appliance, const std::string& path, Reporter& reporter) {
  notify_reloading();
  // Elsewhere, because each user with a password takes milliseconds: meanwhile the watchdog is fed.
  auto loading = std::async(std::launch::async, [&path] { return load_config(path, current_environment()); });
  while (loading.wait_for(std::chrono::nanoseconds(reporter.tick_ns())) != std::future_status::ready)
    reporter.tick();
  ConfigResult loaded = loading.get();
  for (const ConfigError& warning : loaded.warnings)
    log_warning("configuration", {{"warning", to_string(warning)}});
  if (!loaded.config) {
    for (const ConfigError& error : loaded.errors) log_error("configuration", {{"error", to_string(error)}});
    log_error("the configuration was not reloaded; the running one stays in effect");
    reporter.set_problem("the last reload failed: " + to_string(loaded.errors.at(0)));
  } else {
    auto need_restart = appliance.reload(std::move(*loaded.config));
    if (!need_restart) {
      log_error("configuration", {{"error", need_restart.error().message}});
      log_error("the configuration was not reloaded; the running one stays in effect");
      reporter.set_problem("the last reload failed: " + need_restart.error().message);
    } else {
      for (const std::string& key : *need_restart) {
        log_warning("a changed setting needs a restart to take effect", {{"key", key}});
      }
      log_info("configuration reloaded");
      reporter.set_problem("");
    }
  }
  reporter.tick();
  notify_ready();
}

// Until SIGTERM or SIGINT.
void run(Appliance& appliance, const std::string& config_path, const sigset_t& signals) {
  Reporter reporter(appliance);
  for (;;) {
    reporter.tick();
    timespec wait{static_cast<time_t>(reporter.tick_ns() / 1'000'000'000),
                  static_cast<long>(reporter.tick_ns() % 1'000'000'000)};
    int signal = sigtimedwait(&signals, nullptr, &wait);
    if (signal == SIGHUP) reload(appliance, config_path, reporter);
    else if (signal < 0 || signal == SIGUSR1) appliance.tick();
    else return;
  }
}

}  // namespace

int serve(const std::string& config_path) {
  ConfigResult loaded = load_config(config_path, current_environment());
  print(loaded.warnings, "warning");
  print(loaded.errors, "error");
  if (!loaded.config) {
    notify_status("the configuration has errors: " + to_string(loaded.errors.at(0)));
    return 1;
  }
  log_configure(loaded.config->log.level, loaded.config->log.format);

  // Before any thread exists, so that all inherit it: this thread alone takes the signals.
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  Appliance appliance(std::move(*loaded.config));
  std::atomic<bool> hurry{false};
  auto started = appliance.start();
  if (!started) {
    log_error("cannot start", {{"reason", started.error().message}});
    notify_status("cannot start: " + started.error().message);
    appliance.stop(hurry);
    return 1;
  }
  notify_ready();
  run(appliance, config_path, signals);
  notify_stopping();
  notify_status("draining");
  // A second signal while draining ends the waiting.
  std::atomic<bool> stopped{false};
  std::thread impatience([&] {
    while (!stopped.load()) {
      timespec wait{0, 100'000'000};
      int signal = sigtimedwait(&signals, nullptr, &wait);
      if (signal == SIGTERM || signal == SIGINT) hurry = true;
    }
  });
  appliance.stop(hurry);
  stopped = true;
  impatience.join();
  return 0;
}

namespace {

// Whether every target's server can be logged in to.
bool test_credentials(const Config& config) {
  bool all = true;
  for (const model::PgTarget& target : config.targets) {
    for (const CredentialUse& use : credential_uses(config, target)) {
      const CredentialReport report = test_credential(target, use, config.limits.connect_ms);
      all = all && report.error.empty();
      if (!report.error.empty()) {
        std::fprintf(stderr, "error: target %s: as %s: %s\n", target.name.c_str(), use.user.c_str(),
                     report.error.c_str());
      }
      for (const std::string& warning : report.warnings) {
        std::fprintf(stderr, "warning: target %s: %s\n", target.name.c_str(), warning.c_str());
      }
      if (report.error.empty() && report.warnings.empty()) {
        std::fprintf(stderr, "target %s: as %s: good%s\n", target.name.c_str(), use.user.c_str(),
                     use.levels.empty() ? ", but no policy gives access"
                                        : (" for level " + level_names(use.levels)).c_str());
      }
    }
  }
  return all;
}

}  // namespace

int check(const std::string& config_path, bool connects) {
  ConfigResult loaded = load_config(config_path, current_environment());
  print(loaded.warnings, "warning");
  print(loaded.errors, "error");
  if (!loaded.config) {
    std::fprintf(stderr, "%s: %zu error%s\n", config_path.c_str(), loaded.errors.size(),
                 loaded.errors.size() == 1 ? "" : "s");
    return 1;
  }
  print(lint(*loaded.config, config_path), "warning");
  if (connects && !test_credentials(*loaded.config)) return 1;
  std::printf("%s\n# %s: the configuration is valid\n", describe_effective(*loaded.config).c_str(),
              config_path.c_str());
  return 0;
}

}  // namespace ringfence::app
