#include "appliance.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <future>

#include "answer_question.h"
#include "app/config/state_directory.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/base/run_as.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/net/listener.h"
#include "ringfence/sql/secret_names.h"

namespace ringfence::app {

using audit::Category;
using audit::EventBuilder;
using audit::Outcome;
using audit::Severity;
using audit::Tag;

namespace {

constexpr unsigned worker_threads = 2;
constexpr size_t worker_backlog_max = 4096;  // Logins that wait for a key or a name look-up.
constexpr unsigned analysis_threads = 2;
// Each is of another user or shard; of more the last would be too late for its session, which waits 30 s.
constexpr size_t analysis_backlog_max = 256;
// Each check takes 64 MiB of memory and a tenth of a second.
constexpr unsigned password_threads = 2;
constexpr size_t password_backlog_max = 64;
constexpr unsigned sync_threads_max = 4;  // More would wait for the same disk.

// Records go nowhere: audit.enabled is false.
class NoTrail final : public audit::RecordSpace {
 public:
  NoTrail() : scratch_(audit::record_bytes_max) {}
  char* reserve(size_t size_max) override {
    RINGFENCE_ASSERT(size_max <= scratch_.size());
    return scratch_.data();
  }
  uint64_t publish(audit::RecordKind, size_t, uint64_t) override { return ++seq_; }

 private:
  std::vector<char> scratch_;
  uint64_t seq_ = 0;
};

// Sockets are descriptors; a low soft limit is the commonest reason for refused connections.
void raise_limits() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  // Memory holds credentials; no core file is to hold them too.
  rlimit core{0, 0};
  getrlimit(RLIMIT_CORE, &core);
  core.rlim_cur = 0;
  setrlimit(RLIMIT_CORE, &core);
}

}  // namespace

Appliance::Appliance(Config config) : config_(std::move(config)), store_(config_), started_us_(wall_us()) {}

Appliance::~Appliance() {
  admin_.reset();
  if (!admin_shard_) return;
  admin_shard_->stop();
  admin_shard_->join();
}

// ---------------------------------------------------------------- starting

Result<void> Appliance::start() {
  raise_limits();
  sql::SecretNames::use(config_.audit.redact_names);
  auto probe = ring::probe();
  if (!probe) return unexpected(std::move(probe).error());
  log_info("starting", {{"version", RINGFENCE_VERSION},
                        {"node", config_.node},
                        {"kernel", probe->kernel},
                        {"bundles", probe->bundles ? "yes" : "no"}});
  if (auto made = make_state_directory(config_.state_dir); !made) return made;
  auto secret = node_secret(config_.state_dir + "/scram.secret");
  if (!secret) return unexpected(std::move(secret).error());
  mock_secret_ = std::move(*secret);
  if (auto kept = start_config_keeper(); !kept) return kept;
  kernel_tls_ = choose_kernel_tls(config_.tls_kernel);
  tls_.allow_kernel(kernel_tls_.use);
  log_info(
      "TLS",
      {{"library", net::tls_library()}, {"sending", kernel_tls_.sending}, {"receiving", "by this process"}});
  if (auto loaded = tls_.start(config_, wall_us() / 1'000'000); !loaded) return loaded;
  // Ports first: a taken one is the commonest mistake, and is told at once.
  if (auto listening = listen(); !listening) return listening;
  workers_ = std::make_unique<ring::Workers>(worker_threads, worker_backlog_max);
  if (auto up = start_admin(); !up) return up;
  if (auto up = start_store(); !up) return up;
  if (auto up = start_trail(); !up) return up;
  if (auto up = start_data_shards(); !up) return up;
  if (auto up = start_control(); !up) return up;
  accept_connections();
  std::vector<proxy::ShardCore*> cores;
  for (DataShard& data : data_shards_) cores.push_back(data.core.get());
  sessions_->serve(std::move(cores));
  phase_ = Phase::running;
  main_events_.publish(control::new_event("appliance_started", Severity::info, Outcome::success)
                           .text(Tag::metadata, "{\"version\":\"" RINGFENCE_VERSION "\"}"));
  log_info("ready", {{"admin", config_.admin.address + ":" + std::to_string(config_.admin.port)},
                     {"shards", std::to_string(data_shards_.size())},
                     {"users", std::to_string(config_.users.size())},
                     {"targets", std::to_string(config_.targets.size() + config_.tcp_targets.size())}});
  return {};
}

