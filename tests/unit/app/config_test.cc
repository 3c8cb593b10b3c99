#include "ringfence/app/config/config.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "app/config/config_reader.h"
#include "app/config/config_rules.h"
#include "ringfence/app/lint.h"
#include "ringfence/net/tls.h"
#include "ringfence/pg/scram.h"
#include "ringfence/policy/policy_set.h"

using namespace ringfence;
using namespace ringfence::app;

namespace {

const std::string minimal = R"(listeners:
  - name: main
admin:
  token: 0123456789abcdef0123
)";

ConfigResult parse(const std::string& text, const Environment& environment = {}) {
  return parse_config(text, "ringfence.yaml", environment);
}

// The only error of the text, as a person sees it.
std::string only_error(const std::string& text, const Environment& environment = {}) {
  ConfigResult result = parse(text, environment);
  CHECK_FALSE(result.config);
  std::string all;
  for (const auto& error : result.errors) all += (all.empty() ? "" : "\n") + to_string(error);
  INFO(all);
  CHECK(result.errors.size() == 1);
  return all;
}

bool starts(const std::string& text, const std::string& with) {
  INFO(text);
  bool does = text.starts_with(with);
  CHECK_MESSAGE(does, text << " does not start with " << with);
  return does;
}

// A folder that goes with its content.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/ringfence_config_XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() {
    for (const auto& file : files_) ::unlink(file.c_str());
    ::rmdir(path_.c_str());
  }
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    std::string file = path_ + "/" + name;
    std::ofstream(file) << text;
    ::chmod(file.c_str(), mode);
    files_.push_back(file);
    return file;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<std::string> files_;
};

}  // namespace

