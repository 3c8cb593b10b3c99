// What the API asks of servers of targets, in the appliance.
#include "appliance.h"
#include "ringfence/model/declared.h"
#include "target_privileges.h"
#include "target_test.h"

namespace ringfence::app {

namespace {

// `which`: a name, or the id that the configuration's record has.
bool is_meant(const std::string& which, const std::string& name) {
  return which == name || which == to_string(model::declared_id("target", name));
}

template <typename Target>
bool is_declared(const Target& target, const std::string& which) {
  return target.id.is_nil() && is_meant(which, target.name);
}

}  // namespace

std::optional<control::TargetFacts> Appliance::declared_target(const std::string& which) {
  proxy::SnapshotPtr now;
  {
    const std::lock_guard guard(snapshot_lock_);
    now = snapshot_;
  }
  if (!now) return std::nullopt;
  control::TargetFacts out;
  for (const auto& [name, target] : now->targets) {
    if (!is_declared(target, which)) continue;
    out.id = model::declared_id("target", name);
    out.postgres = target;
    return out;
  }
  for (const auto& [name, target] : now->tcp_targets) {
    if (!is_declared(target, which)) continue;
    out.id = model::declared_id("target", name);
    out.is_tcp = true;
    out.tcp = target;
    return out;
  }
  return std::nullopt;
}

void Appliance::make_target_desk() {
  target_desk_ = std::make_unique<control::TargetDesk>(
      *admin_shard_, admin_events_, config_.audit.enabled ? &records_ : nullptr,
      [this](const std::string& which) { return declared_target(which); });
}

void Appliance::add_target_sources(admin::Sources& sources) {
  sources.test_target = [this](const std::string& which, control::Actor actor,
                               std::function<void(control::Answer)> done) {
    target_desk_->ask(which, {"target_tested", "", test_target}, std::move(actor), std::move(done));
  };
  sources.ask_privileges = [this](const std::string& which, control::PrivilegeQuestion question,
                                  control::Actor actor, std::function<void(control::Answer)> done) {
    const std::string about = "privileges of " + question.name;
    const auto job = [question = std::move(question)](const control::TargetFacts& target) {
      return privileges_on(target, question);
    };
    target_desk_->ask(which, {"VIEW", about, job}, std::move(actor), std::move(done));
  };
}

}  // namespace ringfence::app