// The socket unit's socket where there is one, else one of our own.
Result<int> Appliance::listen_for(const model::Listener& listener, const std::string& setting) {
  Result<net::Address> address = listener.path.empty() ? net::numeric_address(listener.address, listener.port)
                                                       : net::unix_address(listener.path);
  if (!address) return unexpected(std::move(address).error().in(setting + "address"));
  auto inherited = take_inherited(inherited_, listener.name, *address);
  if (!inherited)
    return unexpected(std::move(inherited).error().in(setting + (listener.path.empty() ? "port" : "path")));
  bool is_inherited = inherited->has_value();
  if (!listener.path.empty() && !is_inherited) {
    auto safe = check_folder(std::filesystem::path(listener.path).parent_path(), Sticky::allowed);
    if (!safe) return unexpected(std::move(safe).error().in(setting + "path"));
  }
  auto fd = is_inherited ? Result<int>(**inherited)
                         : net::listen(*address, setting + (listener.path.empty() ? "port" : "path"));
  if (!fd) return fd;
  // Who may use a Unix socket is decided by the login, as on TCP.
  if (!listener.path.empty() && !is_inherited) ::chmod(listener.path.c_str(), 0777);
  if (is_inherited) log_info("listening on the socket unit's socket", {{"listener", listener.name}});
  auto facts = std::make_shared<proxy::ListenerFacts>();
  facts->name = listener.name;
  facts->transport = listener.path.empty() ? "tcp" : "unix";
  facts->connections_max = listener.connections_max;
  listening_.push_back({*fd, std::move(facts), nullptr, listener.is_tcp(), is_inherited});
  return fd;
}

Result<void> Appliance::listen() {
  auto inherited = inherited_sockets();
  if (!inherited) return unexpected(std::move(inherited).error());
  inherited_ = std::move(*inherited);
  for (size_t i = 0; i < config_.listeners.size(); ++i) {
    auto fd = listen_for(config_.listeners[i], "listeners[" + std::to_string(i) + "].");
    if (!fd) return unexpected(std::move(fd).error());
  }
  if (!inherited_.empty()) {
    return fail(Fault::conflict,
                "a socket unit passed a socket named \"" + inherited_[0].name + "\" for " +
                    to_string(inherited_[0].address) +
                    ", and no listener of that name is left; its FileDescriptorName= is a listener's name");
  }
  auto address = net::numeric_address(config_.admin.address, config_.admin.port);
  if (!address) return unexpected(std::move(address).error().in("admin.address"));
  auto fd = net::listen(*address, "admin.port");
  if (!fd) return unexpected(std::move(fd).error());
  admin_fd_ = *fd;
  return {};
}

Result<void> Appliance::start_store() {
  if (!config_.audit.enabled) return {};
  notify_status(config_.store.embedded ? "starting the embedded store" : "connecting to the store");
  if (auto started = store_.start(); !started) return started;
  return {};
}

Result<void> Appliance::start_trail() {
  const unsigned shards = shards_of(config_);
  data_shards_.resize(shards);
  if (!config_.audit.enabled) {
    log_warning("the audit trail is off (audit.enabled: false): nothing that passes is recorded");
    return {};
  }
  auto trail = audit::Trail::open(trail_options(config_, shards, store_));
  if (!trail) return unexpected(std::move(trail).error().in("audit trail"));
  trail_ = std::move(*trail);
  return {};
}

