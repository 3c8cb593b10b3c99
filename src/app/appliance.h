// The whole appliance, wired: who owns what, who starts before whom, who stops after whom.
//
// start() brings everything up in order and fails with the cure; stop() drains and takes it down in the
// opposite order. Both run on the main thread, which owns all of it and is itself a producer of events.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "config_keeper.h"
#include "console.h"
#include "kernel_tls_choice.h"
#include "ringfence/admin/api/admin_server.h"
#include "ringfence/admin/api/sources.h"
#include "ringfence/app/config/config.h"
#include "ringfence/audit/trail.h"
#include "ringfence/auth/password_checker.h"
#include "ringfence/control/control_plane.h"
#include "ringfence/control/events.h"
#include "ringfence/control/key_uses.h"
#include "ringfence/control/plane_records.h"
#include "ringfence/control/questions.h"
#include "ringfence/control/sessions.h"
#include "ringfence/control/target_desk.h"
#include "ringfence/control/trail_questions.h"
#include "ringfence/proxy/core/failure_reports.h"
#include "ringfence/proxy/pg/pg_shard.h"
#include "ringfence/proxy/tcp/tcp_shard.h"
#include "ringfence/ring/shard.h"
#include "ringfence/ring/workers.h"
#include "service_manager.h"
#include "store_rules.h"
#include "tls_keeper.h"
#include "trail_options.h"
#include "watchdog.h"

namespace ringfence::app {

class Appliance {
 public:
  explicit Appliance(Config config);
  ~Appliance();

  Result<void> start();
  // Applies what can change while running: users, targets, limits, the admin token, the log. Gives the keys
  // that differ and need a restart. Fails, and changes nothing, when a certificate cannot be used.
  // `origin` and `by`: of the version that this makes (control/config_history.h).
  Result<std::vector<std::string>> reload(Config config, std::string origin = "reload", std::string by = "");
  // Every few seconds, and when SIGUSR1 came, on the main thread: certificates that changed, keys that are
  // due, versions of the configuration that somebody takes back.
  void tick();
  // No new sessions; running statements finish within limits.drain_ms; the trail is flushed. `hurry` is
  // looked at meanwhile: true cuts the waiting short.
  void stop(const std::atomic<bool>& hurry);
  // After start(): puts the threads on whom a session depends into the watchdog's list.
  void be_watched(Watchdog& watchdog);
  // One line for people: what it does and what is wrong.
  std::string status_line() const;

 private:
  enum class Phase : uint8_t { starting, running, draining };

  Result<void> start_store();
  Result<void> start_trail();
  Result<void> start_control();
  Result<void> start_data_shards();
  Result<void> listen();
  Result<int> listen_for(const model::Listener& listener, const std::string& setting);
  void stop_listening();
  void stop_admin();
  void forget_those_asked();
  void tell_admin_failures();
  Result<void> start_admin();
  admin::Sources admin_sources();
  void accept_connections();
  // What is in force becomes that of this configuration, on the main thread.
  void use_configuration(const Config& config);
  // And of what the store has, on the thread that follows it.
  void use_store(const control::InForcePtr& now);
  void distrusted(const std::string& record, const std::string& why);
  std::shared_ptr<proxy::Snapshot> make_snapshot(const Config& config);
  void use_snapshot();
  // Policies of both, and whether anybody has access.
  void use_policies(proxy::Snapshot& in, const std::shared_ptr<const policy::PolicySet>& configuration);
  // Whether what grants give still holds, after what was heard of the store.
  void look_at_grants();
  void take_reveal_requests();
  Result<void> start_config_keeper();
  void take_config_orders();
  control::Answer roll_back(const ConfigKeeper::Order& order);
  admin::Readiness readiness() const;
  admin::StatsSnapshot stats() const;
  void write_metrics(MetricsWriter& out) const;
  void write_tls_metrics(MetricsWriter& out) const;
  void write_control_metrics(MetricsWriter& out) const;
  void make_target_desk();
  void add_target_sources(admin::Sources& sources);
  // Of the configuration, by id or name.
  std::optional<control::TargetFacts> declared_target(const std::string& which);
  void authentication_failed(const admin::AuthenticationFailure& failure);
  audit::TrailStatus trail_status() const;
  audit::RecordSpace* journal(uint32_t producer) { return trail_ ? &trail_->journal(producer) : nullptr; }
  uint32_t admin_producer() const { return static_cast<uint32_t>(data_shards_.size()); }
  uint32_t main_producer() const { return admin_producer() + 1; }
  uint32_t control_producer() const { return main_producer() + 1; }

