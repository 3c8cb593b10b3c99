#include "trail_options.h"

#include <sched.h>

#include "ringfence/base/log.h"
#include "ringfence/control/data_key_wrap.h"

namespace ringfence::app {

unsigned usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&set));
}

unsigned shards_of(const Config& config) { return config.shards > 0 ? config.shards : usable_cores(); }

Result<void> StoreInUse::start() {
  if (!config_.store.embedded) {
    owner_dsn_ = config_.store.url.reveal();
    writer_dsn_ =
        config_.store.writer_url.empty() ? owner_dsn_ : std::string(config_.store.writer_url.reveal());
    control_dsn_ =
        config_.store.control_url.empty() ? owner_dsn_ : std::string(config_.store.control_url.reveal());
    reader_dsn_ =
        config_.store.reader_url.empty() ? owner_dsn_ : std::string(config_.store.reader_url.reveal());
    return {};
  }
  store::EmbeddedOptions options;
  options.state_directory = config_.state_dir;
  options.bin_dir = config_.store.bin_dir;
  options.run_as = config_.store.run_as;
  embedded_ = std::make_unique<store::EmbeddedStore>(options);
  auto started = embedded_->start();
  if (!started) return unexpected(std::move(started).error().in("embedded store"));
  owner_dsn_ = embedded_->owner_dsn();
  writer_dsn_ = embedded_->writer_dsn();
  control_dsn_ = embedded_->control_dsn();
  reader_dsn_ = embedded_->reader_dsn();
  return {};
}

void StoreInUse::stop() {
  if (embedded_) embedded_->stop();
}

control::KeySource key_source(const Config& config) {
  return {config.store.key_ring_file, config.store.key_ring_credential, config.store.key_ring};
}

audit::TrailOptions trail_options(const Config& config, unsigned shards, const StoreInUse& store) {
  audit::TrailOptions options;
  options.state_directory = config.state_dir;
  options.node = config.node;
  options.producers = shards + 3;
  options.data_key_wrap = [source = key_source(config), directory = config.state_dir] {
    return control::data_key_wrap(source, directory);
  };
  options.writer_dsn = store.writer_dsn();
  options.owner_dsn = store.owner_dsn();
  options.owns_store = store.is_embedded();
  options.segment_bytes = config.audit.journal_segment_bytes;
  options.journal_bytes_max = config.audit.journal_max_bytes;
  options.on_full = config.audit.on_full;
  options.durability = config.audit.durability;
  options.batch_rows = config.audit.batch_rows;
  options.block_rows = config.audit.block_rows;
  options.batch_ms = static_cast<uint32_t>(config.audit.batch_ms);
  options.join_window_ms = static_cast<uint32_t>(config.audit.join_ms);
  options.anchor_ms = static_cast<uint32_t>(config.audit.anchor_ms);
  options.retention_days = config.audit.retention_days;
  options.on_state = [](audit::WriterState state, const std::string& reason) {
    if (reason.empty()) log_info("trail", {{"state", std::string(audit::name(state))}});
    else log_error("trail", {{"state", std::string(audit::name(state))}, {"reason", reason}});
  };
  return options;
}

}  // namespace ringfence::app
