// The effective configuration for people.
#include <initializer_list>

#include "config_rules.h"
#include "ringfence/app/config/config.h"
#include "ringfence/policy/policy_set.h"

namespace ringfence::app {

namespace {

constexpr std::string_view hidden = "(hidden)";

// A YAML double-quoted scalar where plain text would be read as something else.
std::string quoted(std::string_view text) {
  bool is_plain = !text.empty();
  for (char c : text) {
    bool is_safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                   c == '_' || c == '-' || c == '/';
    is_plain = is_plain && is_safe;
  }
  if (is_plain && text.front() != '-') return std::string(text);
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

class Lines {
 public:
  void group(std::string_view name) { out_.append(name).append(":\n"); }
  // `indent` is what stands before the key: two blanks in a group, "  - " at an entry of a list.
  void text(std::string_view indent, std::string_view key, std::string_view value) {
    out_.append(indent).append(key).append(": ").append(value).append("\n");
  }
  void number(std::string_view indent, std::string_view key, uint64_t value) {
    text(indent, key, std::to_string(value));
  }
  void list(std::string_view indent, std::string_view key, const std::vector<std::string>& values) {
    std::string joined;
    for (const auto& value : values) joined += (joined.empty() ? "" : ", ") + quoted(value);
    text(indent, key, "[" + joined + "]");
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "info";
}

std::string_view yes_no(bool value) { return value ? "true" : "false"; }

void describe_certificate(Lines& out, std::string_view indent, std::string_view prefix,
                          const TlsFiles& files) {
  if (files.certificate.empty()) return;
  out.text(indent, std::string(prefix) + "certificate_file", quoted(files.certificate));
  out.text(indent, std::string(prefix) + "key_file", quoted(files.key));
}

void describe_listener_tls(Lines& out, const model::Listener& listener) {
  // Unquoted, `off` would be no text to some readers of YAML.
  out.text("    ", "tls", "\"" + std::string(model::name_of(listener.tls, model::listener_tls_names)) + "\"");
  if (listener.tls == model::ListenerTls::off) return;
  describe_certificate(out, "    ", "tls_", listener.tls_files);
  if (listener.tls_files.ca.empty()) return;
  out.text("    ", "tls_client_ca_file", quoted(listener.tls_files.ca));
  if (!listener.tls_files.crl.empty()) out.text("    ", "tls_crl_file", quoted(listener.tls_files.crl));
  out.text("    ", "tls_client_name", model::name_of(listener.certificate_name, model::certificate_names));
  out.text("    ", "tls_client_login",
           model::name_of(listener.certificate_login, model::certificate_login_names));
  if (listener.certificate_users.empty()) return;
  out.text("    ", "tls_client_users", "");
  for (const auto& [certificate, user] : listener.certificate_users) {
    out.text("      - ", "certificate", quoted(certificate));
    out.text("        ", "user", quoted(user));
  }
}

void describe_target_tls(Lines& out, const model::PgTarget& target) {
  out.text("    ", "sslmode", model::name_of(target.sslmode, model::ssl_mode_names));
  if (target.sslmode == model::SslMode::disable) return;
  out.text("    ", "channel_binding", model::name_of(target.channel_binding, model::channel_binding_names));
  const TlsFiles& files = target.tls_files;
  if (!files.ca.empty()) out.text("    ", "sslrootcert", quoted(files.ca));
  if (!files.crl.empty()) out.text("    ", "sslcrl", quoted(files.crl));
  if (!files.certificate.empty()) out.text("    ", "sslcert", quoted(files.certificate));
  if (!files.key.empty()) out.text("    ", "sslkey", quoted(files.key));
}

void describe_listeners(Lines& out, const Config& config) {
  out.group("listeners");
  for (const auto& listener : config.listeners) {
    out.text("  - ", "name", quoted(listener.name));
    out.text("    ", "protocol", listener.protocol);
    if (listener.path.empty()) {
      out.text("    ", "address", quoted(listener.address));
      out.number("    ", "port", listener.port);
    } else {
      out.text("    ", "path", quoted(listener.path));
    }
    out.number("    ", "connections_max", listener.connections_max);
    describe_listener_tls(out, listener);
    if (!listener.networks.empty()) out.list("    ", "networks", listener.networks);
    if (!listener.is_tcp()) continue;
    out.text("    ", "target", quoted(listener.target));
    if (!listener.network_users.empty()) out.text("    ", "network_users", "");
    for (const auto& [network, user] : listener.network_users) {
      out.text("      - ", "network", quoted(network));
      out.text("        ", "user", quoted(user));
    }
  }
}

void describe_store(Lines& out, const StoreConfig& store) {
  out.group("store");
  out.text("  ", "url", store.embedded ? "embedded" : quoted(without_password(store.url.reveal())));
  if (!store.writer_url.empty())
    out.text("  ", "writer_url", quoted(without_password(store.writer_url.reveal())));
  if (!store.control_url.empty())
    out.text("  ", "control_url", quoted(without_password(store.control_url.reveal())));
  if (!store.reader_url.empty())
    out.text("  ", "reader_url", quoted(without_password(store.reader_url.reveal())));
  if (!store.key_ring_file.empty()) out.text("  ", "key_ring_file", quoted(store.key_ring_file));
  if (!store.bin_dir.empty()) out.text("  ", "bin_dir", quoted(store.bin_dir));
  if (!store.run_as.empty()) out.text("  ", "run_as", quoted(store.run_as));
}

void describe_audit(Lines& out, const AuditConfig& audit) {
  out.group("audit");
  out.text("  ", "enabled", yes_no(audit.enabled));
  out.number("  ", "journal_segment_bytes", audit.journal_segment_bytes);
  out.number("  ", "journal_max_bytes", audit.journal_max_bytes);
  out.text("  ", "on_full", audit.on_full == OnFull::drop ? "drop" : "fail_closed");
  out.text("  ", "durability", audit.durability == Durability::disk ? "disk" : "process");
  out.number("  ", "statement_bytes_max", audit.statement_bytes_max);
  out.number("  ", "parameters_bytes_max", audit.parameters_bytes_max);
  out.number("  ", "batch_rows", audit.batch_rows);
  out.number("  ", "block_rows", audit.block_rows);
  out.number("  ", "batch_ms", audit.batch_ms);
  out.number("  ", "join_ms", audit.join_ms);
  out.number("  ", "anchor_ms", audit.anchor_ms);
  out.number("  ", "retention_days", audit.retention_days);
  out.number("  ", "failures_window_ms", audit.failures_window_ms);
  out.group("  redact");
  out.list("    ", "names", audit.redact_names);
  const std::pair<const char*, const model::VolumeRule*> volumes[] = {
      {"  volume_per_user", &audit.volume_per_user}, {"  volume_per_address", &audit.volume_per_address}};
  for (const auto& [key, rule] : volumes) {
    out.group(key);
    out.number("    ", "bytes_per_s", rule->bytes_per_s);
    out.number("    ", "burst_bytes", rule->burst_bytes);
  }
}

void describe_access(Lines& out, const model::AccessRules& access) {
  out.group("access");
  each_number(access,
              [&out](const char* key, uint64_t value, const model::Range&) { out.number("  ", key, value); });
}

void describe_limits(Lines& out, const model::Limits& limits) {
  out.group("limits");
  model::each_number(
      limits, [&out](const char* key, uint64_t value, const model::Range&) { out.number("  ", key, value); });
}

void describe_tcp_targets(Lines& out, const Config& config) {
  for (const auto& target : config.tcp_targets) {
    out.text("  - ", "name", quoted(target.name));
    out.text("    ", "type", "tcp");
    out.list("    ", "hosts", target.hosts);
    out.list("    ", "tags", target.tags);
    model::each_number(target, [&out](const char* key, uint64_t value, const model::Range&) {
      out.number("    ", key, value);
    });
  }
}

void describe_people_and_targets(Lines& out, const Config& config) {
  if (config.users.empty()) out.text("", "users", "[]");
  else out.group("users");
  for (const auto& user : config.users) {
    out.text("  - ", "name", quoted(user.name));
    out.list("    ", "roles", user.roles);
    out.text("    ", "verifier", hidden);
  }
  if (config.targets.empty() && config.tcp_targets.empty()) out.text("", "targets", "[]");
  else out.group("targets");
  describe_tcp_targets(out, config);
  for (const auto& target : config.targets) {
    out.text("  - ", "name", quoted(target.name));
    out.list("    ", "hosts", target.hosts);
    out.number("    ", "port", target.port);
    out.text("    ", "database", quoted(target.database));
    out.text("    ", "user", quoted(target.user));
    if (!target.password.empty()) out.text("    ", "password", hidden);
    if (!target.credentials.empty()) out.text("    ", "credentials", "");
    for (const auto& [level, credential] : target.credentials) {
      out.text("      ", sql::level_name(level), "");
      out.text("        ", "user", quoted(credential.user));
      if (!credential.password.empty()) out.text("        ", "password", hidden);
    }
    describe_target_tls(out, target);
    out.list("    ", "tags", target.tags);
    out.number("    ", "connections_max", target.connections_max);
    out.text("    ", "allow_superuser_read", yes_no(target.allow_superuser_read));
    out.text("    ", "legacy_strings", yes_no(target.legacy_strings));
    out.text("    ", "attribution_witness",
             model::name_of(target.attribution_witness, model::attribution_witness_names));
    out.text("    ", "attribution_watch", target.attribution_watch ? "on" : "off");
    out.text("    ", "application_name", quoted(target.application_name.text()));
    if (!target.pool.is_on()) continue;
    out.text("    ", "pool", "");
    out.number("      ", "min", target.pool.min);
    out.number("      ", "max", target.pool.max);
    out.number("      ", "idle", target.pool.idle_ms);
  }
}

void describe_texts(Lines& out, const char* indent, const char* key, const std::vector<policy::Text>& texts) {
  if (texts.empty()) return;
  std::vector<std::string> values;
  for (const policy::Text& text : texts) values.push_back(text.text);
  out.list(indent, key, values);
}

void describe_rules(Lines& out, const char* key, const std::vector<policy::Rule>& rules) {
  if (rules.empty()) return;
  out.text("    ", key, "");
  for (const policy::Rule& rule : rules) {
    out.text("      - ", "missing_where", yes_no(rule.missing_where));
    describe_texts(out, "        ", "kinds", rule.kinds);
    describe_texts(out, "        ", "relations", rule.relations);
    describe_texts(out, "        ", "columns", rule.columns);
    describe_texts(out, "        ", "functions", rule.functions);
    if (!rule.message.empty()) out.text("        ", "message", quoted(rule.message));
  }
}

void describe_policies(Lines& out, const policy::PolicySet& set) {
  if (set.policies().empty()) out.text("", "policies", "[]");
  else out.group("policies");
  for (const policy::Policy& policy : set.policies()) {
    out.text("  - ", "name", quoted(policy.name));
    describe_texts(out, "    ", "roles", policy.roles);
    describe_texts(out, "    ", "tags", policy.tags);
    out.text("    ", "tag_match", policy.matches_any_tag ? "any" : "all");
    out.text("    ", "level", sql::level_name(policy.level));
    describe_texts(out, "    ", "kinds", policy.kinds);
    describe_texts(out, "    ", "functions", policy.functions);
    out.text("    ", "catalog", policy.opens_catalog ? "open" : "closed");
    if (policy.whitelist && policy.whitelist->empty()) out.text("    ", "whitelist", "[]");
    if (policy.whitelist) describe_texts(out, "    ", "whitelist", *policy.whitelist);
    describe_rules(out, "allow", policy.allow);
    describe_rules(out, "deny", policy.deny);
    std::vector<std::string> metadata;
    for (const auto& [name, value] : policy.metadata) metadata.push_back(name + "=" + value);
    if (!metadata.empty()) out.list("    ", "metadata", metadata);
  }
}

}  // namespace

std::string describe_effective(const Config& config) {
  Lines out;
  out.text("", "node", quoted(config.node));
  out.text("", "state_dir", quoted(config.state_dir));
  out.text("", "application_name", quoted(config.application_name.text()));
  out.text("", "shards", config.shards == 0 ? "auto" : std::to_string(config.shards));
  out.text("", "spin", config.spin ? "auto" : "\"off\"");
  out.group("log");
  out.text("  ", "level", level_name(config.log.level));
  out.text("  ", "format", config.log.format == LogFormat::json ? "json" : "text");
  out.group("tls");
  if (!config.tls.certificate.empty()) describe_certificate(out, "  ", "", config.tls);
  constexpr std::string_view kernel_names[] = {"auto", "always", "\"off\""};
  out.text("  ", "kernel", kernel_names[static_cast<size_t>(config.tls_kernel)]);
  describe_listeners(out, config);
  out.group("admin");
  out.text("  ", "address", quoted(config.admin.address));
  out.number("  ", "port", config.admin.port);
  out.text("  ", "token", hidden);
  out.text("  ", "metrics_public", yes_no(config.admin.metrics_public));
  out.text("  ", "tls", config.admin.tls ? "require" : "\"off\"");
  if (config.admin.tls) describe_certificate(out, "  ", "tls_", config.admin.tls_files);
  describe_store(out, config.store);
  describe_audit(out, config.audit);
  describe_limits(out, config.limits);
  describe_access(out, config.access);
  describe_people_and_targets(out, config);
  if (config.policies) describe_policies(out, *config.policies);
  return out.take();
}

}  // namespace ringfence::app
