// Loading: sections in the order of the file, then what must hold between them, then the users' keys.
#include "ringfence/app/config/config.h"

#include <algorithm>
#include <map>

#include "config_files.h"
#include "config_policies.h"
#include "config_reader.h"
#include "config_rules.h"
#include "config_tls.h"
#include "ringfence/base/utf8.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/net/address.h"
#include "ringfence/pg/scram.h"
#include "ringfence/sql/secret_names.h"
#include "state_directory.h"

namespace ringfence::app {

namespace {

constexpr size_t file_bytes_max = 16 * 1024 * 1024;
constexpr size_t listeners_max = 64;
// Each user with a password costs a key derivation of milliseconds at every load.
constexpr size_t users_max = 10'000;
constexpr size_t targets_max = 10'000;
constexpr size_t hosts_max = 16;
constexpr uint32_t pool_connections_max = 1'000;
constexpr size_t tags_max = 64;
constexpr size_t token_bytes_min = 16;
constexpr size_t token_bytes_max = 4096;
constexpr size_t password_bytes_max = 1024;
constexpr uint64_t day_ms = 86'400'000;

constexpr uint64_t kib = 1024;
constexpr uint64_t mib = 1024 * kib;
constexpr uint64_t gib = 1024 * mib;

class Loader {
 public:
  Loader(ReadContext& context, const ConfigNode& root)
      : context_(context), root_(context, &root, "", "RINGFENCE") {}

  void read();
  void derive_verifiers();
  Config take() { return std::move(config_); }

 private:
  void read_log();
  void read_listeners();
  void read_listener(Section& section);
  void read_admin();
  void read_store();
  void read_volume(Section& audit, std::string_view key, proxy::VolumeRule& rule);
  void read_redaction(Section& audit, AuditConfig& out);
  void read_audit();
  void read_limits();
  void read_users();
  void read_targets();
  void read_target(Section& section);
  static void read_name_form(Section& section, std::string& form);
  Secret read_password(Section& section);
  void read_credentials(Section& section, TargetConfig& target);
  void read_pool(Section& section, TargetConfig& target);
  std::vector<std::string> read_hosts(Section& section);
  std::vector<std::string> read_tags(Section& section);

  void require(Section& section, std::string_view key, const std::string& value,
               std::string (*rule)(std::string_view));
  void claim_name(Section& section, std::string_view kind, const std::string& name);
  void claim_address(Section& section, std::string_view key, const std::string& address, uint16_t port);
  void check(const Origin& where, std::string wrong) {
    if (!wrong.empty()) context_.error(where, std::move(wrong));
  }

  struct Password {
    size_t user;  // Index in config_.users.
    Secret text;
    Origin where;
  };

