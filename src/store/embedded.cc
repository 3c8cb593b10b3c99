#include "ringfence/store/embedded.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/store/connection.h"
#include "store/cluster.h"
#include "store/leftover.h"
#include "store/socket_folder.h"
#include "store/user_folder.h"

namespace ringfence::store {
namespace {

constexpr const char* owner_role = "ringfence";
constexpr const char* writer_role = "ringfence_writer";
constexpr const char* reader_role = "ringfence_reader";
constexpr const char* control_role = "ringfence_control";
constexpr const char* database = "ringfence";
constexpr int restart_ms_min = 200;
constexpr int restart_ms_max = 5'000;

// Small, durable, made for COPY. Everything else is PostgreSQL's default.
constexpr const char* settings = R"(# Written by ringfence at each start; changes here are lost.
listen_addresses = ''
port = 5432
unix_socket_permissions = 0700
max_connections = 40
shared_buffers = 64MB
synchronous_commit = on
jit = off
fsync = on
full_page_writes = on
wal_level = minimal
max_wal_senders = 0
max_wal_size = 2GB
min_wal_size = 160MB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
wal_buffers = 16MB
autovacuum_naptime = 30s
logging_collector = off
log_destination = stderr
log_min_messages = warning
log_line_prefix = '%m [%p] '
log_checkpoints = off
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'ISO'
lc_messages = 'C'
dynamic_shared_memory_type = posix
)";

}  // namespace

struct EmbeddedStore::Impl {
  EmbeddedOptions options;
  std::string root;  // <state>/store
  std::string data;  // root/data
  SocketFolder sockets;
  std::string log;
  std::string bin_dir;
  RunAs user;

  std::thread supervisor;
  mutable std::mutex lock;
  std::condition_variable changed;
  bool is_stopping = false;
  std::atomic<pid_t> postmaster{0};
  std::atomic<unsigned> restarts{0};
  std::string failure;  // Why the supervisor could not start the server.

