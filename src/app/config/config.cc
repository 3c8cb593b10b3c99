// Loading: sections in the order of the file, then what the values show, then files of TLS, then the users'
// keys.
#include "ringfence/app/config/config.h"

#include <algorithm>

#include "config_files.h"
#include "config_places.h"
#include "config_policies.h"
#include "config_reader.h"
#include "config_rules.h"
#include "config_sections.h"
#include "config_tls.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/model/text_rules.h"
#include "ringfence/pg/scram.h"
#include "state_directory.h"

namespace ringfence::app {

namespace {

constexpr size_t file_bytes_max = 16 * 1024 * 1024;
constexpr size_t token_bytes_min = 16;
constexpr size_t token_bytes_max = 4096;
constexpr size_t node_name_bytes_max = 64;

class Loader {
 public:
  Loader(ReadContext& context, const ConfigNode& root)
      : context_(context), root_(context, &root, "", "RINGFENCE"), places_(context, root) {}

  void read();
  void derive_verifiers();
  Config take() { return std::move(config_); }

 private:
  void read_node();
  void read_log();
  void read_admin();
  void read_token(Section& admin);
  void read_limits();
  void read_access();
  // Of a list of the model, "users" or "targets", whose records have names.
  template <typename T>
  void note_places(const char* noun, const char* list, const std::vector<T>& records);
  void check(const Origin& where, std::string wrong) {
    if (!wrong.empty()) context_.error(where, std::move(wrong));
  }

  ReadContext& context_;
  Section root_;
  Places places_;
  Config config_;
  std::vector<AwaitedVerifier> awaited_;
};

void Loader::read() {
  read_node();
  read_log();
  read_tls(root_, config_.tls, config_.tls_kernel);
  read_limits();
  read_access();
  read_listeners(root_, config_);
  read_admin();
  read_store(root_, config_.store);
  read_audit(root_, config_.audit);
  awaited_ = read_users(root_, config_.users);
  read_targets(root_, config_, places_);
  config_.policies = read_policies(root_, places_);
  root_.finish();
  context_.finish();
  check_model(config_, awaited_, places_);
  check_tls_files(config_, places_, context_);
  note_places("user", "users", config_.users);
  note_places("target", "targets", config_.targets);
  note_places("target", "tcp_targets", config_.tcp_targets);
}

template <typename T>
void Loader::note_places(const char* noun, const char* list, const std::vector<T>& records) {
  for (size_t i = 0; i < records.size(); ++i) {
    const Origin origin = places_.of(model::path_of(list, i));
    config_.declared_at[std::string(noun) + " " + records[i].name] =
        origin.line > 0 ? origin.file + ":" + std::to_string(origin.line) : origin.file;
  }
}

void Loader::read_node() {
  config_.node = default_node_name();
  root_.text("node", config_.node);
  check(root_.origin("node"), model::check_simple_name(config_.node, node_name_bytes_max));
  root_.text("state_dir", config_.state_dir);
  check(root_.origin("state_dir"), model::check_absolute(config_.state_dir));
  read_name_form(root_, config_.application_name);
  if (auto shards = root_.scalar("shards"); shards && shards->text != "auto") {
    auto number = parse_quantity(shards->text, Unit::count);
    if (number && *number >= 1 && *number <= 256) config_.shards = static_cast<unsigned>(*number);
    else
      context_.error(shards->origin, "is \"" + shards->text + "\"; use auto or a whole number from 1 to 256");
  }
  root_.choice<bool>("spin", config_.spin, {{"auto", true}, {"off", false}});
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

void Loader::read_admin() {
  Section section = root_.section("admin");
  section.text("address", config_.admin.address);
  check(section.origin("address"), model::check_ip(config_.admin.address));
  section.number("port", config_.admin.port, 0, 65'535);
  section.boolean("metrics_public", config_.admin.metrics_public);
  read_admin_tls(section, config_.tls, config_.admin);
  read_token(section);
  section.finish();
}

void Loader::read_token(Section& admin) {
  Origin where = admin.origin("token");
  const bool is_given = admin.has("token") || admin.has("token_file");
  auto token = read_secret(admin, "token", "token_file", &where);
  if (!token) {
    if (!is_given)
      context_.error(where, "is missing; add it or token_file, with a value as from `openssl rand -hex 32`");
    return;
  }
  config_.admin.token = std::move(*token);
  const ByteView text = config_.admin.token.reveal();
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (text.size() < token_bytes_min || text.size() > token_bytes_max) {
    context_.error(where, "is " + std::to_string(text.size()) +
                              " characters long; use at least 16, as from `openssl rand -hex 32`");
  } else if (!is_plain) {
    context_.error(
        where,
        "holds blanks or characters beyond ASCII, which a header cannot carry; use letters and digits");
  }
}

void Loader::read_limits() {
  Section section = root_.section("limits");
  section.numbers(config_.limits);
  section.finish();
}

void Loader::read_access() {
  Section section = root_.section("access");
  section.numbers(config_.access);
  section.finish();
}

// Their salts are those that the node has for users who do not exist: the same at every load, so that nobody
// sees by them who is in the configuration, or when that changed.
void Loader::derive_verifiers() {
  if (awaited_.empty()) return;
  auto secret = foreseen_node_secret(config_.state_dir + "/scram.secret");
  if (!secret) {
    context_.error(awaited_.front().where, "cannot become a verifier: " + secret.error().message);
    return;
  }
  for (const AwaitedVerifier& one : awaited_) {
    model::User& user = config_.users[one.user];
    const std::string salt = pg::scram_salt_of(*secret, user.name);
    user.verifier = Secret(pg::format_scram_verifier(pg::make_scram_verifier(one.password.reveal(), salt)));
  }
  awaited_.clear();
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
