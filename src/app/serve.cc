#include <systemd/sd-daemon.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "appliance.h"
#include "commands.h"
#include "ringfence/app/lint.h"
#include "ringfence/base/log.h"

namespace ringfence::app {

namespace {

// How long a changed certificate may wait to be noticed.
constexpr time_t tick_s = 2;

void print(const std::vector<ConfigError>& errors, const char* kind) {
  for (const ConfigError& error : errors) std::fprintf(stderr, "%s: %s\n", kind, to_string(error).c_str());
}

void reload(Appliance& appliance, const std::string& path) {
  sd_notify(0, "RELOADING=1");
  ConfigResult loaded = load_config(path, current_environment());
  for (const ConfigError& warning : loaded.warnings) log_warning("configuration", {{"warning", to_string(warning)}});
  if (!loaded.config) {
    for (const ConfigError& error : loaded.errors) log_error("configuration", {{"error", to_string(error)}});
    log_error("the configuration was not reloaded; the running one stays in effect");
  } else {
    auto need_restart = appliance.reload(std::move(*loaded.config));
    if (!need_restart) {
      log_error("configuration", {{"error", need_restart.error().message}});
      log_error("the configuration was not reloaded; the running one stays in effect");
    } else {
      for (const std::string& key : *need_restart) {
        log_warning("a changed setting needs a restart to take effect", {{"key", key}});
      }
      log_info("configuration reloaded");
    }
  }
  sd_notify(0, "READY=1");
}

}  // namespace

int serve(const std::string& config_path) {
  ConfigResult loaded = load_config(config_path, current_environment());
  print(loaded.warnings, "warning");
  print(loaded.errors, "error");
  if (!loaded.config) return 1;
  log_configure(loaded.config->log.level, loaded.config->log.format);

  // Before any thread exists, so that all inherit it: this thread alone takes the signals.
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  Appliance appliance(std::move(*loaded.config));
  std::atomic<bool> hurry{false};
  auto started = appliance.start();
  if (!started) {
    log_error("cannot start", {{"reason", started.error().message}});
    appliance.stop(hurry);
    return 1;
  }
  sd_notify(0, "READY=1");
  for (bool running = true; running;) {
    timespec wait{tick_s, 0};
    int signal = sigtimedwait(&signals, nullptr, &wait);
    if (signal == SIGHUP) reload(appliance, config_path);
    else if (signal < 0) appliance.tick();
    else running = false;
  }
  sd_notify(0, "STOPPING=1");
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

int check(const std::string& config_path) {
  ConfigResult loaded = load_config(config_path, current_environment());
  print(loaded.warnings, "warning");
  print(loaded.errors, "error");
  if (!loaded.config) {
    std::fprintf(stderr, "%s: %zu error%s\n", config_path.c_str(), loaded.errors.size(),
                 loaded.errors.size() == 1 ? "" : "s");
    return 1;
  }
  print(lint(*loaded.config, config_path), "warning");
  std::printf("%s\n# %s: the configuration is valid\n", describe_effective(*loaded.config).c_str(), config_path.c_str());
  return 0;
}

}  // namespace ringfence::app