  Result<UserFolder> prepare_directories();
  Result<void> create_cluster(const UserFolder& folder);
  Result<void> write_settings();
  Result<void> wait_ready();
  Result<void> make_database();
  Result<pid_t> launch();
  void supervise();
  std::string dsn(const char* role, const char* name) const {
    // Root talks to nobody else's server, whatever stands in the socket's place.
    std::string peer = user.is_switched ? " requirepeer=" + quote_value(user.name) : "";
    return "host=" + quote_value(sockets.path()) + " port=5432 user=" + role + " dbname=" + name + peer;
  }
  static std::string quote_value(const std::string& value) {
    std::string out = "'";
    for (char c : value) {
      if (c == '\'' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    return out + "'";
  }
};

EmbeddedStore::EmbeddedStore(EmbeddedOptions options) : impl_(std::make_unique<Impl>()) {
  Impl& s = *impl_;
  std::error_code error;
  s.options = std::move(options);
  s.root = std::filesystem::absolute(s.options.state_directory, error).lexically_normal().string() + "/store";
  s.data = s.root + "/data";
  s.log = s.root + "/postgres.log";
  s.sockets = SocketFolder(s.root);
}

EmbeddedStore::~EmbeddedStore() { stop(); }

// The way to the store's folder is nobody else's; what is in the folder is its user's.
Result<UserFolder> EmbeddedStore::Impl::prepare_directories() {
  std::error_code error;
  if (auto safe = check_folder(options.state_directory); !safe)
    return unexpected(std::move(safe.error()).in("store"));
  std::filesystem::create_directories(options.state_directory, error);
  if (error) return fail(Fault::io, "store: create " + options.state_directory + ": " + error.message());
  if (auto traversable = check_traversable(root, user); !traversable)
    return unexpected(std::move(traversable.error()));
  // Through root's own link, say to another disk.
  std::string place = std::filesystem::weakly_canonical(root, error).string();
  if (error) return fail(Fault::io, "store: " + root + ": " + error.message());
  auto safe = check_folder(std::filesystem::path(place).parent_path().string());
  if (!safe) return unexpected(std::move(safe.error()).in("store"));
  if (::mkdir(place.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno(errno, "store: create " + place);
  if (auto given = give_folder(place, user); !given) return unexpected(std::move(given.error()));
  auto folder = UserFolder::open(place, user);
  if (!folder) return folder;
  root = place;
  data = root + "/data";
  log = root + "/postgres.log";
  auto opened = folder->open_log("postgres.log");
  if (!opened) return unexpected(std::move(opened.error()));
  ::close(*opened);
  if (auto made = sockets.make(*folder, user); !made) return unexpected(std::move(made.error()));
  return folder;
}

Result<void> EmbeddedStore::Impl::create_cluster(const UserFolder& folder) {
  auto known = UserFolder::open(data, user);
  if (!known && known.error().fault != Fault::not_found) return unexpected(std::move(known.error()));
  if (!known && options.is_read_only) return fail(Fault::not_found, "there is no store in " + data + " yet");
  std::string found = known ? known->first_line("PG_VERSION") : "";
  if (!found.empty()) {
    auto major = server_major(bin_dir, user);
    if (!major) return unexpected(std::move(major.error()));
    if (found != std::to_string(*major)) {
      return fail(Fault::conflict, "the embedded store in " + data + " was made by PostgreSQL " + found +
                                       ", " + bin_dir + " is version " + std::to_string(*major) +
                                       ": set store.bin_dir to version " + found +
                                       ", or upgrade the cluster with pg_upgrade");
    }
    return {};
  }
  // Made under another name and renamed when complete: an interrupted initdb leaves nothing to trip over.
  if (auto removed = folder.remove_all("data.new"); !removed) return removed;
  ChildOptions child;
  child.arguments = {bin_dir + "/initdb",
                     "--pgdata=" + data + ".new",
                     std::string("--username=") + owner_role,
                     "--encoding=UTF8",
                     "--locale=C",
                     "--auth=trust",
                     "--no-instructions",
                     "--data-checksums"};
  child.user = user;
  child.output_file = root + "/initdb.log";
  child.death_signal = SIGKILL;
  if (auto done = run(child, options.start_timeout_ms * 2); !done) return done;
  if (auto renamed = folder.rename("data.new", "data"); !renamed) return renamed;
  log_info("embedded store created", {{"directory", data}, {"bin_dir", bin_dir}});
  return {};
}

Result<void> EmbeddedStore::Impl::write_settings() {
  auto folder = UserFolder::open(data, user);
  if (!folder) return unexpected(std::move(folder.error()));
  auto written = folder->replace("ringfence.conf", std::string(settings) + "unix_socket_directories = " +
                                                       quote_value(sockets.path()) + "\n");
  if (!written) return written;
  // Who may connect is whoever may enter the socket's folder.
  return folder->replace(
      "pg_hba.conf",
      "# Written by ringfence at each start. The socket's folder is 0700.\nlocal all all trust\n");
}

Result<pid_t> EmbeddedStore::Impl::launch() {
  ChildOptions child;
  child.arguments = {bin_dir + "/postgres", "-D", data, "-c", "config_file=" + data + "/ringfence.conf"};
  if (options.is_read_only) {
    for (const char* setting : {"default_transaction_read_only=on", "autovacuum=off"})
      child.arguments.insert(child.arguments.end(), {"-c", setting});
  }
  child.user = user;
  child.output_file = log;
  child.directory = data;
  // A fast shutdown: what the trail's last transaction wrote needs no recovery.
  child.death_signal = SIGINT;
  return spawn(child);
}

// Owns the server process: its death signal is tied to this thread.
void EmbeddedStore::Impl::supervise() {
  int backoff_ms = restart_ms_min;
  bool is_first = true;
  std::unique_lock guard(lock);
  while (!is_stopping) {
    guard.unlock();
    if (!is_first && !options.is_read_only) {
      // After a kill of the postmaster alone its children hold the shared memory for a moment.
      if (auto clear = stop_leftover(data, user, options.stop_timeout_ms); !clear)
        log_error("embedded store", {{"error", clear.error().message}});
    }
    auto pid = launch();
    uint64_t launched = mono_ns();
    guard.lock();
    if (!pid) {
      failure = pid.error().message;
    } else {
      failure.clear();
      postmaster = *pid;
      if (is_stopping) ::kill(*pid, SIGINT);
      if (!is_first) restarts.fetch_add(1);
      changed.notify_all();
      guard.unlock();
      int status = 0;
      while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
      }
      guard.lock();
      postmaster = 0;
      failure = "the server ended with status " + std::to_string(status) + ": " + tail_of(log, user);
      if (!is_stopping) log_error("embedded store ended by itself", {{"status", std::to_string(status)}});
    }
    changed.notify_all();
    is_first = false;
    if (mono_ns() - launched > 30'000'000'000) backoff_ms = restart_ms_min;
    changed.wait_for(guard, std::chrono::milliseconds(backoff_ms), [&] { return is_stopping; });
    backoff_ms = std::min(backoff_ms * 2, restart_ms_max);
  }
}

Result<void> EmbeddedStore::Impl::wait_ready() {
  uint64_t deadline = mono_ns() + static_cast<uint64_t>(options.start_timeout_ms) * 1'000'000;
  std::string last = "not started";
  while (mono_ns() < deadline) {
    auto connection = Connection::open(dsn(owner_role, "postgres"), "ringfence start", 5);
    if (connection) return {};
    last = connection.error().message;
    std::unique_lock guard(lock);
    changed.wait_for(guard, std::chrono::milliseconds(30), [&] { return !failure.empty(); });
    if (!failure.empty() && restarts > 2) return fail(Fault::unavailable, "embedded store: " + failure);
  }
  return fail(Fault::timeout, "embedded store: not ready in time (" + last + "); see " + log);
}

Result<void> EmbeddedStore::Impl::make_database() {
  auto connection = Connection::open(dsn(owner_role, "postgres"), "ringfence start", 10);
  if (!connection) return unexpected(std::move(connection.error()));
  Connection& c = **connection;
  for (const char* role : {writer_role, reader_role, control_role}) {
    auto found = c.exec_params("SELECT 1 FROM pg_roles WHERE rolname = $1", {role});
    if (!found) return unexpected(std::move(found.error()));
    if (found->size() > 0) continue;
    if (auto made = c.exec(std::string("CREATE ROLE ") + role + " LOGIN"); !made) {
      return unexpected(std::move(made.error()));
    }
  }
  auto found = c.exec_params("SELECT 1 FROM pg_database WHERE datname = $1", {database});
  if (!found) return unexpected(std::move(found.error()));
  if (found->size() > 0) return {};
  auto made = c.exec(std::string("CREATE DATABASE ") + database + " OWNER " + owner_role);
  if (!made) return unexpected(std::move(made.error()));
  return {};
}

Result<void> EmbeddedStore::start() {
  Impl& s = *impl_;
  if (s.supervisor.joinable()) return {};
  auto bin_dir = find_bin_dir(s.options.bin_dir);
  if (!bin_dir) return unexpected(std::move(bin_dir.error()));
  s.bin_dir = *bin_dir;
  auto user = find_run_as(s.options.run_as);
  if (!user) return unexpected(std::move(user.error()));
  s.user = *user;
  auto folder = s.prepare_directories();
  if (!folder) return unexpected(std::move(folder.error()));
  if (auto done = s.create_cluster(*folder); !done) return done;
  if (!s.options.is_read_only) {
    if (auto done = stop_leftover(s.data, s.user, s.options.stop_timeout_ms); !done) return done;
  }
  if (auto done = s.write_settings(); !done) return done;
  s.is_stopping = false;
  s.supervisor = std::thread([&s] { s.supervise(); });
  auto ready = s.wait_ready();
  if (ready && !s.options.is_read_only) ready = s.make_database();
  if (!ready) {
    stop();
    return ready;
  }
  log_info("embedded store ready", {{"directory", s.data}, {"pid", std::to_string(pid())}});
  return {};
}

void EmbeddedStore::stop() {
  Impl& s = *impl_;
  if (!s.supervisor.joinable()) return;
  std::unique_lock guard(s.lock);
  s.is_stopping = true;
  s.changed.notify_all();
  pid_t pid = s.postmaster;
  if (pid > 0) {
    ::kill(pid, SIGINT);
    auto gone = [&] { return s.postmaster != pid; };
    if (!s.changed.wait_for(guard, std::chrono::milliseconds(s.options.stop_timeout_ms), gone)) {
      log_warning("embedded store: fast shutdown takes too long");
      ::kill(pid, SIGQUIT);
      if (!s.changed.wait_for(guard, std::chrono::seconds(5), gone)) ::kill(pid, SIGKILL);
    }
  }
  guard.unlock();
  s.supervisor.join();
}

bool EmbeddedStore::is_running() const { return impl_->postmaster > 0; }
int EmbeddedStore::pid() const { return impl_->postmaster; }
unsigned EmbeddedStore::restarts() const { return impl_->restarts; }
std::string EmbeddedStore::owner_dsn() const { return impl_->dsn(owner_role, database); }
std::string EmbeddedStore::writer_dsn() const { return impl_->dsn(writer_role, database); }
std::string EmbeddedStore::control_dsn() const { return impl_->dsn(control_role, database); }
std::string EmbeddedStore::reader_dsn() const { return impl_->dsn(reader_role, database); }
std::string EmbeddedStore::socket_directory() const { return impl_->sockets.path(); }
std::string EmbeddedStore::log_file() const { return impl_->log; }

}  // namespace ringfence::store