Result<void> Appliance::start_data_shards() {
  snapshot_ = make_snapshot(config_);
  questions_->use(snapshot_);
  analysts_ = std::make_unique<ring::Workers>(analysis_threads, analysis_backlog_max);
  const auto shards = static_cast<unsigned>(data_shards_.size());
  const bool has_syncs = trail_ && config_.audit.durability == Durability::disk;
  syncers_ = std::make_unique<ring::Workers>(has_syncs ? std::min(shards, sync_threads_max) : 0, shards);
  // With cores to spare each shard keeps one; on a small machine the scheduler knows better.
  if (config_.spin && usable_cores() > 1) spare_cores_ = std::make_unique<ring::SpareCores>();
  bool pin = data_shards_.size() == usable_cores() && data_shards_.size() > 2;
  for (unsigned i = 0; i < data_shards_.size(); ++i) {
    DataShard& data = data_shards_[i];
    ring::ShardOptions options;
    options.name = "rf-shard-" + std::to_string(i);
    options.cpu = pin ? static_cast<int>(i) : -1;
    options.spare_cores = spare_cores_.get();
    data.shard = std::make_unique<ring::Shard>(options);
    if (!trail_) data.no_trail = std::make_unique<NoTrail>();
    audit::RecordSpace& space =
        trail_ ? static_cast<audit::RecordSpace&>(trail_->journal(i)) : *data.no_trail;
    proxy::ShardCore::Options core;
    auto seed = crypto::random_array<sizeof core.id_seed + sizeof core.hash_key>();
    if (!seed) return unexpected(std::move(seed).error());
    core.index = i;
    core.node = config_.node;
    core.volume = &volume_;
    if (trail_) core.sealer = &trail_->sealer();
    core.console = &console_;
    core.key_used = [this](const Uuid& key) {
      // A use that finds no room in the mailbox is left out.
      (void)admin_shard_->post([this, key] { key_uses_.note(key, admin_shard_->now_us()); });
    };
    core.failures_window_ms = config_.audit.failures_window_ms;
    std::memcpy(&core.id_seed, seed->data(), sizeof core.id_seed);
    std::memcpy(&core.hash_key, seed->data() + sizeof core.id_seed, sizeof core.hash_key);
    if (has_syncs) {
      audit::Journal* journal = &trail_->journal(i);
      core.sync = [journal] { return journal->sync(journal->published_position()); };
    }
    const proxy::ShardWorkers workers(*workers_, *analysts_, *syncers_);
    data.core = std::make_unique<proxy::ShardCore>(core, *data.shard, space, workers, snapshot_);
    data.pg = std::make_unique<proxy::PgShard>(*data.core);
    data.tcp = std::make_unique<proxy::TcpShard>(*data.core);
    if (trail_) {
      proxy::ShardCore* owner = data.core.get();
      ring::Shard* shard = data.shard.get();
      trail_->journal(i).on_room(
          [shard, owner] { return shard->post([owner] { owner->trail_has_room(); }); });
    }
  }
  std::vector<proxy::ShardCore*> cores;
  std::vector<proxy::PgShard*> pgs;
  for (DataShard& data : data_shards_) {
    cores.push_back(data.core.get());
    pgs.push_back(data.pg.get());
  }
  for (DataShard& data : data_shards_) {
    data.core->set_peers(cores);
    data.pg->set_peers(pgs);
  }
  for (DataShard& data : data_shards_) {
    auto started = data.shard->start();
    if (!started) return unexpected(std::move(started).error().in("data shard"));
    data.shard->deliver([core = data.core.get()] { core->begin(); });
  }
  if (trail_) trail_->start();
  return {};
}

// One acceptor hands each socket to the shard with the fewest connections.
void Appliance::accept_connections() {
  ring::Shard& acceptor = *data_shards_[0].shard;
  acceptor.post([this, &acceptor] {
    for (Listening& listening : listening_) {
      listening.listener = std::make_unique<net::Listener>(
          acceptor, listening.fd, [this, facts = listening.facts, is_tcp = listening.is_tcp](int fd) {
            DataShard* least = &data_shards_[0];
            for (DataShard& data : data_shards_) {
              if (data.core->load() < least->core->load()) least = &data;
            }
            least->core->hand_over(fd, least->protocol(is_tcp), facts);
          });
    }
  });
}

Result<void> Appliance::start_admin() {
  ring::ShardOptions shard;
  shard.name = "rf-admin";
  shard.ring.entries = 256;
  shard.ring.buffers = 64;
  admin_shard_ = std::make_unique<ring::Shard>(shard);
  auto started = admin_shard_->start();
  if (!started) return unexpected(std::move(started).error().in("admin shard"));
  sessions_ = std::make_unique<control::Sessions>(*admin_shard_, admin_events_);
  console_.serve(*admin_shard_, *sessions_, [this] { return stats(); });
  console_.use(config_);
  questions_ = std::make_unique<control::Questions>(
      *admin_shard_, admin_events_,
      [this](const proxy::Snapshot& snapshot, const std::string& question, const std::string& by) {
        return answer_question(snapshot, question, by, trail_ ? &trail_->sealer() : nullptr);
      });
  make_target_desk();
  trail_questions_ = std::make_unique<control::TrailQuestions>(*admin_shard_, admin_events_);
  admin::AdminOptions options;
  options.token_digest = crypto::sha256(config_.admin.token.reveal());
  options.metrics_public = config_.admin.metrics_public;
  options.node = config_.node;
  password_workers_ = std::make_unique<ring::Workers>(password_threads, password_backlog_max);
  auto passwords = auth::PasswordChecker::make(*password_workers_);
  if (!passwords) return unexpected(std::move(passwords).error());
  passwords_ = std::move(*passwords);
  const admin::Sources sources = admin_sources();
  std::promise<void> up;
  admin_failures_ = std::make_unique<proxy::FailureReports>(
      *admin_shard_, config_.audit.failures_window_ms, [this](EventBuilder told) {
        const uint64_t now = wall_us();
        told.id(control::new_event_id(now)).ts(now);
        return !trail_ || told.publish(trail_->journal(admin_producer()));
      });
  admin_shard_->post([&] {
    admin_ = std::make_unique<admin::AdminServer>(*admin_shard_, options, sources);
    if (config_.admin.tls) admin_->use_tls(tls_.admin());
    admin_->listen(std::exchange(admin_fd_, -1));
    up.set_value();
  });
  up.get_future().wait();
  return {};
}

