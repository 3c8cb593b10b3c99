// The trail and its store as the configuration has them, for whoever writes to them.
#pragma once

#include <memory>
#include <string>

#include "ringfence/app/config/config.h"
#include "ringfence/audit/trail.h"
#include "ringfence/control/key_source.h"
#include "ringfence/store/embedded.h"

namespace ringfence::app {

unsigned usable_cores();
// How many data shards there are.
unsigned shards_of(const Config& config);

// The store, started where it is embedded; it ends with the object.
class StoreInUse {
 public:
  explicit StoreInUse(const Config& config) : config_(config) {}
  Result<void> start();
  void stop();
  bool is_embedded() const { return embedded_ != nullptr; }
  const std::string& owner_dsn() const { return owner_dsn_; }
  const std::string& writer_dsn() const { return writer_dsn_; }
  const std::string& control_dsn() const { return control_dsn_; }
  const std::string& reader_dsn() const { return reader_dsn_; }

 private:
  const Config& config_;
  std::string owner_dsn_;
  std::string writer_dsn_;
  std::string control_dsn_;
  std::string reader_dsn_;
  std::unique_ptr<store::EmbeddedStore> embedded_;
};

// Journals of the data shards, of the admin shard, of the main thread and, the last one, of the control
// plane.
// Where the key ring comes from.
control::KeySource key_source(const Config& config);
audit::TrailOptions trail_options(const Config& config, unsigned shards, const StoreInUse& store);

}  // namespace ringfence::app
