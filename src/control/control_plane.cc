#include "ringfence/control/control_plane.h"

#include <atomic>
#include <mutex>

#include "change_rules.h"
#include "encryption_keys.h"
#include "follower.h"
#include "refusal_tally.h"
#include "ringfence/base/base64.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/base/state_file.h"
#include "ringfence/control/registry.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/ring/workers.h"
#include "ringfence/store/migrate.h"

namespace ringfence::control {

namespace {

constexpr uint64_t follow_ms = 5'000;
constexpr int statement_s = 10;
constexpr uint64_t expire_requests_ns = 2'000'000'000;
constexpr size_t first_password_bytes = 18;
constexpr const char* first_password_file = "initial-admin-password";

}  // namespace

struct ControlPlane::Parts {
  Parts(ControlPlaneOptions given, std::unique_ptr<KeyKeeper> ring, KnownVersions versions,
        ring::Shard& shard)
      : options(std::move(given)),
        keeper(std::move(ring)),
        authority(keeper->authority()),
        keys(rotation_options(), *keeper),
        follower(options, authority, std::move(versions), hooks()),
        home(shard) {}

  RotationOptions rotation_options();
  FollowerHooks hooks();
  // Nothing: the question may be asked of the store.
  std::optional<Answer> make_ready();
  Answer work(const std::function<Answer(Registry&)>& question);
  Result<void> connect();
  // Once it is ready; of the worker's thread.
  Registry registry();
  // On the follower's thread.
  void look_at_requests();
  // Migrations, built-in roles, the first administrator. On the thread that follows, while nobody asks.
  Result<void> prepare();
  Result<void> make_first(store::Connection& at);

