// What of the configuration changes while the appliance runs.
#include "appliance.h"
#include "declared_records.h"
#include "reveal_request.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/model/declared.h"
#include "store_targets.h"
#include "store_users.h"

namespace ringfence::app {

using audit::Outcome;
using audit::Severity;

std::shared_ptr<proxy::Snapshot> Appliance::make_snapshot(const Config& config) {
  auto out = std::make_shared<proxy::Snapshot>();
  out->generation = ++generation_;
  out->mock_secret = mock_secret_;
  static_cast<model::Limits&>(out->limits) = config.limits;
  static_cast<model::RecordLimits&>(out->limits) = config.audit;
  if (!config.audit.enabled) out->limits.volume_per_user = out->limits.volume_per_address = {};
  out->grant_term = {heard_ns_, config.access.stale_max_ms * 1'000'000};
  use_policies(*out, config.policies);
  for (const model::User& user : config.users) {
    // Checked when the configuration was loaded.
    auto keys = pg::parse_scram_verifier(user.verifier.reveal());
    if (!keys) continue;
    out->scram_shapes.add(*keys);
    proxy::User made{user, std::move(*keys)};
    made.declared_id = model::declared_id("user", user.name);
    out->users.set(user.name, std::move(made));
  }
  out->ticket_keys = tls_.ticket_keys();
  for (const model::Listener& listener : config.listeners) {
    proxy::Listener made{listener, tls_.listener(listener.name), proxy::ClientNetworks(listener)};
    RINGFENCE_ASSERT((made.tls == model::ListenerTls::off) == !made.context);
    out->listeners.set(listener.name, std::move(made));
  }
  for (const model::PgTarget& target : config.targets) {
    proxy::Target made{target, {}, 0, {}, tls_.target(target.name)};
    RINGFENCE_ASSERT((made.sslmode == model::SslMode::disable) == !made.tls);
    made.declared_id = model::declared_id("target", target.name);
    if (snapshot_) {
      if (const proxy::Target* before = snapshot_->find_target(target.name)) {
        made.sessions = before->sessions;
        made.warm = before->warm;
        made.leaving = before->leaving;
      }
    }
    out->targets.set(target.name, std::move(made));
  }
  for (const model::TcpTarget& target : config.tcp_targets) {
    proxy::TcpTarget made{target};
    made.declared_id = model::declared_id("target", target.name);
    if (snapshot_) {
      if (const proxy::TcpTarget* before = snapshot_->find_tcp_target(target.name))
        made.sessions = before->sessions;
    }
    out->tcp_targets.set(target.name, std::move(made));
  }
  if (in_force_) {
    add_store_users(*out, in_force_);
    for (const auto& [name, target] : in_force_->targets)
      put_store_target(*out, target, snapshot_.get(), kernel_tls_.use);
    add_store_grants(*out, in_force_, *budgets_);
    out->are_grants_stale = out->grant_term.is_over(mono_ns());
  }
  return out;
}

void Appliance::use_configuration(const Config& config) {
  if (control_) control_->declare(declared_records(config));
  const std::lock_guard guard(snapshot_lock_);
  snapshot_ = make_snapshot(config);
  use_snapshot();
}

namespace {

// All but the place and the protocol, which are the socket's.
void take_rules(model::Listener& open, const model::Listener& wanted) {
  if (wanted.path.empty() != open.path.empty() || wanted.protocol != open.protocol) return;
  model::Listener next = wanted;
  next.address = open.address;
  next.port = open.port;
  next.path = open.path;
  next.connections_max = open.connections_max;
  open = std::move(next);
}

}  // namespace

// ---------------------------------------------------------------- while running

Result<std::vector<std::string>> Appliance::reload(Config config, std::string origin, std::string by) {
  // Sockets stay as they were opened, each with its own rules: a listener that the new file does not know by
  // its name keeps those that it has.
  std::vector<model::Listener> listeners = std::move(config.listeners);
  config.listeners = config_.listeners;
  for (model::Listener& open : config.listeners) {
    for (const model::Listener& wanted : listeners) {
      if (wanted.name == open.name) take_rules(open, wanted);
    }
  }
  bool admin_tls_differs = config.admin.tls != config_.admin.tls;
  config.admin.tls = config_.admin.tls;
  if (auto adopted = tls_.adopt(config, wall_us() / 1'000'000); !adopted)
    return unexpected(std::move(adopted).error());
  std::vector<std::string> need_restart;
  auto check = [&](bool differs, const char* key) {
    if (differs) need_restart.emplace_back(key);
  };
  check(config.node != config_.node, "node");
  check(config.state_dir != config_.state_dir, "state_dir");
  check(config.shards != config_.shards, "shards");
  check(config.spin != config_.spin, "spin");
  check(config.admin.address != config_.admin.address || config.admin.port != config_.admin.port,
        "admin.address");
  check(config.store.embedded != config_.store.embedded ||
            config.store.url.reveal() != config_.store.url.reveal(),
        "store");
  check(admin_tls_differs, "admin.tls");
  check(config.tls_kernel != config_.tls_kernel, "tls.kernel");
  bool listeners_differ = listeners.size() != config_.listeners.size();
  for (size_t i = 0; !listeners_differ && i < listeners.size(); ++i) {
    const model::Listener& a = listeners[i];
    const model::Listener& b = config_.listeners[i];
    listeners_differ = a.name != b.name || a.protocol != b.protocol || a.address != b.address ||
                       a.port != b.port || a.path != b.path || a.connections_max != b.connections_max;
  }
  check(listeners_differ, "listeners");
  const AuditConfig& a = config.audit;
  const AuditConfig& b = config_.audit;
  check(a.enabled != b.enabled || a.journal_segment_bytes != b.journal_segment_bytes ||
            a.journal_max_bytes != b.journal_max_bytes || a.on_full != b.on_full ||
            a.durability != b.durability || a.batch_rows != b.batch_rows || a.batch_ms != b.batch_ms ||
            a.block_rows != b.block_rows || a.join_ms != b.join_ms || a.anchor_ms != b.anchor_ms ||
            a.retention_days != b.retention_days || a.failures_window_ms != b.failures_window_ms ||
            a.redact_names != b.redact_names,
        "audit");
  log_configure(config.log.level, config.log.format);
  use_configuration(config);
  crypto::Digest token = crypto::sha256(config.admin.token.reveal());
  admin_shard_->deliver([this, token] { admin_->set_token_digest(token); });
  main_events_.publish(control::new_event("configuration_reloaded", Severity::info, Outcome::success));
  reloads_.fetch_add(1);
  // What needs a restart stays as it was started, so that the next comparison is true too.
  config_.users = std::move(config.users);
  config_.targets = std::move(config.targets);
  config_.tcp_targets = std::move(config.tcp_targets);
  config_.policies = std::move(config.policies);
  config_.declared_at = std::move(config.declared_at);
  config_.limits = config.limits;
  config_.access = config.access;
  config_.listeners = std::move(config.listeners);
  config_.admin.tls_files = std::move(config.admin.tls_files);
  config_.admin.token = std::move(config.admin.token);
  config_.log = config.log;
  config_keeper_->took(config_, std::move(origin), std::move(by));
  console_.use(config_);
  return need_restart;
}

void Appliance::use_snapshot() {
  questions_->use(snapshot_);
  for (DataShard& data : data_shards_) {
    proxy::ShardCore* core = data.core.get();
    proxy::SnapshotPtr snapshot = snapshot_;
    data.shard->deliver([core, snapshot] { core->use(snapshot); });
  }
  if (!config_.admin.tls) return;
  admin_shard_->deliver([this, context = tls_.admin()] { admin_->use_tls(context); });
}

// Each is in the trail before its file goes; what found no room waits.
void Appliance::take_reveal_requests() {
  if (!trail_) return;
  for (const RevealRequest& request : waiting_requests(config_.state_dir)) {
    if (!reveal_event(request, wall_us()).publish(trail_->journal(main_producer()))) return;
    take_back_request(config_.state_dir, request.id);
    log_warning("a redacted text is revealed",
                {{"event", to_string(request.event)}, {"uid", std::to_string(request.uid)}});
  }
}

void Appliance::tick() {
  take_reveal_requests();
  look_at_grants();
  take_config_orders();
  if (!tls_.tick(config_, wall_us() / 1'000'000)) return;
  use_configuration(config_);
}

}  // namespace ringfence::app
