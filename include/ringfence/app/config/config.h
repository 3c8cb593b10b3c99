// The configuration: what ringfence.yaml and the environment say, checked whole.
//
// A Config that load_config gives is complete and in range: every default is filled in, every file that holds
// a secret has been read, every password of a user has become a SCRAM verifier. All errors of a file are
// found in one go; with any error there is no Config.
//
// Every key can be set by environment, its path in capitals joined by `_`: RINGFENCE_STATE_DIR,
// RINGFENCE_LISTENERS_0_PORT. The environment wins over the file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ringfence/app/config/env.h"
#include "ringfence/base/log.h"
#include "ringfence/model/limits.h"
#include "ringfence/model/listener.h"
#include "ringfence/model/pg_target.h"
#include "ringfence/model/secret.h"
#include "ringfence/model/tcp_target.h"
#include "ringfence/model/tls_files.h"
#include "ringfence/model/trail_rules.h"
#include "ringfence/model/user.h"

namespace ringfence::policy {
class PolicySet;
}

namespace ringfence::app {

struct LogConfig {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
};

using model::Secret;
using model::TlsFiles;

// Whose sending the kernel encrypts: that of streams, where a trial at the start found it sound and no
// dearer; every connection's, where it is sound; nobody's.
enum class KernelTlsMode : uint8_t { streams, always, off };

struct AdminConfig {
  std::string address = "127.0.0.1";
  uint16_t port = 8432;
  Secret token;
  bool metrics_public = false;
  bool tls = false;  // Unless said otherwise: when the address is not a loopback one.
  TlsFiles tls_files;
};

struct StoreConfig {
  bool embedded = true;
  Secret url;          // postgres://…; empty when embedded.
  Secret writer_url;   // As the role that may only insert; empty: the same as `url`.
  Secret control_url;  // As the role that owns what is managed by the API; empty: the same as `url`.
  Secret reader_url;   // As the role that may read the trail; empty: the same as `url`.
  // Of the control plane, where the first that is given has it; none: control.keys in the state directory.
  std::string key_ring_file;
  std::string key_ring_credential;  // A file of systemd's credentials.
  Secret key_ring;                  // RINGFENCE_KEY_RING, without its base64.
  std::string bin_dir;              // Of the PostgreSQL server's programs; empty: found. Embedded only.
  std::string run_as;               // The user that runs the embedded cluster; empty: chosen.
};

using model::Durability;
using model::OnFull;

struct AuditConfig : model::RecordLimits {
  bool enabled = true;
  uint64_t journal_segment_bytes = 16'777'216;
  uint64_t journal_max_bytes = 1'073'741'824;
  OnFull on_full = OnFull::fail_closed;
  Durability durability = Durability::process;
  uint32_t batch_rows = 10'000;
  uint32_t block_rows = 16;
  uint64_t batch_ms = 200;
  uint64_t join_ms = 1'000;
  uint64_t anchor_ms = 5'000;
  uint32_t retention_days = 90;
  uint64_t failures_window_ms = 10'000;
  std::vector<std::string> redact_names;  // Beside those of the table (sql/secret_names.h).
};

struct Config {
  std::string node;
  std::string state_dir = "/var/lib/ringfence";
  unsigned shards = 0;               // 0: one for each core.
  bool spin = true;                  // Shards look for work on cores that nobody uses before they sleep.
  model::NameForm application_name;  // Of targets that say nothing.
  LogConfig log;
  TlsFiles tls;  // What listeners and the admin API use that name none of their own.
  KernelTlsMode tls_kernel = KernelTlsMode::streams;
  std::vector<model::Listener> listeners;
  AdminConfig admin;
  StoreConfig store;
  AuditConfig audit;
  model::Limits limits;
  model::AccessRules access;
  std::vector<model::User> users;
  std::vector<model::PgTarget> targets;
  std::vector<model::TcpTarget> tcp_targets;
  std::shared_ptr<const policy::PolicySet> policies;
  // Where users and targets are declared, "ringfence.yaml:12": by "user ana" and "target shop".
  std::map<std::string, std::string> declared_at;
};

struct ConfigError {
  std::string file;  // "environment" for a variable.
  int line = 0;      // From 1; 0 where there is none.
  std::string key;   // "admin.port", or the variable's name.
  std::string message;
};
// "ringfence.yaml:12: admin.port: is 99999; use 0 to 65535".
std::string to_string(const ConfigError& error);

struct ConfigResult {
  std::optional<Config> config;  // Absent when there are errors.
  std::vector<ConfigError> errors;
  std::vector<ConfigError> warnings;
};

// Reads the file and the files that it names; blocks, and derives a key for each user with a password (a few
// milliseconds each), so never on a shard's thread.
ConfigResult load_config(const std::string& path, const Environment& environment);
// The same with the file's text at hand; `path` names it in errors and says where relative paths begin.
ConfigResult parse_config(const std::string& text, const std::string& path, const Environment& environment);

// The effective configuration for people, as YAML, every default filled in and every secret left out.
std::string describe_effective(const Config& config);

}  // namespace ringfence::app
