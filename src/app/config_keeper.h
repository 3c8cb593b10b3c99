// The configurations that were in force since the start: their versions for people, and themselves for who
// takes one back. Used on the main thread; what the API asks comes from the admin shard's.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "ringfence/app/config/config.h"
#include "ringfence/control/config_directory.h"

namespace ringfence::app {

class ConfigKeeper final : public control::ConfigDirectory {
 public:
  // Of those that can come into force again: they hold secrets, and only memory has them.
  static constexpr size_t held_max = 10;

  struct Order {
    int64_t number = 0;
    control::Actor actor;
    Done done;
  };

  // `wake`: called on the admin shard's thread when there is an order.
  ConfigKeeper(control::ConfigHistory history, std::function<void()> wake)
      : history_(std::move(history)), wake_(std::move(wake)) {}

  // This one is in force from now on.
  void took(const Config& config, std::string origin, std::string by);
  // Null: it is held no more, or never was by this process.
  const Config* held(int64_t number) const;
  std::vector<Order> take_orders();

  const control::ConfigHistory& history() const override { return history_; }
  void roll_back(int64_t number, control::Actor actor, Done done) override;

 private:
  control::ConfigHistory history_;
  std::function<void()> wake_;
  std::map<int64_t, Config> held_;  // Of the main thread.
  std::mutex lock_;                 // Around the orders.
  std::vector<Order> orders_;
};

}  // namespace ringfence::app
