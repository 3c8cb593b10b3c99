// What of the configuration changes while the appliance runs.
#include "appliance.h"
#include "reveal_request.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::app {

using audit::Outcome;
using audit::Severity;

proxy::SnapshotPtr Appliance::make_snapshot(const Config& config) {
  auto out = std::make_shared<proxy::Snapshot>();
  out->generation = ++generation_;
  out->mock_secret = mock_secret_;
  out->limits.connections_max = config.limits.connections_max;
  out->limits.message_bytes_max =
      static_cast<uint32_t>(std::min<uint64_t>(config.limits.message_bytes_max, 1u << 30));
  out->limits.prepared_bytes_max = config.limits.prepared_bytes_max;
  out->limits.statement_bytes_max = config.audit.statement_bytes_max;
  if (config.audit.enabled) {
    out->limits.volume_per_user = config.audit.volume_per_user;
    out->limits.volume_per_address = config.audit.volume_per_address;
  }
  out->limits.parameters_bytes_max = config.audit.parameters_bytes_max;
  out->limits.startup_ms = config.limits.startup_ms;
  out->limits.authentication_ms = config.limits.authentication_ms;
  out->limits.connect_ms = config.limits.connect_ms;
  out->limits.idle_ms = config.limits.idle_ms;
  out->limits.idle_in_transaction_ms = config.limits.idle_in_transaction_ms;
  out->policies = config.policies;
  for (const UserConfig& user : config.users) {
    // Checked when the configuration was loaded.
    auto verifier = pg::parse_scram_verifier(user.verifier.reveal());
    if (!verifier) continue;
    out->scram_shapes.add(*verifier);
    out->users.emplace(user.name, proxy::User{user.name, std::move(*verifier), user.roles});
  }
  out->ticket_keys = tls_.ticket_keys();
  for (const ListenerConfig& listener : config.listeners) {
    proxy::Listener made;
    made.tls = listener.tls;
    made.context = tls_.listener(listener.name);
    made.certificate_name = listener.certificate_name;
    made.certificate_login = listener.certificate_login;
    made.certificate_users = listener.certificate_users;
    RINGFENCE_ASSERT((made.tls == proxy::ListenerTls::off) == !made.context);
    out->listeners.emplace(listener.name, std::move(made));
  }
  for (const TargetConfig& target : config.targets) {
    proxy::Target made;
    made.name = target.name;
    made.hosts = target.hosts;
    made.port = target.port;
    made.database = target.database;
    made.user = target.user;
    made.password = target.password.reveal();
    for (const auto& [level, credential] : target.credentials) {
      made.credentials[level] = {credential.user, std::string(credential.password.reveal())};
    }
    made.sslmode = target.sslmode;
    made.channel_binding = target.channel_binding;
    made.tls = tls_.target(target.name);
    RINGFENCE_ASSERT((made.sslmode == proxy::SslMode::disable) == !made.tls);
    made.tags = target.tags;
    made.connections_max = target.connections_max;
    made.allow_superuser_read = target.allow_superuser_read;
    made.legacy_strings = target.legacy_strings;
    made.attribution_witness = target.attribution_witness;
    made.attribution_watch = target.attribution_watch;
    auto form = proxy::NameForm::parse(target.application_name);
    RINGFENCE_ASSERT(form.has_value());
    made.application_name = std::move(*form);
    made.pool = target.pool;
    if (snapshot_) {
      if (const proxy::Target* before = snapshot_->find_target(target.name)) {
        made.sessions = before->sessions;
        made.warm = before->warm;
        made.leaving = before->leaving;
      }
    }
    out->targets.emplace(target.name, std::move(made));
  }
  return out;
}

// ---------------------------------------------------------------- while running

Result<std::vector<std::string>> Appliance::reload(Config config) {
  // Sockets stay as they were opened, each with its own rules: a listener that the new file does not know by
  // its name keeps those that it has.
  std::vector<ListenerConfig> listeners = std::move(config.listeners);
  config.listeners = config_.listeners;
  for (ListenerConfig& open : config.listeners) {
    for (const ListenerConfig& wanted : listeners) {
      if (wanted.name != open.name || wanted.path.empty() != open.path.empty()) continue;
      open.tls = wanted.tls;
      open.tls_files = wanted.tls_files;
      open.certificate_name = wanted.certificate_name;
      open.certificate_login = wanted.certificate_login;
      open.certificate_users = wanted.certificate_users;
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
    const ListenerConfig& a = listeners[i];
    const ListenerConfig& b = config_.listeners[i];
    listeners_differ = a.name != b.name || a.address != b.address || a.port != b.port || a.path != b.path ||
                       a.connections_max != b.connections_max;
  }
  check(listeners_differ, "listeners");
  const AuditConfig& a = config.audit;
  const AuditConfig& b = config_.audit;
  check(a.enabled != b.enabled || a.journal_segment_bytes != b.journal_segment_bytes ||
            a.journal_max_bytes != b.journal_max_bytes || a.on_full != b.on_full ||
            a.durability != b.durability || a.batch_rows != b.batch_rows || a.batch_ms != b.batch_ms ||
            a.join_ms != b.join_ms || a.anchor_ms != b.anchor_ms || a.retention_days != b.retention_days ||
            a.failures_window_ms != b.failures_window_ms || a.redact_names != b.redact_names,
        "audit");
  log_configure(config.log.level, config.log.format);
  snapshot_ = make_snapshot(config);
  use_snapshot();
  crypto::Digest token = crypto::sha256(config.admin.token.reveal());
  admin_shard_->deliver([this, token] { admin_->set_token_digest(token); });
  publish(main_producer(), event("configuration_reloaded", Severity::info, Outcome::success));
  reloads_.fetch_add(1);
  // What needs a restart stays as it was started, so that the next comparison is true too.
  config_.users = std::move(config.users);
  config_.targets = std::move(config.targets);
  config_.policies = std::move(config.policies);
  config_.limits = config.limits;
  config_.listeners = std::move(config.listeners);
  config_.admin.tls_files = std::move(config.admin.tls_files);
  return need_restart;
}

void Appliance::use_snapshot() {
  explained_ = snapshot_;
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
  if (!tls_.tick(config_, wall_us() / 1'000'000)) return;
  snapshot_ = make_snapshot(config_);
  use_snapshot();
}

}  // namespace ringfence::app