  ControlPlaneOptions options;
  std::unique_ptr<KeyKeeper> keeper;
  const Authority& authority;
  EncryptionKeys keys;
  Follower follower;
  ring::Shard& home;
  std::unique_ptr<store::Connection> connection;  // Of the worker's thread.
  // Not an atomic: that of libstdc++ 12 lets go of its lock without a release.
  std::mutex declared_lock;
  std::shared_ptr<const DeclaredRecords> declared;
  std::atomic<bool> is_closed{false};
  std::atomic<uint64_t> break_glass{0};
  RefusalTally refusals;                 // Of the worker's thread.
  uint64_t requests_due_ns = 0;          // Of the follower's thread.
  ring::Workers worker{1, waiting_max};  // The last member: its thread uses the others.
};

Result<void> ControlPlane::Parts::connect() {
  if (connection && connection->is_open()) return {};
  auto made = store::Connection::open(options.dsn, "ringfence control");
  if (!made) return unexpected(std::move(made.error()));
  connection = std::move(*made);
  return store::ControlRecords(*connection).bound(statement_s);
}

RotationOptions ControlPlane::Parts::rotation_options() {
  return {options.dsn, options.node,
          [this](const store::ControlRecord& record) { return follower.believes(record); },
          [this](const audit::EventBuilder& event) {
            if (options.tell) options.tell(event);
          }};
}

FollowerHooks ControlPlane::Parts::hooks() {
  return {[this] { return prepare(); }, [this] { return keys.look(); },
          [this](store::Connection& at) {
            keys.looked(at);
            look_at_requests();
          }};
}

std::optional<Answer> ControlPlane::Parts::make_ready() {
  if (is_closed) return unavailable("the appliance is shutting down");
  if (!follower.is_ready()) return unavailable("the store has not answered yet");
  if (auto connected = connect(); !connected) return unavailable(connected.error().message);
  return std::nullopt;
}

Registry ControlPlane::Parts::registry() {
  Registry out(*connection, authority, [this] { return options.space; }, options.scram_secret);
  {
    const std::lock_guard guard(declared_lock);
    out.declare(declared);
  }
  out.believe([this](const store::ControlRecord& record) { return follower.believes(record); });
  out.bound_refusals(&refusals);
  out.know([this](const std::string& record) { return follower.known_version(record); });
  return out;
}

Answer ControlPlane::Parts::work(const std::function<Answer(Registry&)>& question) {
  if (auto refused = make_ready()) return *refused;
  Registry registry = this->registry();
  Answer answer = question(registry);
  if (answer.revision == 0) return answer;
  const bool is_made = answer.kind == Answer::Kind::created && answer.body.is_object();
  if (is_made && answer.body.value("origin", "") == "break_glass") ++break_glass;
  const Written written{
      answer.changed, {answer.changed_version, answer.kind == Answer::Kind::deleted}, answer.revision};
  const Follower::Followed followed = follower.wait_for(written, follow_ms);
  if (followed == Follower::Followed::yes) return answer;
  if (followed == Follower::Followed::lost)
    return refusal(Answer::Kind::conflict,
                   "the store has confirmed the change and does not show it: the record is not in force; see "
                   "the trail's events");
  return unavailable("the change was made, and this node has not followed it yet; read the record");
}

void ControlPlane::Parts::look_at_requests() {
  if (mono_ns() < requests_due_ns) return;
  requests_due_ns = mono_ns() + expire_requests_ns;
  (void)worker.post([this] {
    if (make_ready()) return;
    Registry registry = this->registry();
    (void)registry.expire_requests();
  });
}

Result<void> ControlPlane::Parts::prepare() {
  auto owner = store::Connection::open(options.owner_dsn, "ringfence migrations");
  if (!owner) return unexpected(std::move(owner.error()));
  if (auto migrated = store::migrate(**owner); !migrated) return unexpected(std::move(migrated.error()));
  owner->reset();
  auto at = store::Connection::open(options.dsn, "ringfence control");
  if (!at) return unexpected(std::move(at.error()));
  if (auto bounded = store::ControlRecords(**at).bound(statement_s); !bounded) return bounded;
  return make_first(**at);
}

// The first administrator has a random password, in a file for root and the appliance alone: a log may be
// read by others. The file is there before the user: a password that nobody can read would lock everybody
// out.
Result<void> ControlPlane::Parts::make_first(store::Connection& at) {
  Registry registry(at, authority, [this] { return options.space; }, options.scram_secret);
  bool is_written = false;
  auto first = registry.make_first([&]() -> Result<model::Secret> {
    auto random = crypto::random_bytes(first_password_bytes);
    if (!random) return unexpected(std::move(random.error()));
    std::string password = base64_encode(*random);
    // One may be there of an earlier start that did not get as far as the user.
    auto written = replace_file(options.state_directory, first_password_file, password + "\n");
    model::Secret out(password);
    crypto::secure_zero(password);
    if (!written) return unexpected(std::move(written.error()));
    is_written = true;
    return out;
  });
  if (is_written && (!first || !first->is_made))
    (void)remove_file(options.state_directory, first_password_file);
  if (!first) return unexpected(std::move(first.error()));
  if (!first->is_made) return {};
  log_warning(
      "the first administrator was made; the password must be changed at the first login",
      {{"user", first->user}, {"password_file", options.state_directory + "/" + first_password_file}});
  return {};
}

Result<std::unique_ptr<ControlPlane>> ControlPlane::open(ControlPlaneOptions options, ring::Shard& home) {
  auto keeper = KeyKeeper::open(options.keys, options.state_directory);
  if (!keeper) return unexpected(std::move(keeper.error()));
  log_info("key ring", {{"kind", std::string((*keeper)->kind())},
                        {"place", (*keeper)->place()},
                        {"current", (*keeper)->ring()->current_id()}});
  auto versions = KnownVersions::open(options.state_directory + "/control.versions");
  if (!versions) return unexpected(std::move(versions.error()));
  auto parts = std::make_unique<Parts>(std::move(options), std::move(*keeper), std::move(*versions), home);
  if (auto started = parts->follower.start(); !started) return unexpected(std::move(started.error()));
  return std::unique_ptr<ControlPlane>(new ControlPlane(std::move(parts)));
}

ControlPlane::ControlPlane(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

ControlPlane::~ControlPlane() {
  close();
  parts_->keys.stop();
  parts_->follower.stop();
}

void ControlPlane::close() { parts_->is_closed = true; }

ControlStatus ControlPlane::status() const {
  ControlStatus out;
  out.heard_ns = parts_->follower.heard_ns();
  out.rejected = parts_->follower.rejected();
  out.key_problem = parts_->follower.key_problem();
  out.break_glass = parts_->break_glass;
  const InForcePtr now = in_force();
  if (!now) return out;
  out.revision = now->revision;
  out.users = now->users.size();
  out.keys = now->keys.size();
  out.targets = now->targets.size();
  return out;
}

void ControlPlane::declare(std::shared_ptr<const DeclaredRecords> declared) {
  const std::lock_guard guard(parts_->declared_lock);
  parts_->declared = std::move(declared);
}

InForcePtr ControlPlane::in_force() const { return parts_->follower.in_force(); }

void ControlPlane::ask(std::function<Answer(Registry&)> question, std::function<void(Answer)> done) {
  post([&parts = *parts_, question = std::move(question)] { return parts.work(question); }, std::move(done));
}

void ControlPlane::ask_keys(KeyAction action, std::string which, model::Json given, Actor actor,
                            std::function<void(Answer)> done) {
  post(
      [&parts = *parts_, action, which = std::move(which), given = std::move(given),
       actor = std::move(actor)]() -> Answer {
        if (auto refused = parts.make_ready()) return *refused;
        const Registry registry = parts.registry();
        store::ControlRecords records(*parts.connection);
        if (auto gone = ChangeRules(registry, records, actor).check_actor()) return *gone;
        return parts.keys.ask(action, which, given, actor, *parts.connection, parts.options.space,
                              parts.follower.key_problem());
      },
      std::move(done));
}

void ControlPlane::post(std::function<Answer()> question, std::function<void(Answer)> done) {
  Parts& parts = *parts_;
  if (parts.is_closed) {
    done(unavailable("the appliance is shutting down"));
    return;
  }
  const bool is_taken = parts.worker.post([&parts, question = std::move(question), done] {
    parts.home.deliver([done, answer = question()] { done(answer); });
  });
  if (!is_taken) done(unavailable("too many requests wait for the store; try again"));
}

}  // namespace ringfence::control
