// The control plane in the appliance: what the store has comes into force.
#include "appliance.h"
#include "store_targets.h"
#include "store_users.h"

namespace ringfence::app {

using audit::Category;
using audit::EventBuilder;
using audit::Outcome;
using audit::Severity;
using audit::Tag;

// Without a store there is nothing to manage; the configuration's users and targets are all.
Result<void> Appliance::start_control() {
  if (!trail_) return {};
  control::ControlPlaneOptions options;
  options.owner_dsn = store_.owner_dsn();
  options.dsn = store_.control_dsn();
  options.state_directory = config_.state_dir;
  options.key_ring = config_.store.key_ring_file;
  options.scram_secret = mock_secret_;
  options.space = &trail_->journal(control_producer());
  options.in_force = [this](const control::InForcePtr& now) { use_store(now); };
  options.distrusted = [this](const std::string& record, const std::string& why) { distrusted(record, why); };
  auto opened = control::ControlPlane::open(std::move(options), *admin_shard_);
  if (!opened) return unexpected(std::move(opened).error().in("control plane"));
  control_ = std::move(*opened);
  records_.serve(*control_);
  return {};
}

// Somebody has changed the store by hand, or has brought back an older one.
void Appliance::distrusted(const std::string& record, const std::string& why) {
  const size_t blank = record.find(' ');
  EventBuilder event = control::new_event("control_record_rejected", Severity::critical, Outcome::denied,
                                          Category::authorization);
  event.text(Tag::entity_type, record.substr(0, blank)).text(Tag::reason, why);
  if (blank != std::string::npos) event.text(Tag::entity_id, record.substr(blank + 1));
  admin_shard_->deliver([this, event] { admin_events_.publish(event); });
}

void Appliance::use_store(const control::InForcePtr& now) {
  const std::lock_guard guard(snapshot_lock_);
  in_force_ = now;
  if (now->changed_users.empty() && now->changed_targets.empty()) return;
  auto next = std::make_shared<proxy::Snapshot>(*snapshot_);
  change_store_users(*next, now);
  for (const std::string& name : now->changed_targets) {
    if (const control::TargetFacts* target = now->find_target(name))
      put_store_target(*next, *target, snapshot_.get(), kernel_tls_.use);
    else drop_store_target(*next, name);
  }
  snapshot_ = std::move(next);
  use_snapshot();
}

}  // namespace ringfence::app