admin::Sources Appliance::admin_sources() {
  admin::Sources sources;
  sources.readiness = [this] { return readiness(); };
  sources.metrics = [this](MetricsWriter& out) { write_metrics(out); };
  sources.stats = [this] { return stats(); };
  sources.sessions = sessions_.get();
  sources.configuration = config_keeper_.get();
  sources.explain = [this](std::string question, std::string by,
                           std::function<void(control::PolicyAnswer)> done) {
    questions_->ask(std::move(question), std::move(by), std::move(done));
  };
  sources.authentication_failed = [this](const admin::AuthenticationFailure& f) { authentication_failed(f); };
  sources.logged_in = [this](const control::LoginEvent& event) {
    admin_events_.publish(control::event_of(event));
  };
  add_target_sources(sources);
  if (!config_.audit.enabled) return sources;  // There is no store, and so there are no users.
  sources.in_force = [this] { return records_.in_force(); };
  sources.check_password = [this](auth::PasswordAttempt attempt,
                                  std::function<void(auth::PasswordAnswer)> done) {
    passwords_->check(std::move(attempt), *admin_shard_, std::move(done));
  };
  sources.records = &records_;
  sources.keys = &records_;
  sources.trail = trail_questions_.get();
  sources.key_used = [this](const Uuid& key) { key_uses_.note(key, admin_shard_->now_us()); };
  return sources;
}

// The first one is an event at once, those like it are counted.
void Appliance::authentication_failed(const admin::AuthenticationFailure& failure) {
  const std::string reason =
      failure.reason + " " +
      (failure.proof.empty() || failure.proof == "admin token" ? "token" : failure.proof);
  const bool is_first = admin_failures_->is_first(
      {audit::Category::system, "admin_auth_failed", failure.client_addr, failure.user, reason, {}});
  if (!is_first) return;
  EventBuilder out = control::new_event("admin_auth_failed", Severity::warning, Outcome::denied);
  out.text(Tag::client_addr, failure.client_addr).text(Tag::reason, reason);
  if (!failure.user.empty()) out.text(Tag::user_name, failure.user);
  if (!failure.api_key.empty()) out.text(Tag::api_key, failure.api_key);
  out.text(Tag::entity_type, "admin_route").text(Tag::entity_id, failure.method + " " + failure.path);
  admin_events_.publish(out);
}

void Appliance::be_watched(Watchdog& watchdog) {
  for (size_t i = 0; i < data_shards_.size(); ++i) {
    ring::Shard* shard = data_shards_[i].shard.get();
    watchdog.add("data shard " + std::to_string(i),
                 [shard](ring::Job job) { return shard->post(std::move(job)); });
  }
  watchdog.add("admin shard",
               [shard = admin_shard_.get()](ring::Job job) { return shard->post(std::move(job)); });
  if (!trail_) return;
  // A store that does not answer is the store's fault: records wait in the journals, and /readyz says so.
  watchdog.add_turning("trail writer", [trail = trail_.get()]() -> std::optional<uint64_t> {
    audit::WriterStatus writer = trail->status().writer;
    if (writer.waits_for_store || writer.state == audit::WriterState::conflict) return std::nullopt;
    return writer.turns;
  });
}

std::string Appliance::status_line() const {
  uint64_t sessions = 0;
  for (const DataShard& data : data_shards_) {
    if (data.core) sessions += data.core->counters.sessions_open.get();
  }
  admin::Readiness ready = readiness();
  return (ready.is_ready ? "" : ready.reason + "; ") + std::to_string(sessions) +
         (sessions == 1 ? " session" : " sessions") + ", " + std::to_string(config_.users.size()) +
         " users, " + std::to_string(config_.targets.size() + config_.tcp_targets.size()) + " targets";
}

}  // namespace ringfence::app
