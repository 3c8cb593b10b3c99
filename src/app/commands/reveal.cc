#include "ringfence/audit/reveal.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <thread>

#include "app/reveal_request.h"
#include "app/trail_options.h"
#include "commands.h"
#include "ringfence/app/config/config.h"
#include "ringfence/audit/recovery.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/base/utf8.h"
#include "ringfence/control/data_key_wrap.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/store/embedded.h"

namespace ringfence::app {
namespace {

using Texts = std::vector<audit::OpenedText>;

constexpr uint64_t record_us_max = 30'000'000;
constexpr auto record_poll = std::chrono::milliseconds(100);

Result<std::unique_ptr<store::Connection>> connect(const std::string& dsn) {
  return store::Connection::open(dsn, "ringfence audit reveal");
}

// The appliance runs: it writes the event, and the store is asked until it has it.
Result<Texts> reveal_beside(const Config& config, const audit::DataKeys& keys, const RevealRequest& request) {
  store::EmbeddedOptions options;
  options.state_directory = config.state_dir;
  const std::string dsn = config.store.embedded ? store::EmbeddedStore(options).reader_dsn()
                                                : std::string(config.store.url.reveal());
  auto store = connect(dsn);
  if (!store) return unexpected(std::move(store).error());
  auto texts = audit::reveal(**store, keys, request.event);
  if (!texts) return texts;
  if (auto left = leave_request(config.state_dir, request); !left) return unexpected(std::move(left).error());
  const uint64_t deadline = wall_us() + record_us_max;
  do {
    auto is_stored = audit::has_event(**store, request.id, reveal_action);
    if (is_stored && *is_stored) return texts;
    std::this_thread::sleep_for(record_poll);
  } while (wall_us() < deadline);
  take_back_request(config.state_dir, request.id);
  return fail(Fault::timeout,
              "the appliance did not record it in time (is its store away?), so nothing is shown");
}

// Nothing runs: the event is written here, as the appliance would.
Result<Texts> reveal_alone(const Config& config, const audit::DataKeys& keys, const RevealRequest& request) {
  StoreInUse store(config);
  if (auto up = store.start(); !up) return unexpected(std::move(up).error());
  const unsigned shards = shards_of(config);
  auto trail = audit::Trail::open(trail_options(config, shards, store));
  if (!trail) return unexpected(std::move(trail).error());
  auto connection = connect(store.owner_dsn());
  if (!connection) return unexpected(std::move(connection).error());
  auto texts = audit::reveal(**connection, keys, request.event);
  if (!texts) return texts;
  if (!reveal_event(request, wall_us()).publish((*trail)->journal(shards + 1))) {
    return fail(Fault::limit, "the trail has no room for the record, so nothing is shown");
  }
  (*trail)->start();
  const bool is_drained = (*trail)->stop(record_us_max / 1'000);
  auto is_stored = audit::has_event(**connection, request.id, reveal_action);
  if (!is_drained || !is_stored || !*is_stored) {
    return fail(Fault::timeout, "the store did not take the record in time, so nothing is shown");
  }
  return texts;
}

Result<RevealRequest> make_request(const std::string& event, const std::string& reason) {
  RevealRequest out;
  auto id = parse_uuid(event);
  if (!id) return fail(Fault::malformed, "EVENT_ID is the id of an event, a UUID");
  out.event = *id;
  if (reason.size() > reveal_reason_bytes_max) {
    return fail(Fault::limit, "--reason has at most " + std::to_string(reveal_reason_bytes_max) + " bytes");
  }
  out.reason = make_valid_text(reason);
  auto random = crypto::random_array<8>();
  if (!random) return unexpected(std::move(random).error());
  uint64_t bits = 0;
  std::memcpy(&bits, random->data(), sizeof bits);
  out.id = uuid_v7(wall_us(), bits);
  out.uid = ::geteuid();
  return out;
}

// False: there is no such text.
bool print(const Texts& texts, const std::string& field) {
  bool is_there = false;
  for (const audit::OpenedText& one : texts) {
    if (!field.empty() && one.field != field) continue;
    is_there = true;
    if (field.empty()) std::printf("%s, %zu bytes:\n", one.field.c_str(), one.text.size());
    std::fwrite(one.text.data(), 1, one.text.size(), stdout);
    if (field.empty()) std::fputc('\n', stdout);
  }
  return is_there;
}

int failed(const Error& error) {
  std::fprintf(stderr, "error: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int reveal(const std::string& config_path, const RevealOptions& options) {
  ConfigResult loaded = load_config(config_path, current_environment());
  for (const ConfigError& error : loaded.errors)
    std::fprintf(stderr, "error: %s\n", to_string(error).c_str());
  if (!loaded.config) return 1;
  const Config& config = *loaded.config;
  log_configure(LogLevel::warning, config.log.format);
  if (auto owns = check_owner(config.state_dir); !owns) return failed(owns.error());
  auto wrap = control::data_key_wrap(key_source(config), config.state_dir);
  if (!wrap) return failed(wrap.error());
  auto keys = audit::DataKeys::read(config.state_dir, wrap->get());
  if (!keys) return failed(keys.error());
  auto request = make_request(options.event, options.reason);
  if (!request) return failed(request.error());
  bool is_running = false;
  {
    auto lock = audit::StateLock::take(config.state_dir);
    if (!lock && lock.error().fault != Fault::conflict) return failed(lock.error());
    is_running = !lock;
  }
  auto texts = is_running ? reveal_beside(config, *keys, *request) : reveal_alone(config, *keys, *request);
  if (!texts) return failed(texts.error());
  if (print(*texts, options.field)) return 0;
  std::fprintf(stderr, "error: no text of the column %s is sealed in this event\n", options.field.c_str());
  return 1;
}

int add_data_key(const std::string& config_path) {
  ConfigResult loaded = load_config(config_path, current_environment());
  for (const ConfigError& error : loaded.errors)
    std::fprintf(stderr, "error: %s\n", to_string(error).c_str());
  if (!loaded.config) return 1;
  const std::string& directory = loaded.config->state_dir;
  if (auto owns = check_owner(directory); !owns) return failed(owns.error());
  auto wrap = control::data_key_wrap(key_source(*loaded.config), directory);
  if (!wrap) return failed(wrap.error());
  auto id = audit::DataKeys::add(directory, wrap->get());
  if (!id) return failed(id.error());
  std::printf(
      "data key %s seals from the next start of the appliance on; keep a copy of %s/data.key apart from the "
      "store\n",
      id->c_str(), directory.c_str());
  return 0;
}

}  // namespace ringfence::app