  struct Listening {
    int fd = -1;
    std::shared_ptr<proxy::ListenerFacts> facts;
    std::unique_ptr<net::Listener> listener;
    bool is_tcp = false;
    bool is_inherited = false;  // The socket unit's: it outlives us.
  };
  struct DataShard {
    std::unique_ptr<ring::Shard> shard;
    std::unique_ptr<audit::RecordSpace> no_trail;  // Where records go when the trail is off.
    std::unique_ptr<proxy::ShardCore> core;
    std::unique_ptr<proxy::PgShard> pg;
    std::unique_ptr<proxy::TcpShard> tcp;
    proxy::ProtocolShard& protocol(bool is_tcp) {
      if (is_tcp) return *tcp;
      return *pg;
    }
  };

  Config config_;
  StoreInUse store_;
  std::string mock_secret_;
  uint64_t started_us_ = 0;
  uint64_t generation_ = 0;
  std::atomic<Phase> phase_{Phase::starting};
  std::atomic<uint64_t> reloads_{0};
  std::atomic<uint64_t> reload_failures_{0};
  std::mutex snapshot_lock_;  // Around the three that follow.
  proxy::SnapshotPtr snapshot_;
  // When the store was heard of; the shards look at it, too.
  std::shared_ptr<std::atomic<uint64_t>> heard_ns_ = std::make_shared<std::atomic<uint64_t>>(0);
  control::InForcePtr in_force_;  // What of the store the snapshot has; null: nothing.
  AllPolicies policies_;
  TlsKeeper tls_;
  KernelTlsChoice kernel_tls_;
  std::unique_ptr<audit::Trail> trail_;
  std::unique_ptr<ring::Workers> workers_;         // For logins.
  std::unique_ptr<ring::Workers> analysts_;        // For statements that are too much for a shard.
  std::unique_ptr<ring::Workers> syncers_;         // For audit.durability: disk.
  std::unique_ptr<ring::SpareCores> spare_cores_;  // Null: nobody looks.
  proxy::TrailVolume volume_;
  std::vector<DataShard> data_shards_;
  std::vector<Listening> listening_;
  std::vector<InheritedSocket> inherited_;
  int admin_fd_ = -1;
  // Of the main thread's journal and the admin shard's.
  control::Events main_events_{[this] { return journal(main_producer()); }};
  control::Events admin_events_{[this] { return journal(admin_producer()); }};
  control::PlaneRecords records_;
  control::KeyUses key_uses_{[this](auto uses, auto done) { records_.note_key_uses(uses, done); }};
  Console console_;
  std::unique_ptr<ring::Shard> admin_shard_;
  std::unique_ptr<control::Sessions> sessions_;
  std::unique_ptr<control::Questions> questions_;
  std::unique_ptr<control::BudgetKeeper> budgets_;  // Null: there is no store.
  std::unique_ptr<control::TrailQuestions> trail_questions_;
  std::unique_ptr<ConfigKeeper> config_keeper_;
  std::unique_ptr<control::ControlPlane> control_;  // Null: there is no store.
  std::unique_ptr<control::TargetDesk> target_desk_;
  std::unique_ptr<ring::Workers> password_workers_;
  std::unique_ptr<auth::PasswordChecker> passwords_;
  std::unique_ptr<proxy::FailureReports> admin_failures_;  // Used on the admin shard's thread.
  std::unique_ptr<admin::AdminServer> admin_;
};

}  // namespace ringfence::app