  ReadContext& context_;
  Section root_;
  Config config_;
  std::vector<Password> passwords_;
  std::map<std::string, Origin> names_;      // "user alice" → where it was first.
  std::map<std::string, Origin> addresses_;  // Of listening sockets.
};

std::string first_at(const Origin& first) {
  return first.line > 0 ? "first on line " + std::to_string(first.line) : "first as " + first.key;
}

// A value that must be there and follow a rule.
void Loader::require(Section& section, std::string_view key, const std::string& value,
                     std::string (*rule)(std::string_view)) {
  if (!section.has(key)) section.error(key, "is missing; add it");
  else check(section.origin(key), rule(value));
}

void Loader::claim_name(Section& section, std::string_view kind, const std::string& name) {
  if (name.empty()) return;
  auto [at, is_new] = names_.emplace(std::string(kind) + " " + name, section.origin("name"));
  if (is_new) return;
  section.error("name", "\"" + make_valid_text(name) + "\" stands here for the second time, " +
                            first_at(at->second) + "; each " + std::string(kind) +
                            " needs a name of its own");
}

void Loader::claim_address(Section& section, std::string_view key, const std::string& address,
                           uint16_t port) {
  std::string where = address;
  if (!address.starts_with("/")) {
    auto parsed = net::numeric_address(address, port);
    if (!parsed || port == 0) return;
    where = net::to_string(*parsed);
  }
  Origin origin = section.origin(key);
  auto [at, is_new] = addresses_.emplace(where, origin);
  if (is_new) return;
  context_.error(origin, where + " is listened on twice, " + first_at(at->second) + "; change one of them");
}

void Loader::read() {
  config_.node = default_node_name();
  root_.text("node", config_.node);
  check(root_.origin("node"), check_simple_name(config_.node, 64));
  root_.text("state_dir", config_.state_dir);
  check(root_.origin("state_dir"), check_absolute(config_.state_dir));
  read_name_form(root_, config_.application_name);
  if (auto shards = root_.scalar("shards"); shards && shards->text != "auto") {
    auto number = parse_quantity(shards->text, Unit::count);
    if (number && *number >= 1 && *number <= 256) config_.shards = static_cast<unsigned>(*number);
    else
      context_.error(shards->origin, "is \"" + shards->text + "\"; use auto or a whole number from 1 to 256");
  }
  root_.choice<bool>("spin", config_.spin, {{"auto", true}, {"off", false}});
  read_log();
  read_tls(root_, config_.tls, config_.tls_kernel);
  read_limits();
  read_listeners();
  read_admin();
  read_store();
  read_audit();
  read_users();
  read_targets();
  config_.policies = read_policies(root_);
  root_.finish();
  context_.finish();
}

void Loader::read_log() {
  Section log = root_.section("log");
  log.choice<LogLevel>("level", config_.log.level,
                       {{"debug", LogLevel::debug},
                        {"info", LogLevel::info},
                        {"warning", LogLevel::warning},
                        {"error", LogLevel::error}});
  log.choice<LogFormat>("format", config_.log.format, {{"text", LogFormat::text}, {"json", LogFormat::json}});
  log.finish();
}

void Loader::read_listeners() {
  auto sections = root_.list("listeners", listeners_max);
  if (sections.empty())
    root_.error("listeners", "is missing or empty; add at least one, as in `- {name: main, port: 6432}`");
  for (auto& section : sections) read_listener(section);
}

void Loader::read_listener(Section& section) {
  ListenerConfig listener;
  section.text("name", listener.name);
  require(section, "name", listener.name, [](std::string_view name) { return check_simple_name(name, 64); });
  claim_name(section, "listener", listener.name);
  section.choice<std::string>("protocol", listener.protocol, {{"postgres", "postgres"}});
  std::string_view which;
  auto where = section.one_of({"path", "address"}, &which);
  section.number("port", listener.port, 0, 65'535);
  if (where && which == "path") {
    listener.path = where->text;
    listener.address.clear();
    check(where->origin, check_socket_path(listener.path));
    if (section.has("port")) section.error("port", "has no meaning beside a path; remove one of them");
    claim_address(section, "path", listener.path, 0);
  } else {
    if (where) listener.address = where->text;
    check(section.origin("address"), check_ip(listener.address));
    claim_address(section, "port", listener.address, listener.port);
  }
  section.number("connections_max", listener.connections_max, 0, 1'000'000);
  read_listener_tls(section, config_.tls, listener);
  section.finish();
  config_.listeners.push_back(std::move(listener));
}

void Loader::read_admin() {
  Section section = root_.section("admin");
  section.text("address", config_.admin.address);
  check(section.origin("address"), check_ip(config_.admin.address));
  section.number("port", config_.admin.port, 0, 65'535);
  claim_address(section, "port", config_.admin.address, config_.admin.port);
  section.boolean("metrics_public", config_.admin.metrics_public);
  read_admin_tls(section, config_.tls, config_.admin);
  Origin where = section.origin("token");
  bool is_given = section.has("token") || section.has("token_file");
  if (auto token = read_secret(section, "token", "token_file", &where)) {
    config_.admin.token = std::move(*token);
    ByteView text = config_.admin.token.reveal();
    bool is_plain = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (text.size() < token_bytes_min || text.size() > token_bytes_max) {
      context_.error(where, "is " + std::to_string(text.size()) +
                                " characters long; use at least 16, as from `openssl rand -hex 32`");
    } else if (!is_plain) {
      context_.error(
          where,
          "holds blanks or characters beyond ASCII, which a header cannot carry; use letters and digits");
    }
  } else if (!is_given) {
    context_.error({where.file, where.line, where.key},
                   "is missing; add it or token_file, with a value as from `openssl rand -hex 32`");
  }
  section.finish();
}

void Loader::read_store() {
  StoreConfig& store = config_.store;
  bool replaced = context_.environment.count("RINGFENCE_STORE") != 0;
  std::optional<Found> url;
  if (replaced || !root_.is_map("store")) url = root_.scalar("store");
  // The environment may give a group's keys where the file has a single value, or nothing.
  Section section = root_.is_map("store") && !replaced
                        ? root_.section("store")
                        : Section(context_, nullptr, "store", "RINGFENCE_STORE");
  if (auto inner = section.scalar("url"); inner && (!url || !url->from_environment)) url = inner;
  if (url && url->text != "embedded") {
    check(url->origin, check_store_url(url->text));
    store.embedded = false;
    store.url = Secret(url->text);
  }
  if (auto writer = section.scalar("writer_url")) {
    store.writer_url = Secret(writer->text);
    if (store.embedded)
      context_.error(writer->origin, "has no meaning with the embedded store; remove it or give store.url");
    else check(writer->origin, check_store_url(writer->text));
  }
  section.text("bin_dir", store.bin_dir);
  if (!store.bin_dir.empty()) check(section.origin("bin_dir"), check_absolute(store.bin_dir));
  section.text("run_as", store.run_as);
  if (!store.run_as.empty()) check(section.origin("run_as"), check_simple_name(store.run_as, 32));
  section.finish();
}

// Less than one record of the largest kind a second would hold every session up.
void Loader::read_volume(Section& audit, std::string_view key, proxy::VolumeRule& rule) {
  Section section = audit.section(key);
  section.number("bytes_per_s", rule.bytes_per_s, 0, gib, Unit::bytes);
  if (rule.bytes_per_s != 0 && rule.bytes_per_s < mib) {
    section.error("bytes_per_s",
                  "is less than 1 MiB, the largest record; use 1MiB or more, or 0 for no bound");
  }
  section.number("burst_bytes", rule.burst_bytes, mib, 16 * gib, Unit::bytes);
  section.finish();
}

void Loader::read_redaction(Section& audit, AuditConfig& out) {
  Section section = audit.section("redact");
  for (const Found& found : section.texts("names", sql::SecretNames::names_max)) {
    if (sql::SecretNames::is_valid_name(found.text)) out.redact_names.push_back(found.text);
    else
      section.context().error(
          found.origin,
          "is \"" + found.text + "\"; a name has 2 to 64 letters, digits, - and _, a letter first");
  }
  section.finish();
}

void Loader::read_audit() {
  Section section = root_.section("audit");
  AuditConfig& audit = config_.audit;
  section.boolean("enabled", audit.enabled);
  section.number("journal_segment_bytes", audit.journal_segment_bytes, mib, gib, Unit::bytes);
  if ((audit.journal_segment_bytes & (audit.journal_segment_bytes - 1)) != 0) {
    section.error("journal_segment_bytes", "is no power of two; use for example 16MiB");
  }
  section.number("journal_max_bytes", audit.journal_max_bytes, 2 * mib, 16'384 * gib, Unit::bytes);
  if (audit.journal_max_bytes / 2 < audit.journal_segment_bytes) {
    section.error("journal_max_bytes", "is too small for two segments of " +
                                           std::to_string(audit.journal_segment_bytes) +
                                           " bytes; raise it or lower journal_segment_bytes");
  }
  section.choice<OnFull>("on_full", audit.on_full,
                         {{"fail_closed", OnFull::fail_closed}, {"drop", OnFull::drop}});
  section.choice<Durability>("durability", audit.durability,
                             {{"process", Durability::process}, {"disk", Durability::disk}});
  section.number("statement_bytes_max", audit.statement_bytes_max, 256, proxy::Limits::statement_bytes_most,
                 Unit::bytes);
  section.number("parameters_bytes_max", audit.parameters_bytes_max, 0, proxy::Limits::parameters_bytes_most,
                 Unit::bytes);
  section.number("batch_rows", audit.batch_rows, 1, 1'000'000);
  section.number("batch_ms", audit.batch_ms, 1, 60'000, Unit::milliseconds);
  section.number("join_ms", audit.join_ms, 0, 60'000, Unit::milliseconds);
  section.number("anchor_ms", audit.anchor_ms, 100, 3'600'000, Unit::milliseconds);
  section.number("retention_days", audit.retention_days, 1, 36'500);
  section.number("failures_window_ms", audit.failures_window_ms, 100, 3'600'000, Unit::milliseconds);
  read_redaction(section, audit);
  read_volume(section, "volume_per_user", audit.volume_per_user);
  read_volume(section, "volume_per_address", audit.volume_per_address);
  section.finish();
}

void Loader::read_limits() {
  Section section = root_.section("limits");
  LimitsConfig& limits = config_.limits;
  section.number("connections_max", limits.connections_max, 1, 1'000'000);
  // PostgreSQL itself takes no message beyond 1 GiB.
  section.number("message_bytes_max", limits.message_bytes_max, 64 * kib, gib, Unit::bytes);
  section.number("prepared_bytes_max", limits.prepared_bytes_max, 64 * kib, gib, Unit::bytes);
  section.number("startup_ms", limits.startup_ms, 100, 3'600'000, Unit::milliseconds);
  section.number("authentication_ms", limits.authentication_ms, 100, 3'600'000, Unit::milliseconds);
  section.number("connect_ms", limits.connect_ms, 100, 3'600'000, Unit::milliseconds);
  section.number("idle_ms", limits.idle_ms, 0, 365 * day_ms, Unit::milliseconds);
  section.number("idle_in_transaction_ms", limits.idle_in_transaction_ms, 0, 365 * day_ms,
                 Unit::milliseconds);
  section.number("drain_ms", limits.drain_ms, 0, 3'600'000, Unit::milliseconds);
  section.finish();
}

void Loader::read_users() {
  auto sections = root_.list("users", users_max);
  for (auto& section : sections) {
    UserConfig user;
    section.text("name", user.name);
    require(section, "name", user.name, check_identifier);
    claim_name(section, "user", user.name);
    for (auto& role : section.texts("roles", tags_max)) user.roles.push_back(std::move(role.text));
    Origin where = section.origin("password");
    bool has_verifier = section.has("verifier");
    bool has_password = section.has("password") || section.has("password_file");
    if (has_verifier && has_password) {
      section.error("verifier", "stands beside a password; keep one of them");
    } else if (!has_verifier && !has_password) {
      section.error("password", "is missing; add password, password_file or verifier");
    }
    if (auto password = read_secret(section, "password", "password_file", &where)) {
      if (password->size() > password_bytes_max)
        context_.error(where, "is longer than 1024 bytes; use a shorter one");
      passwords_.push_back({config_.users.size(), std::move(*password), where});
    }
    if (auto verifier = section.scalar("verifier")) {
      user.verifier = Secret(verifier->text);
      if (!pg::parse_scram_verifier(verifier->text)) {
        context_.error(verifier->origin,
                       "is no SCRAM verifier; copy rolpassword from pg_authid (SCRAM-SHA-256$4096:…), "
                       "or give password or password_file");
      }
    }
    section.finish();
    config_.users.push_back(std::move(user));
  }
}

void Loader::read_targets() {
  auto sections = root_.list("targets", targets_max);
  for (auto& section : sections) read_target(section);
}

void Loader::read_name_form(Section& section, std::string& form) {
  section.text("application_name", form);
  if (auto parsed = proxy::NameForm::parse(form); !parsed)
    section.error("application_name", parsed.error().message);
}

void Loader::read_target(Section& section) {
  TargetConfig target;
  section.text("name", target.name);
  require(section, "name", target.name, check_identifier);
  claim_name(section, "target", target.name);
  target.hosts = read_hosts(section);
  section.number("port", target.port, 1, 65'535);
  target.database = target.name;
  section.text("database", target.database);
  if (section.has("database")) check(section.origin("database"), check_identifier(target.database));
  section.text("user", target.user);
  require(section, "user", target.user, check_identifier);
  target.password = read_password(section);
  read_credentials(section, target);
  read_target_tls(section, target);
  target.tags = read_tags(section);
  section.number("connections_max", target.connections_max, 0, 1'000'000);
  section.boolean("allow_superuser_read", target.allow_superuser_read);
  section.boolean("legacy_strings", target.legacy_strings);
  section.choice<proxy::AttributionWitness>(
      "attribution_witness", target.attribution_witness,
      {{"end", proxy::AttributionWitness::end}, {"report", proxy::AttributionWitness::report}});
  section.choice<bool>("attribution_watch", target.attribution_watch, {{"on", true}, {"off", false}});
  target.application_name = config_.application_name;
  read_name_form(section, target.application_name);
  read_pool(section, target);
  section.finish();
  config_.targets.push_back(std::move(target));
}

Secret Loader::read_password(Section& section) {
  Origin where;
  auto password = read_secret(section, "password", "password_file", &where);
  if (!password) return {};
  if (password->size() > password_bytes_max)
    context_.error(where, "is longer than 1024 bytes; use a shorter one");
  return std::move(*password);
}

void Loader::read_credentials(Section& section, TargetConfig& target) {
  Section credentials = section.section("credentials");
  for (policy::Level level :
       {policy::Level::read, policy::Level::write, policy::Level::ddl, policy::Level::admin}) {
    Section one = credentials.section(sql::level_name(level));
    CredentialConfig credential;
    one.text("user", credential.user);
    const bool has_user = one.has("user");
    const bool has_password = one.has("password") || one.has("password_file");
    credential.password = read_password(one);
    one.finish();
    if (has_user) check(one.origin("user"), check_identifier(credential.user));
    else if (has_password || credentials.has(sql::level_name(level)))
      one.error("user", "is missing; add the server's user of this level");
    if (has_user) target.credentials.emplace(level, std::move(credential));
  }
  credentials.finish();
}

void Loader::read_pool(Section& section, TargetConfig& target) {
  Section one = section.section("pool");
  proxy::PoolRule& pool = target.pool;
  const bool is_given = section.has("pool") || one.has("min") || one.has("max") || one.has("idle");
  one.number("max", pool.max, 0, pool_connections_max);
  one.number("min", pool.min, 0, pool_connections_max);
  one.number("idle", pool.idle_ms, 1'000, day_ms, Unit::milliseconds);
  one.finish();
  if (is_given && !one.has("max")) {
    one.error("max", "is missing; add how many connections may wait for a session, or 0 for none");
  } else if (pool.min > pool.max) {
    one.error("min",
              "is " + std::to_string(pool.min) + ", more than max; use at most " + std::to_string(pool.max));
  } else if (target.connections_max > 0 && pool.max > target.connections_max) {
    one.error("max", "is " + std::to_string(pool.max) +
                         ", more than connections_max of the target; use at most " +
                         std::to_string(target.connections_max));
  }
}

std::vector<std::string> Loader::read_hosts(Section& section) {
  std::vector<std::string> hosts;
  auto single = section.scalar("host");
  auto several = section.texts("hosts", hosts_max);
  bool environment_decides = single && single->from_environment;
  if (single && !several.empty() && !environment_decides) {
    section.error("hosts", "stands beside host; keep one of them");
  }
  if (environment_decides || (single && several.empty())) several = {*single};
  if (several.empty()) section.error("host", "is missing; add host or hosts");
  for (auto& host : several) {
    check(host.origin, check_host(host.text));
    hosts.push_back(std::move(host.text));
  }
  return hosts;
}

std::vector<std::string> Loader::read_tags(Section& section) {
  std::vector<std::string> tags;
  for (auto& tag : section.texts("tags", tags_max)) {
    bool is_usable = !tag.text.empty() && tag.text.size() <= 64 && is_valid_text(tag.text) &&
                     tag.text.find_first_of(" ,\t\r\n") == std::string::npos;
    if (!is_usable) {
      context_.error(tag.origin, "is no tag; use 1 to 64 bytes of text without blanks and commas");
    } else if (std::find(tags.begin(), tags.end(), tag.text) != tags.end()) {
      context_.error(tag.origin, "\"" + tag.text + "\" stands here for the second time; remove it");
    }
    tags.push_back(std::move(tag.text));
  }
  return tags;
}

// Their salts are those that the node has for users who do not exist: the same at every load, so that nobody
// sees by them who is in the configuration, or when that changed.
void Loader::derive_verifiers() {
  if (passwords_.empty()) return;
  auto secret = foreseen_node_secret(config_.state_dir + "/scram.secret");
  if (!secret) {
    context_.error(passwords_.front().where, "cannot become a verifier: " + secret.error().message);
    return;
  }
  for (auto& password : passwords_) {
    const std::string salt = pg::scram_salt_of(*secret, config_.users[password.user].name);
    pg::ScramVerifier verifier = pg::make_scram_verifier(password.text.reveal(), salt);
    config_.users[password.user].verifier = Secret(pg::format_scram_verifier(verifier));
  }
  passwords_.clear();
}

}  // namespace

std::string to_string(const ConfigError& error) {
  std::string out = error.file;
  if (error.line > 0) out += ":" + std::to_string(error.line);
  if (!error.key.empty()) out += ": " + error.key;
  return out + ": " + error.message;
}

ConfigResult parse_config(const std::string& text, const std::string& path, const Environment& environment) {
  ConfigResult result;
  ReadContext context{path, environment, result.errors, result.warnings, {}};
  ConfigNode root = parse_config_tree(text, path, result.errors);
  // A file that could not be read would make every required key an error; the first is the one to mend.
  bool is_broken = !result.errors.empty() && root.kind == ConfigNode::Kind::absent;
  if (!is_broken) {
    Loader loader(context, root);
    loader.read();
    if (result.errors.empty()) loader.derive_verifiers();
    if (result.errors.empty()) result.config = loader.take();
  }
  wipe(root);
  std::stable_sort(result.errors.begin(), result.errors.end(),
                   [](const ConfigError& a, const ConfigError& b) { return a.line < b.line; });
  return result;
}

ConfigResult load_config(const std::string& path, const Environment& environment) {
  auto text = read_small_file(path, file_bytes_max);
  if (!text) {
    ConfigResult result;
    result.errors.push_back(
        {path, 0, "", "cannot be read: " + text.error().message + "; name the file with --config"});
    return result;
  }
  ConfigResult result = parse_config(*text, path, environment);
  crypto::secure_zero(*text);
  return result;
}

}  // namespace ringfence::app
