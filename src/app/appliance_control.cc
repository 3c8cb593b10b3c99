// The control plane in the appliance: what the store has comes into force.
#include "appliance.h"
#include "declared_records.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
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
  options.keys = key_source(config_);
  options.node = config_.node;
  options.scram_secret = mock_secret_;
  options.space = &trail_->journal(control_producer());
  options.heard_ns = heard_ns_;
  options.in_force = [this](const control::InForcePtr& now) { use_store(now); };
  options.distrusted = [this](const std::string& record, const std::string& why) { distrusted(record, why); };
  options.tell = [this](const EventBuilder& event) {
    admin_shard_->deliver([this, event] { admin_events_.publish(event); });
  };
  budgets_ = std::make_unique<control::BudgetKeeper>(
      options.dsn, [this](const std::string& record, const std::string& why) { distrusted(record, why); });
  auto opened = control::ControlPlane::open(std::move(options), *admin_shard_);
  if (!opened) return unexpected(std::move(opened).error().in("control plane"));
  control_ = std::move(*opened);
  control_->declare(declared_records(config_));
  records_.serve(*control_);
  trail_questions_->serve(store_.reader_dsn());
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
  const bool differs =
      !in_force_ || in_force_->policies != now->policies || in_force_->is_closed != now->is_closed;
  in_force_ = now;
  if (now->changed_users.empty() && now->changed_targets.empty() && now->changed_grants.empty() && !differs)
    return;
  auto next = std::make_shared<proxy::Snapshot>(*snapshot_);
  change_store_users(*next, now);
  for (const std::string& name : now->changed_targets) {
    if (const control::TargetFacts* target = now->find_target(name))
      put_store_target(*next, *target, snapshot_.get(), kernel_tls_.use);
    else drop_store_target(*next, name);
  }
  change_store_grants(*next, now, *budgets_);
  use_policies(*next, config_.policies);
  next->are_grants_stale = next->grant_term.is_over(mono_ns());
  snapshot_ = std::move(next);
  use_snapshot();
}

void Appliance::use_policies(proxy::Snapshot& in,
                             const std::shared_ptr<const policy::PolicySet>& configuration) {
  in.policies = policies_.of(configuration, in_force_);
  in.is_closed = (in_force_ && in_force_->is_closed) || (configuration && !in.policies);
}

// The shards find by themselves that the term is over. This is for sessions that are idle, for who explains,
// and for the log.
void Appliance::look_at_grants() {
  const std::lock_guard guard(snapshot_lock_);
  const bool are_stale = snapshot_->grant_term.is_over(mono_ns());
  if (snapshot_->are_grants_stale == are_stale || snapshot_->grants.empty()) return;
  if (are_stale) log_error("the store is not heard of: statements of access by grants are refused");
  else log_info("the store is heard of again: access by grants is in force");
  auto next = std::make_shared<proxy::Snapshot>(*snapshot_);
  next->are_grants_stale = are_stale;
  snapshot_ = std::move(next);
  use_snapshot();
}

}  // namespace ringfence::app
