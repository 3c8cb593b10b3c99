#include "ringfence/audit/verify.h"

#include <unistd.h>

#include <cstdio>
#include <memory>

#include "commands.h"
#include "ringfence/app/config/config.h"
#include "ringfence/audit/recovery.h"
#include "ringfence/audit/trail.h"
#include "ringfence/store/connection.h"
#include "ringfence/store/embedded.h"

namespace ringfence::app {

namespace {

// The embedded store: the appliance's while it runs, else started for as long as this object lives.
class StoreDoor {
 public:
  Result<std::unique_ptr<store::Connection>> open(const Config& config) {
    if (!config.store.embedded) return connect(std::string(config.store.url.reveal()));
    store::EmbeddedOptions options;
    options.state_directory = config.state_dir;
    options.bin_dir = config.store.bin_dir;
    options.run_as = config.store.run_as;
    options.is_read_only = true;
    embedded_ = std::make_unique<store::EmbeddedStore>(options);
    if (auto running = connect(embedded_->reader_dsn())) return running;
    if (auto there = audit::read_state_id(config.state_dir); !there) {
      return unexpected(
          std::move(there).error().in("there is no trail yet, or it is not for this user to see"));
    }
    auto locked = audit::StateLock::take(config.state_dir);
    if (!locked) {
      return unexpected(
          std::move(locked).error().in("the embedded store does not answer, and it is not ours to start"));
    }
    lock_ = std::make_unique<audit::StateLock>(std::move(*locked));
    auto started = embedded_->start();
    if (!started)
      return unexpected(std::move(started).error().in(
          "the appliance does not run, and its store cannot be started to look at"));
    return connect(embedded_->reader_dsn());
  }

  static Result<std::unique_ptr<store::Connection>> connect(const std::string& dsn) {
    return store::Connection::open(dsn, "ringfence audit verify");
  }

 private:
  std::unique_ptr<audit::StateLock> lock_;  // Outlives the server.
  std::unique_ptr<store::EmbeddedStore> embedded_;
};

int value_of(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// 64 hexadecimal digits; empty when they are not.
std::string key_of(const std::string& hex) {
  std::string key;
  if (hex.size() != 64) return key;
  for (size_t i = 0; i < hex.size(); i += 2) {
    int high = value_of(hex[i]);
    int low = value_of(hex[i + 1]);
    if (high < 0 || low < 0) return {};
    key.push_back(static_cast<char>(high << 4 | low));
  }
  return key;
}

// On the node itself the state directory says which key the node signs with, whatever the store says.
void pin_own_key(const Config& config, audit::VerifyOptions& asked) {
  auto key = audit::read_public_key(config.state_dir);
  if (!key) {
    std::fprintf(
        stderr,
        "note: the store's own copies of the public keys are believed (%s); --public-key gives others\n",
        key.error().message.c_str());
    return;
  }
  asked.public_keys.push_back(*key);
  asked.pinned_node = audit::node_name(config.node);
  asked.state_directory = config.state_dir;
}

}  // namespace

int verify(const std::string& config_path, const VerifyOptions& options) {
  audit::VerifyOptions asked;
  StoreDoor door;
  Result<std::unique_ptr<store::Connection>> store;
  if (options.dsn.empty()) {
    ConfigResult loaded = load_config(config_path, current_environment());
    for (const ConfigError& error : loaded.errors)
      std::fprintf(stderr, "error: %s\n", to_string(error).c_str());
    if (!loaded.config) return 1;
    store = door.open(*loaded.config);
    asked.anchor_ms = loaded.config->audit.anchor_ms;
    if (options.public_keys.empty()) pin_own_key(*loaded.config, asked);
  } else {
    store = StoreDoor::connect(options.dsn);
  }
  if (options.anchor_ms > 0) asked.anchor_ms = options.anchor_ms;
  asked.node = options.node;
  if (options.from > 0) asked.from = options.from;
  if (options.to > 0) asked.to = options.to;
  for (const std::string& hex : options.public_keys) {
    asked.public_keys.push_back(key_of(hex));
    if (asked.public_keys.back().empty()) {
      std::fputs("error: --public-key takes the 64 hexadecimal digits of an Ed25519 public key\n", stderr);
      return 1;
    }
  }
  if (!store) {
    std::fprintf(stderr, "error: %s\n", store.error().message.c_str());
    return 1;
  }
  bool shows_progress = isatty(STDERR_FILENO);
  auto report =
      audit::verify_chain(**store, asked, [&](const std::string& node, uint64_t chain_no, uint64_t last) {
        if (shows_progress) {
          std::fprintf(stderr, "\r%s: %llu of %llu", node.c_str(), static_cast<unsigned long long>(chain_no),
                       static_cast<unsigned long long>(last));
        }
      });
  if (shows_progress) std::fputs("\r\x1b[K", stderr);
  if (!report) {
    std::fprintf(stderr, "error: %s\n", report.error().message.c_str());
    return 1;
  }
  std::fputs((options.json ? report->json() : report->text()).c_str(), stdout);
  return report->is_good() ? 0 : 2;
}

}  // namespace ringfence::app