TEST_CASE("a minimal file gives a configuration with every default") {
  auto result = parse(minimal);
  REQUIRE(result.config);
  const Config& config = *result.config;
  CHECK(config.state_dir == "/var/lib/ringfence");
  CHECK(config.shards == 0);
  CHECK(config.node == default_node_name());
  REQUIRE(config.listeners.size() == 1);
  CHECK(config.listeners[0].name == "main");
  CHECK(config.listeners[0].address == "127.0.0.1");
  CHECK(config.listeners[0].port == 6432);
  CHECK(config.admin.port == 8432);
  CHECK(config.admin.token.reveal() == "0123456789abcdef0123");
  CHECK(config.store.embedded);
  CHECK(config.audit.enabled);
  CHECK(config.audit.journal_segment_bytes == 16'777'216);
  CHECK(config.audit.on_full == OnFull::fail_closed);
  CHECK(config.limits.drain_ms == 30'000);
  CHECK(config.users.empty());
}

TEST_CASE("a full file is read key by key") {
  auto result = parse(R"(
node: gate-1
state_dir: /srv/ringfence
shards: 4
log: {level: debug, format: json}
listeners:
  - {name: tcp, protocol: postgres, address: "::1", port: 7000, connections_max: 5}
  - {name: unix, path: /run/ringfence/.s.PGSQL.6432}
admin: {address: 127.0.0.2, port: 9000, token: 0123456789abcdef, metrics_public: true}
store: {url: "postgres://rf:secret@db/audit", writer_url: "postgresql://w@db/audit"}
audit:
  {enabled: false, journal_segment_bytes: 4MiB, journal_max_bytes: 1 GiB, on_full: drop, durability: disk,
   statement_bytes_max: 1KiB, parameters_bytes_max: 0, batch_rows: 5, batch_ms: 50, join_ms: 2s, anchor_ms: 1m,
   retention_days: 7, failures_window_ms: 5s,
   volume_per_user: {bytes_per_s: 2MiB, burst_bytes: 3MiB}, volume_per_address: {bytes_per_s: 0}}
limits:
  {connections_max: 9, message_bytes_max: 1MiB, prepared_bytes_max: 2MiB, startup_ms: 1s, authentication_ms: 2s,
   connect_ms: 3s, idle_ms: 5m, idle_in_transaction_ms: 1m, drain_ms: 0}
users:
  - {name: alice, password: wonderland}
targets:
  - {name: shop, hosts: [db1, /run/postgresql, "10.0.0.1"], port: 5433, database: shopdb, user: app,
     password: pw, tags: [prod, eu], connections_max: 10}
  - {name: plain, host: localhost, user: u}
)");
  for (const auto& error : result.errors) MESSAGE(to_string(error));
  REQUIRE(result.config);
  const Config& config = *result.config;
  CHECK(config.node == "gate-1");
  CHECK(config.audit.failures_window_ms == 5'000);
  CHECK(config.audit.volume_per_user == model::VolumeRule{2 << 20, 3 << 20});
  CHECK(config.audit.volume_per_address == model::VolumeRule{0, 256 << 20});
  CHECK(config.shards == 4);
  CHECK(config.log.level == LogLevel::debug);
  CHECK(config.log.format == LogFormat::json);
  CHECK(config.listeners[0].address == "::1");
  CHECK(config.listeners[0].connections_max == 5);
  CHECK(config.listeners[1].path == "/run/ringfence/.s.PGSQL.6432");
  CHECK(config.listeners[1].address.empty());
  CHECK(config.admin.metrics_public);
  CHECK_FALSE(config.store.embedded);
  CHECK(config.store.url.reveal() == "postgres://rf:secret@db/audit");
  CHECK(config.audit.journal_segment_bytes == 4 * 1024 * 1024);
  CHECK(config.audit.journal_max_bytes == 1024 * 1024 * 1024);
  CHECK(config.audit.durability == Durability::disk);
  CHECK(config.audit.join_ms == 2000);
  CHECK(config.audit.anchor_ms == 60'000);
  CHECK(config.limits.prepared_bytes_max == 2u << 20);
  CHECK(config.limits.idle_ms == 300'000);
  REQUIRE(config.targets.size() == 2);
  CHECK(config.targets[0].hosts == std::vector<std::string>{"db1", "/run/postgresql", "10.0.0.1"});
  CHECK(config.targets[0].tags == std::vector<std::string>{"prod", "eu"});
  CHECK(config.targets[1].database == "plain");
  CHECK(config.targets[1].password.empty());
}

TEST_CASE("a user's password becomes a verifier that the password satisfies, with a salt of its own") {
  auto result =
      parse(minimal + "users: [{name: a, password: wonderland}, {name: b, password: wonderland}]\n");
  REQUIRE(result.config);
  CHECK(result.config->users[0].verifier.reveal() != result.config->users[1].verifier.reveal());
  auto verifier = pg::parse_scram_verifier(result.config->users[0].verifier.reveal());
  REQUIRE(verifier);
  auto again = pg::make_scram_verifier("wonderland", verifier->salt, verifier->iterations);
  CHECK(again.stored_key == verifier->stored_key);
  // Who asks twice does not see by the salt that the configuration was loaded between.
  auto reloaded = parse(minimal + "users: [{name: c, password: x}, {name: a, password: wonderland}]\n");
  REQUIRE(reloaded.config);
  CHECK(reloaded.config->users[1].verifier.reveal() == result.config->users[0].verifier.reveal());
}

TEST_CASE("an unknown key is an error with its line and the nearest known key") {
  CHECK(only_error(minimal + "limts: {}\n") ==
        "ringfence.yaml:5: limts: is an unknown key; did you mean limits?");
  CHECK(only_error(minimal + "limits:\n  idle: 1\n") ==
        "ringfence.yaml:6: limits.idle: is an unknown key; did you mean idle_ms?");
  starts(only_error(minimal + "users:\n  - {name: a, password: b, wibbly_wobbly: 1}\n"),
         "ringfence.yaml:6: users[0].wibbly_wobbly: is an unknown key; known here: name, ");
}

TEST_CASE("a wrong type or a value out of range names what would be right") {
  CHECK(only_error(minimal + "limits:\n  connections_max: many\n") ==
        "ringfence.yaml:6: limits.connections_max: is \"many\"; use a whole number from 1 to 1000000");
  starts(only_error(minimal + "limits: {startup_ms: 99}\n"),
         "ringfence.yaml:5: limits.startup_ms: is \"99\"; use");
  starts(only_error(minimal + "limits: {startup_ms: 10MiB}\n"), "ringfence.yaml:5: limits.startup_ms: ");
  starts(only_error(minimal + "limits: {startup_ms: -1}\n"), "ringfence.yaml:5: limits.startup_ms: ");
  starts(only_error(minimal + "limits: {startup_ms: [1]}\n"),
         "ringfence.yaml:5: limits.startup_ms: is a list; write a single value");
  starts(only_error(minimal + "limits: 5\n"), "ringfence.yaml:5: limits: is a single value; write a group");
  starts(only_error(minimal + "users: {name: a}\n"),
         "ringfence.yaml:5: users: is a group of keys; write a list");
  starts(only_error(minimal + "log: {level: loud}\n"),
         "ringfence.yaml:5: log.level: is \"loud\"; use debug or info or warning or error");
  starts(only_error(minimal + "audit: {enabled: maybe}\n"),
         "ringfence.yaml:5: audit.enabled: is \"maybe\"; use true or false");
  starts(only_error(minimal + "shards: 0\n"), "ringfence.yaml:5: shards: is \"0\"; use auto or");
  starts(only_error(minimal + "node: a b\n"), "ringfence.yaml:5: node: is \"a b\"; use 1 to 64 letters");
  starts(only_error(minimal + "state_dir: here\n"),
         "ringfence.yaml:5: state_dir: is \"here\"; use an absolute path");
}

TEST_CASE("sizes and durations take suffixes of their own kind") {
  CHECK(parse_quantity("16MiB", Unit::bytes) == 16u * 1024 * 1024);
  CHECK(parse_quantity("2 KiB", Unit::bytes) == 2048u);
  CHECK(parse_quantity("5m", Unit::milliseconds) == 300'000u);
  CHECK(parse_quantity("250ms", Unit::milliseconds) == 250u);
  CHECK_FALSE(parse_quantity("5m", Unit::bytes));
  CHECK_FALSE(parse_quantity("5m", Unit::count));
  CHECK_FALSE(parse_quantity("", Unit::count));
  CHECK_FALSE(parse_quantity("5 ", Unit::count));
  CHECK_FALSE(parse_quantity("0x10", Unit::count));
  CHECK_FALSE(parse_quantity("99999999999999999999", Unit::bytes));
  CHECK_FALSE(parse_quantity("18446744073709551615GiB", Unit::bytes));
}

TEST_CASE("the journal's sizes must fit together") {
  starts(only_error(minimal + "audit: {journal_segment_bytes: 3MiB}\n"),
         "ringfence.yaml:5: audit.journal_segment_bytes: is no power of two");
  starts(only_error(minimal + "audit: {journal_segment_bytes: 16MiB, journal_max_bytes: 20MiB}\n"),
         "ringfence.yaml:5: audit.journal_max_bytes: is too small for two segments");
  starts(only_error(minimal + "audit: {statement_bytes_max: 393217}\n"),
         "ringfence.yaml:5: audit.statement_bytes_max: ");
  starts(only_error(minimal + "audit: {parameters_bytes_max: 196609}\n"),
         "ringfence.yaml:5: audit.parameters_bytes_max: ");
}

TEST_CASE("a key, a name or an address that stands twice is an error that names the first") {
  CHECK(only_error(minimal + "shards: 1\nshards: 2\n") ==
        "ringfence.yaml:6: shards: stands here for the second time, first on line 5; remove one of them");
  starts(only_error(minimal + "users:\n  - {name: a, password: x}\n  - {name: a, password: y}\n"),
         "ringfence.yaml:7: users[1].name: \"a\" stands here for the second time, first on line 6;");
  starts(only_error(minimal + "targets:\n  - {name: a, host: x, user: u}\n  - {name: a, host: y, user: u}\n"),
         "ringfence.yaml:7: targets[1].name: \"a\" stands here for the second time");
  const std::string admin = "admin: {token: 0123456789abcdef}\n";
  starts(only_error(admin + "listeners:\n  - {name: a}\n  - {name: a, port: 1}\n"),
         "ringfence.yaml:4: listeners[1].name: \"a\" stands here for the second time");
  starts(only_error(admin + "listeners:\n  - {name: a, address: '::1'}\n  - {name: b, address: '0:0::1'}\n"),
         "ringfence.yaml:4: listeners[1].port: [::1]:6432 is listened on twice");
  starts(only_error("listeners:\n  - {name: a, port: 8432}\n" + admin),
         "ringfence.yaml:3: admin.port: 127.0.0.1:8432 is listened on twice, first on line 2;");
  starts(only_error(admin + "listeners:\n  - {name: a, path: /s}\n  - {name: b, path: /s}\n"),
         "ringfence.yaml:4: listeners[1].path: /s is listened on twice");
  CHECK(parse(admin + "listeners: [{name: a, port: 0}, {name: b, port: 0}]\n").config);
}

TEST_CASE("what is required and missing is an error") {
  starts(only_error("admin: {token: 0123456789abcdef}\n"),
         "ringfence.yaml:1: listeners: is missing or empty");
  starts(only_error("admin: {token: 0123456789abcdef}\nlisteners: []\n"),
         "ringfence.yaml:2: listeners: is missing or empty");
  starts(only_error("listeners: [{name: a}]\n"), "ringfence.yaml: admin.token: is missing");
  starts(only_error("admin: {token: 0123456789abcdef}\nlisteners:\n  - port: 1\n"),
         "ringfence.yaml:3: listeners[0].name: is missing");
  starts(only_error(minimal + "users:\n  - name: a\n"),
         "ringfence.yaml:6: users[0].password: is missing; add password, ");
  starts(only_error(minimal + "targets:\n  - {name: a, user: u}\n"),
         "ringfence.yaml:6: targets[0].host: is missing");
  starts(only_error(minimal + "targets:\n  - {name: a, host: h}\n"),
         "ringfence.yaml:6: targets[0].user: is missing");
  starts(only_error(minimal + "targets:\n  - {host: h, user: u}\n"),
         "ringfence.yaml:6: targets[0].name: is missing");
}

TEST_CASE("what excludes each other may not stand together") {
  starts(only_error(minimal + "users:\n  - {name: a, password: b, password_file: c}\n"),
         "ringfence.yaml:6: users[0].password_file: and password say the same twice");
  starts(only_error(minimal + "targets:\n  - {name: a, user: u, host: b, hosts: [c]}\n"),
         "ringfence.yaml:6: targets[0].hosts: stands beside host");
  starts(only_error(
             "admin: {token: 0123456789abcdef}\nlisteners:\n  - {name: a, path: /p, address: 127.0.0.1}\n"),
         "ringfence.yaml:3: listeners[0].address: and path say the same twice");
  starts(only_error("admin: {token: 0123456789abcdef}\nlisteners:\n  - {name: a, path: /p, port: 1}\n"),
         "ringfence.yaml:3: listeners[0].port: has no meaning beside a path");
  starts(only_error(minimal + "store: {url: embedded, writer_url: 'postgres://x'}\n"),
         "ringfence.yaml:5: store.writer_url: has no meaning with the embedded store");
}

TEST_CASE("tokens, verifiers, addresses, hosts, tags and store URLs are looked at closely") {
  const std::string listeners = "listeners: [{name: a}]\n";
  starts(only_error(listeners + "admin: {token: short}\n"),
         "ringfence.yaml:2: admin.token: is 5 characters long");
  starts(only_error(listeners + "admin: {token: '0123456789 abcdef'}\n"),
         "ringfence.yaml:2: admin.token: holds blanks");
  starts(only_error(minimal + "users: [{name: a, verifier: md5abc}]\n"),
         "ringfence.yaml:5: users[0].verifier: is no SCRAM verifier");
  starts(only_error(minimal + "users: [{name: a, password: ''}]\n"),
         "ringfence.yaml:5: users[0].password: is empty");
  starts(only_error(minimal + "users: [{name: \"a\\u0007\", password: b}]\n"),
         "ringfence.yaml:5: users[0].name: ");
  starts(only_error("admin: {token: 0123456789abcdef}\nlisteners: [{name: a, address: localhost}]\n"),
         "ringfence.yaml:2: listeners[0].address: is \"localhost\"; use an IP address");
  starts(only_error(minimal + "targets: [{name: a, user: u, host: 'a b'}]\n"),
         "ringfence.yaml:5: targets[0].host: is \"a b\"; use a host");
  starts(only_error(minimal + "targets: [{name: a, user: u, host: h, tags: [x, x]}]\n"),
         "ringfence.yaml:5: targets[0].tags[1]: \"x\" stands here for the second time");
  starts(only_error(minimal + "targets: [{name: a, user: u, host: h, tags: [x y]}]\n"),
         "ringfence.yaml:5: targets[0].tags[0]: is no tag");
  starts(only_error(minimal + "targets: [{name: a, user: u, host: h, tags: x}]\n"),
         "ringfence.yaml:5: targets[0].tags: is a single value; write a list");
  starts(only_error(minimal + "store: mysql://x\n"), "ringfence.yaml:5: store: is neither");
}

TEST_CASE("an error never shows a secret") {
  auto result = parse(
      "listeners: [{name: a}]\nadmin: {token: hunter2}\nusers: [{name: a, verifier: hunter2}]\n"
      "store: hunter2\n");
  CHECK(result.errors.size() == 3);
  for (const auto& error : result.errors) CHECK(to_string(error).find("hunter2") == std::string::npos);
}

TEST_CASE("all errors of a file are found in one go, in the order of its lines") {
  auto result =
      parse("shards: none\nlisteners:\n  - {name: a, port: 70000}\nadmin: {tokn: x}\nlimits: {idle_ms: z}\n");
  REQUIRE(result.errors.size() == 5);
  const int lines[] = {1, 3, 4, 4, 5};
  for (size_t i = 0; i < 5; ++i) CHECK(result.errors[i].line == lines[i]);
}

TEST_CASE("what is no YAML, or no map, is one error with its line") {
  starts(only_error("listeners: [\nadmin: }\n"), "ringfence.yaml:2: is not valid YAML");
  starts(only_error("- a\n"), "ringfence.yaml:1: the file must consist of `key: value` lines");
  starts(only_error(minimal + "---\na: b\n"), "ringfence.yaml:6: a second document begins");
  CHECK(parse("").errors.size() == 2);
}

TEST_CASE("a node that contains itself and aliases that multiply are refused") {
  CHECK_FALSE(parse(minimal + "users: &a [*a]\n").config);
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int j = 0; j < 9; ++j) bomb += ", " + last;
    bomb += "]\n";
  }
  CHECK_FALSE(parse(minimal + bomb).config);
}

TEST_CASE("the environment sets any key and beats the file") {
  Environment environment{
      {"RINGFENCE_STATE_DIR", "/srv/rf"},           {"RINGFENCE_ADMIN_PORT", "9999"},
      {"RINGFENCE_LISTENERS_0_PORT", "7001"},       {"RINGFENCE_LISTENERS_1_NAME", "second"},
      {"RINGFENCE_LISTENERS_1_PORT", "7002"},       {"RINGFENCE_USERS_0_NAME", "alice"},
      {"RINGFENCE_USERS_0_PASSWORD", "wonderland"}, {"RINGFENCE_TARGETS_0_NAME", "shop"},
      {"RINGFENCE_TARGETS_0_USER", "app"},          {"RINGFENCE_TARGETS_0_HOSTS_0", "db1"},
      {"RINGFENCE_TARGETS_0_HOSTS_1", "db2"},       {"RINGFENCE_TARGETS_0_TAGS_0", "prod"},
      {"RINGFENCE_LIMITS_IDLE_MS", "5m"},           {"RINGFENCE_STORE_URL", "postgres://h/d"}};
  auto result = parse(minimal, environment);
  for (const auto& error : result.errors) MESSAGE(to_string(error));
  REQUIRE(result.config);
  CHECK(result.config->state_dir == "/srv/rf");
  CHECK(result.config->admin.port == 9999);
  CHECK(result.config->listeners[0].port == 7001);
  CHECK(result.config->listeners[1].name == "second");
  CHECK(result.config->users[0].name == "alice");
  CHECK(result.config->targets[0].hosts == std::vector<std::string>{"db1", "db2"});
  CHECK(result.config->targets[0].tags == std::vector<std::string>{"prod"});
  CHECK(result.config->limits.idle_ms == 300'000);
  CHECK(result.config->store.url.reveal() == "postgres://h/d");
}

TEST_CASE("the environment alone is enough, and its choice replaces the file's other choice") {
  Environment environment{{"RINGFENCE_LISTENERS_0_NAME", "a"}, {"RINGFENCE_ADMIN_TOKEN", "0123456789abcdef"}};
  CHECK(parse("", environment).config);
  auto result = parse(
      "listeners: [{name: a}]\nadmin: {token_file: /nowhere}\nstore: {url: 'postgres://h'}\n"
      "targets: [{name: t, user: u, hosts: [x]}]\n",
      {{"RINGFENCE_ADMIN_TOKEN", "0123456789abcdef"},
       {"RINGFENCE_STORE", "embedded"},
       {"RINGFENCE_TARGETS_0_HOST", "y"}});
  for (const auto& error : result.errors) MESSAGE(to_string(error));
  REQUIRE(result.config);
  CHECK(result.config->store.embedded);
  CHECK(result.config->targets[0].hosts == std::vector<std::string>{"y"});
}

TEST_CASE("a variable that belongs to no key is an error, save the reserved ones") {
  CHECK(only_error(minimal, {{"RINGFENCE_ADMIN_PROT", "1"}}) ==
        "environment: RINGFENCE_ADMIN_PROT: is a variable that belongs to no key; did you mean "
        "RINGFENCE_ADMIN_PORT?");
  starts(only_error(minimal, {{"RINGFENCE_LISTENERS_7_PORT", "1"}}),
         "environment: RINGFENCE_LISTENERS_7_PORT: is a variable");
  CHECK(parse(minimal, {{"RINGFENCE_PG_PORT", "1"},
                        {"RINGFENCE_ADMIN_URL", "x"},
                        {"RINGFENCE_STORE_DSN", "x"},
                        {"RINGFENCE_DEV_FAST", "1"},
                        {"RINGFENCE_DEMO_USER", "demo"}})
            .config);
  CHECK(only_error(minimal, {{"RINGFENCE_ADMIN_PORT", "x"}}) ==
        "environment: RINGFENCE_ADMIN_PORT: is \"x\"; use a whole number from 0 to 65535");
}

TEST_CASE("a secret's file is found among the credentials first, then beside the configuration") {
  Folder beside, credentials;
  beside.write("token", "beside-0123456789\n");
  std::string file = beside.write("ringfence.yaml", "listeners: [{name: a}]\nadmin: {token_file: token}\n");
  auto result = load_config(file, {});
  REQUIRE(result.config);
  CHECK(result.config->admin.token.reveal() == "beside-0123456789");
  CHECK(result.warnings.empty());
  credentials.write("token", "credential-0123456789", 0644);
  result = load_config(file, {{"CREDENTIALS_DIRECTORY", credentials.path()}});
  REQUIRE(result.config);
  CHECK(result.config->admin.token.reveal() == "credential-0123456789");
  CHECK(result.warnings.empty());
}

TEST_CASE("a secret's file that cannot be read or is empty is an error, one open to others a warning") {
  Folder folder;
  std::string open = folder.write("open", "0123456789abcdef\n", 0644);
  std::string empty = folder.write("empty", "\n");
  const std::string listeners = "listeners: [{name: a}]\n";
  auto result = parse(listeners + "admin: {token_file: " + open + "}\n");
  REQUIRE(result.config);
  REQUIRE(result.warnings.size() == 1);
  starts(to_string(result.warnings[0]),
         "ringfence.yaml:2: admin.token_file: " + open + " can be read by others");
  starts(only_error(listeners + "admin: {token_file: " + empty + "}\n"),
         "ringfence.yaml:2: admin.token_file: " + empty + " is empty");
  starts(only_error(listeners + "admin: {token_file: /nowhere/at/all}\n"),
         "ringfence.yaml:2: admin.token_file: cannot be read: ");
  starts(only_error(listeners + "admin: {token_file: " + folder.path() + "}\n"),
         "ringfence.yaml:2: admin.token_file: cannot be read: ");
}

TEST_CASE("a dollar sign and brace are taken as they stand, with a warning") {
  auto result = parse(minimal + "users: [{name: a, password: '${PASSWORD}'}]\n");
  REQUIRE(result.config);
  REQUIRE(result.warnings.size() == 1);
  CHECK(result.warnings[0].key == "users[0].password");
}

TEST_CASE("a file that is not there is an error") {
  auto result = load_config("/nowhere/ringfence.yaml", {});
  REQUIRE(result.errors.size() == 1);
  starts(to_string(result.errors[0]), "/nowhere/ringfence.yaml: cannot be read: ");
}

TEST_CASE("the effective configuration reads as YAML of the same meaning and shows no secret") {
  auto result = parse(minimal +
                      "node: gate\nstore: 'postgres://rf:hunter2@db/x?password=hunter2'\n"
                      "users: [{name: 'O\"Brien', password: hunter2}]\n"
                      "targets: [{name: shop, hosts: [a, /run/x], user: u, password: hunter2, tags: [t]}]\n");
  REQUIRE(result.config);
  std::string text = describe_effective(*result.config);
  CHECK(text.find("hunter2") == std::string::npos);
  CHECK(text.find("0123456789abcdef") == std::string::npos);
  CHECK(text.find("SCRAM") == std::string::npos);
  CHECK(text.find("url: \"postgres://rf:***@db/x?…\"") != std::string::npos);
  CHECK(text.find("hosts: [a, /run/x]") != std::string::npos);
  CHECK(text.find("journal_max_bytes: 1073741824") != std::string::npos);
  // Only what was hidden is wrong when it is read again: the token is too short, the verifier is none.
  auto again = parse(text);
  REQUIRE(again.errors.size() == 2);
  CHECK(again.errors[0].key == "admin.token");
  CHECK(again.errors[1].key == "users[0].verifier");
}

constexpr const char* everything = "policies: [{name: p, roles: [r], level: admin}]\n";

TEST_CASE("policies are read with their places, and every mistake is told") {
  auto good = parse(minimal +
                    "policies:\n  - name: p\n    roles: [r]\n    level: write\n    tag_match: any\n"
                    "    tags: [t]\n    whitelist: ['^select']\n    deny:\n      - {relations: [hr.*], "
                    "missing_where: true}\n"
                    "    metadata: [owner=ana]\n");
  REQUIRE(good.config);
  const policy::Policy& policy = good.config->policies->policies()[0];
  CHECK(policy.level == policy::Level::write);
  CHECK(policy.matches_any_tag);
  CHECK(policy.whitelist->size() == 1);
  CHECK(policy.deny[0].missing_where);
  CHECK(policy.metadata.at("owner") == "ana");
  CHECK(describe_effective(*good.config).find("relations: [\"hr.*\"]") != std::string::npos);
  auto bad = parse(minimal +
                   "policies:\n  - {name: p, roles: [], level: all, whitelist: ['(?!x)'], surprise: 1}\n"
                   "  - {name: p, roles: [r], deny: [{}]}\n");
  CHECK_FALSE(bad.config);
  CHECK(bad.errors.size() >= 5);
}

TEST_CASE("what stands on one line is told apart") {
  auto bad = parse(minimal +
                   "policies:\n  - {name: p, roles: [r], whitelist: ['(', ok, '[z-a]'], kinds: [SELEKT, "
                   "UPDATE, DELET]}\n");
  REQUIRE(bad.errors.size() == 4);
  std::set<std::string> keys;
  for (const ConfigError& error : bad.errors) keys.insert(error.key);
  CHECK(keys == std::set<std::string>{"policies[0].kinds[0]", "policies[0].kinds[2]",
                                      "policies[0].whitelist[0]", "policies[0].whitelist[2]"});
  for (const ConfigError& error : bad.errors) {
    CHECK(error.line == bad.errors[0].line);
    const bool is_first = error.message.find("pattern (") != std::string::npos;
    const bool is_last = error.message.find("pattern [z-a]") != std::string::npos;
    CHECK(is_first == (error.key == "policies[0].whitelist[0]"));
    CHECK(is_last == (error.key == "policies[0].whitelist[2]"));
  }
}

TEST_CASE("advice is given for what is valid but probably not meant") {
  auto config = parse(
      "listeners: [{name: a, address: 0.0.0.0}]\nadmin: {token: 0123456789abcdef, address: 10.1.1.1}\n"
      "audit: {enabled: false}\n");
  REQUIRE(config.config);
  CHECK(lint(*config.config, "x").size() == 7);
  auto quiet =
      parse(minimal +
            "users: [{name: a, password: b, roles: [r]}]\ntargets: [{name: t, host: 127.0.0.1, user: u}]\n" +
            std::string(everything));
  CHECK(lint(*quiet.config, "x").empty());
  auto far = parse(minimal +
                   "users: [{name: a, password: b, roles: [r]}]\ntargets: [{name: t, host: h, user: u}]\n" +
                   std::string(everything));
  REQUIRE(lint(*far.config, "x").size() == 1);
  CHECK(lint(*far.config, "x")[0].message.find("not checked") != std::string::npos);
  auto nobody =
      parse(minimal + "users: [{name: a, password: b}]\ntargets: [{name: t, host: 127.0.0.1, user: u}]\n" +
            std::string(everything));
  REQUIRE(lint(*nobody.config, "x").size() == 2);
  CHECK(lint(*nobody.config, "x")[0].message.find("no access to any target") != std::string::npos);
  CHECK(lint(*nobody.config, "x")[1].message.find("no user has the role r of policy p") != std::string::npos);
}

TEST_CASE("TLS: listeners prefer it, Unix sockets have none, the admin API needs it beyond the loopback") {
  auto result = parse(
      "listeners: [{name: a}, {name: b, path: /run/x/.s.PGSQL.1}, {name: c, port: 1, tls: require}]\n"
      "admin: {token: 0123456789abcdef}\ntargets: [{name: t, host: h, user: u}]\n");
  REQUIRE(result.config);
  CHECK(result.config->listeners[0].tls == model::ListenerTls::prefer);
  CHECK(result.config->listeners[1].tls == model::ListenerTls::off);
  CHECK(result.config->listeners[2].tls == model::ListenerTls::require);
  CHECK_FALSE(result.config->admin.tls);
  CHECK(result.config->targets[0].sslmode == model::SslMode::prefer);
  CHECK(result.config->targets[0].channel_binding == model::ChannelBinding::prefer);
  auto exposed = parse("listeners: [{name: a}]\nadmin: {token: 0123456789abcdef, address: 10.0.0.1}\n");
  REQUIRE(exposed.config);
  CHECK(exposed.config->admin.tls);
}

TEST_CASE("TLS: what does not fit together is told with its line") {
  Folder folder;
  auto pair = net::make_development_certificate("x", 2).value();
  std::string certificate = folder.write("c.pem", pair.certificate_pem);
  std::string key = folder.write("k.pem", pair.key_pem);
  std::string other = folder.write("o.pem", net::make_development_certificate("x", 2)->key_pem);
  const std::string admin = "admin: {token: 0123456789abcdef}\n";
  auto listener = [&](const std::string& keys) {
    return only_error(admin + "listeners:\n  - name: a\n    " + keys + "\n");
  };
  starts(listener("tls: sometimes"),
         "ringfence.yaml:4: listeners[0].tls: is \"sometimes\"; use off or prefer or require or verify");
  starts(listener("tls_key_file: " + key),
         "ringfence.yaml:4: listeners[0].tls_key_file: stands without tls_certificate_file");
  starts(
      listener("tls_certificate_file: " + certificate + "\n    tls_key_file: " + other),
      "ringfence.yaml:4: listeners[0].tls_certificate_file: cannot be used: the private key does not belong");
  starts(listener("tls_certificate_file: /nowhere/c.pem\n    tls_key_file: " + key),
         "ringfence.yaml:4: listeners[0].tls_certificate_file: cannot be used: /nowhere/c.pem");
  starts(listener("tls: verify"),
         "ringfence.yaml:4: listeners[0].tls: is verify, which checks clients' certificates");
  starts(listener("tls_client_login: certificate"),
         "ringfence.yaml:4: listeners[0].tls_client_login: has no meaning without");
  starts(listener("tls: off\n    tls_client_ca_file: " + certificate),
         "ringfence.yaml:5: listeners[0].tls_client_ca_file: has no meaning while tls is off");
  starts(listener("path: /run/x/.s\n    tls: require"),
         "ringfence.yaml:5: listeners[0].tls: has no meaning beside a path");
  CHECK(parse(admin + "listeners: [{name: a, tls: verify, tls_client_ca_file: " + certificate +
              ", tls_certificate_file: " + certificate + ", tls_key_file: " + key +
              ", tls_client_users: [{certificate: X, user: x}]}]\n")
            .config);
  auto target = [&](const std::string& keys) {
    return only_error(
        minimal + "targets:\n  - {name: t, host: h, user: u}\n  - name: s\n    host: h\n    user: u\n    " +
        keys + "\n");
  };
  starts(target("sslmode: verify-full"),
         "ringfence.yaml:10: targets[1].sslmode: checks the server's certificate");
  starts(target("sslmode: no"),
         "ringfence.yaml:10: targets[1].sslmode: is \"no\"; use disable or allow or prefer");
  starts(target("sslrootcert: system"), "ringfence.yaml:10: targets[1].sslrootcert: is system");
  starts(target("sslrootcert: /nowhere"),
         "ringfence.yaml:10: targets[1].sslrootcert: cannot be used: /nowhere");
  starts(target("sslmode: disable\n    channel_binding: require"),
         "ringfence.yaml:11: targets[1].channel_binding: is require");
  starts(target("sslcrl: " + certificate),
         "ringfence.yaml:10: targets[1].sslcrl: has no meaning without sslrootcert");
}
