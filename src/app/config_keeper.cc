#include "config_keeper.h"

#include "app/config/config_fields.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::app {

namespace {

constexpr size_t orders_max = 16;

}  // namespace

void ConfigKeeper::took(const Config& config, std::string origin, std::string by) {
  control::ConfigVersion version;
  version.since_us = wall_us();
  version.origin = std::move(origin);
  version.by = std::move(by);
  version.text = describe_effective(config);
  version.fields = effective_fields(version.text);
  auto number = history_.begin(std::move(version));
  if (!number) {
    log_warning("the configuration's version could not be kept", {{"reason", number.error().message}});
    return;
  }
  held_.insert_or_assign(*number, config);
  while (held_.size() > held_max) held_.erase(held_.begin());
  std::vector<int64_t> numbers;
  for (const auto& one : held_) numbers.push_back(one.first);
  history_.set_held(std::move(numbers));
}

const Config* ConfigKeeper::held(int64_t number) const {
  const auto found = held_.find(number);
  return found == held_.end() ? nullptr : &found->second;
}

std::vector<ConfigKeeper::Order> ConfigKeeper::take_orders() {
  const std::lock_guard guard(lock_);
  return std::exchange(orders_, {});
}

void ConfigKeeper::roll_back(int64_t number, control::Actor actor, Done done) {
  {
    const std::lock_guard guard(lock_);
    if (orders_.size() < orders_max) {
      orders_.push_back({number, std::move(actor), std::move(done)});
      done = nullptr;
    }
  }
  if (done) done(control::unavailable("too many changes of the configuration wait; try again"));
  else wake_();
}

}  // namespace ringfence::app
