// What the admin shard shows, as values, and where it asks for them. Whoever wires the process implements
// these.
//
// The functions are called on the admin shard's thread and never block. What lives on other shards is asked
// for and answered later; a busy shard's answer may be late, and the one who asked gives up after a while.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ringfence/auth/password_checker.h"
#include "ringfence/base/metrics_writer.h"
#include "ringfence/control/config_directory.h"
#include "ringfence/control/in_force.h"
#include "ringfence/control/key_directory.h"
#include "ringfence/control/login_event.h"
#include "ringfence/control/policy_answer.h"
#include "ringfence/control/privilege_question.h"
#include "ringfence/control/record_directory.h"
#include "ringfence/control/session_directory.h"
#include "ringfence/control/trail_directory.h"

namespace ringfence::admin {

struct Readiness {
  bool is_ready = false;
  std::string reason;  // Why not, for people: "draining", "the trail cannot be written: …".
};

struct TrailStats {
  std::string state;             // "off", or the writer's (audit::WriterState): "starting", "running" ….
  uint64_t journal_bytes = 0;    // Not yet in the store.
  uint64_t journal_records = 0;  // Likewise.
  uint64_t oldest_age_us = 0;    // Of the oldest of them.
  uint64_t committed_rows = 0;
  uint64_t batches = 0;
  uint64_t dropped = 0;
};

struct StatsSnapshot {
  std::string state;  // "starting", "ready", "draining", "failing_closed".
  uint64_t started_at_us = 0;
  unsigned shards = 0;
  uint64_t sessions_open = 0;
  uint64_t sessions_total = 0;
  uint64_t sessions_refused = 0;
  std::vector<std::pair<std::string, uint64_t>> statements;  // By outcome.
  uint64_t bytes_to_client = 0;
  uint64_t bytes_to_server = 0;
  uint64_t logins_succeeded = 0;
  uint64_t logins_failed = 0;
  TrailStats trail;
};

using control::PolicyAnswer;
using control::RecordDirectory;
using control::SessionDirectory;

// A request whose proof did not hold, or that has none.
struct AuthenticationFailure {
  std::string client_addr;
  std::string method;  // Of HTTP.
  std::string path;
  std::string reason;   // "missing", "wrong", "malformed", "expired", "revoked", "unknown".
  std::string proof;    // "admin token", "password", "api key", "browser session"; empty: there is none.
  std::string user;     // Whom the request says that it comes from, whether there is such a user or not.
  std::string api_key;  // Its prefix.
};

struct Sources {
  std::function<Readiness()> readiness;
  std::function<void(MetricsWriter&)> metrics;
  std::function<StatsSnapshot()> stats;
  SessionDirectory* sessions = nullptr;  // Outlives the server.
  // Takes the question's JSON and answers later, as SessionDirectory does; `by` says who asked, for the
  // trail.
  std::function<void(std::string question, std::string by, std::function<void(PolicyAnswer)> done)> explain;
  // For the trail.
  std::function<void(const AuthenticationFailure&)> authentication_failed;

  // Of the control plane. Without them there are no users: the administrator's token is the only proof.
  // Gives null until the store has been read.
  std::function<control::InForcePtr()> in_force;
  // As PasswordChecker::check() does.
  std::function<void(auth::PasswordAttempt, std::function<void(auth::PasswordAnswer)> done)> check_password;
  RecordDirectory* records = nullptr;                 // Outlives the server.
  control::KeyDirectory* keys = nullptr;              // Likewise.
  control::ConfigDirectory* configuration = nullptr;  // Likewise.
  control::TrailDirectory* trail = nullptr;           // Outlives the server; null: there is no trail to read.
  // An API key has proved something.
  std::function<void(const Uuid& key)> key_used;
  // For the trail.
  std::function<void(const control::LoginEvent&)> logged_in;
  // Tries a target's server; `which` is an id or a name, `done` as RecordDirectory has it.
  std::function<void(const std::string& which, control::Actor actor,
                     std::function<void(control::Answer)> done)>
      test_target;
  // Asks a target's server about privileges there, likewise.
  std::function<void(const std::string& which, control::PrivilegeQuestion question, control::Actor actor,
                     std::function<void(control::Answer)> done)>
      ask_privileges;
};

}  // namespace ringfence::admin
