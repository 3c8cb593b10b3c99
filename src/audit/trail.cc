#include "ringfence/audit/trail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "ringfence/audit/recovery.h"
#include "ringfence/base/log.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::audit {
namespace {

// How often the keeper looks whether a journal took its spare: a segment lasts far longer.
constexpr auto keep_interval = std::chrono::milliseconds(10);

Result<void> make_directory(const std::string& path, mode_t mode) {
  std::error_code error;
  bool is_new = std::filesystem::create_directories(path, error);
  if (error) return fail(Fault::io, "state directory: create " + path + ": " + error.message());
  if (is_new && mode != 0 && ::chmod(path.c_str(), mode) != 0) return fail_errno(errno, "state directory: " + path);
  return {};
}

// The node's signing key: made at the first start, readable by us alone.
Result<crypto::Ed25519KeyPair> node_key(const std::string& path) {
  crypto::Ed25519KeyPair pair{};
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    ssize_t n = ::read(fd, pair.private_key.data(), pair.private_key.size());
    struct stat info {};
    ::fstat(fd, &info);
    ::close(fd);
    if (n != static_cast<ssize_t>(pair.private_key.size()) || info.st_size != n) {
      return fail(Fault::malformed, "node key: " + path + " does not hold 32 bytes");
    }
    if ((info.st_mode & 077) != 0) {
      return fail(Fault::denied, "node key: " + path + " is readable by others: chmod 600 " + path);
    }
    auto public_key = crypto::ed25519_public_key(pair.private_key);
    if (!public_key) return unexpected(std::move(public_key.error()));
    pair.public_key = *public_key;
    return pair;
  }
  if (errno != ENOENT) return fail_errno(errno, "node key: " + path);
  auto made = crypto::ed25519_generate();
  if (!made) return made;
  std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(errno, "node key: " + temporary);
  ssize_t n = ::write(fd, made->private_key.data(), made->private_key.size());
  bool is_kept = n == static_cast<ssize_t>(made->private_key.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!is_kept || ::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno(errno, "node key: " + path);
  return made;
}

}  // namespace

struct Trail::Impl {
  TrailOptions options;
  std::unique_ptr<StateLock> state_lock;
  std::vector<std::unique_ptr<Journal>> journals;
  std::unique_ptr<Writer> writer;

  std::thread keeper;
  std::mutex lock;
  std::condition_variable wake;
  bool is_stopping = false;

  void keep();
  void end_keeper();
};

// Apart from the writer, because that one waits for the store.
void Trail::Impl::keep() {
  std::unique_lock guard(lock);
  while (!is_stopping) {
    guard.unlock();
    for (auto& journal : journals) journal->keep();
    guard.lock();
    wake.wait_for(guard, keep_interval, [&] { return is_stopping; });
  }
}

void Trail::Impl::end_keeper() {
  {
    std::lock_guard guard(lock);
    is_stopping = true;
    wake.notify_all();
  }
  if (keeper.joinable()) keeper.join();
}

namespace {

struct Beginning {
  uint64_t first_seq = 1;
  uint64_t first_segment = 0;
};

// Where a journal continues: behind all that is in its files and all that the store knows.
Result<Beginning> beginning_of(uint32_t producer, const std::vector<RecoveredJournal>& recovered,
                               const Result<std::vector<Checkpoint>>& stored, uint64_t segment_bytes) {
  Beginning out;
  bool is_known = stored.has_value();
  uint64_t end = 0;
  for (const RecoveredJournal& old : recovered) {
    if (old.producer != producer) continue;
    if (old.next_seq != 0) is_known = true;
    out.first_seq = std::max(out.first_seq, old.next_seq);
    end = std::max(end, old.end_position);
    for (const SegmentFile& file : old.segments) {
      out.first_segment = std::max(out.first_segment, file.header.segment_no + 1);
    }
  }
  if (!is_known) {
    return unexpected(Error(stored.error()).in("the state directory is new, so the store is needed to begin"));
  }
  if (stored) {
    for (const Checkpoint& checkpoint : *stored) {
      if (checkpoint.shard != producer) continue;
      out.first_seq = std::max(out.first_seq, checkpoint.next_seq);
      end = std::max(end, checkpoint.position);
    }
  }
  out.first_segment = std::max(out.first_segment, (end + segment_bytes - 1) / segment_bytes);
  return out;
}

WriterOptions writer_options(const TrailOptions& options) {
  WriterOptions out;
  out.node = options.node;
  out.writer_dsn = options.writer_dsn;
  out.owner_dsn = options.owner_dsn;
  out.batch_rows = options.batch_rows;
  out.batch_ms = options.batch_ms;
  out.join_window_ms = options.join_window_ms;
  out.anchor_ms = options.anchor_ms;
  out.retention_days = options.retention_days;
  out.on_committed = options.on_committed;
  out.on_state = options.on_state;
  return out;
}

}  // namespace

Result<std::unique_ptr<Trail>> Trail::open(TrailOptions options) {
  auto impl = std::make_unique<Impl>();
  if (options.segment_bytes < 2 * record_bytes_max) {
    return fail(Fault::limit, "audit.segment_bytes: at least 2 MiB, so that the largest record fits");
  }
  if (options.node.empty()) {
    char host[node_bytes_max] = {};
    ::gethostname(host, sizeof host - 1);
    options.node = host;
  }
  if (options.owner_dsn.empty()) options.owner_dsn = options.writer_dsn;
  if (options.producers >= writer_shard) return fail(Fault::limit, "too many producers");
  std::string directory = options.state_directory + "/journal";
  if (auto made = make_directory(options.state_directory, 0); !made) return unexpected(std::move(made.error()));
  auto locked = StateLock::take(options.state_directory);
  if (!locked) return unexpected(std::move(locked.error()));
  impl->state_lock = std::make_unique<StateLock>(std::move(*locked));
  if (auto made = make_directory(directory, 0700); !made) return unexpected(std::move(made.error()));
  auto key = node_key(options.state_directory + "/node.key");
  if (!key) return unexpected(std::move(key.error()));
  auto recovered = recover(directory, options.node);
  if (!recovered) return unexpected(std::move(recovered.error()));
  uint32_t epoch_seen = 0;
  for (const RecoveredJournal& old : *recovered) epoch_seen = std::max(epoch_seen, old.epoch_max);
  auto epoch = begin_epoch(directory, epoch_seen);
  if (!epoch) return unexpected(std::move(epoch.error()));
  auto stored = prepare_store(options.owner_dsn, options.node, std::string(crypto::view_of(key->public_key)));
  if (!stored) log_warning("the store does not answer yet", {{"error", stored.error().message}});
  std::vector<Journal*> journals;
  for (uint32_t producer = 0; producer < options.producers; ++producer) {
    auto beginning = beginning_of(producer, *recovered, stored, options.segment_bytes);
    if (!beginning) return unexpected(std::move(beginning.error()));
    JournalOptions journal;
    journal.directory = directory;
    journal.node = options.node;
    journal.producer = producer;
    journal.epoch = *epoch;
    journal.first_segment = beginning->first_segment;
    journal.first_seq = beginning->first_seq;
    journal.segment_bytes = options.segment_bytes;
    journal.max_bytes = options.journal_bytes_max;
    journal.disk_reserve_bytes = uint64_t{2} * options.producers * options.segment_bytes;
    journal.drop_when_full = options.on_full == OnFull::drop;
    journal.sync_segments = options.durability == Durability::disk;
    auto opened = Journal::open(std::move(journal));
    if (!opened) return unexpected(std::move(opened.error()));
    journals.push_back(opened->get());
    impl->journals.push_back(std::move(*opened));
  }
  impl->writer = std::make_unique<Writer>(writer_options(options), *key, journals, std::move(*recovered));
  crypto::secure_zero(key->private_key);
  impl->options = std::move(options);
  return std::unique_ptr<Trail>(new Trail(std::move(impl)));
}

Trail::Trail(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Trail::~Trail() { abandon(); }

void Trail::start() {
  impl_->keeper = std::thread([this] { impl_->keep(); });
  impl_->writer->start();
}

Journal& Trail::journal(uint32_t producer) { return *impl_->journals.at(producer); }
const std::string& Trail::node() const { return impl_->options.node; }

TrailStatus Trail::status() const {
  TrailStatus out;
  out.writer = impl_->writer->status();
  out.is_ready = true;
  auto refuse = [&](std::string reason) {
    if (out.is_ready) out.reason = std::move(reason);
    out.is_ready = false;
  };
  if (out.writer.state == WriterState::conflict || out.writer.state == WriterState::stopped) {
    refuse("audit writer " + std::string(name(out.writer.state)) +
           (out.writer.reason.empty() ? "" : ": " + out.writer.reason));
  }
  for (const auto& journal : impl_->journals) {
    out.journals.push_back(journal->counters());
    if (out.journals.back().is_full && impl_->options.on_full == OnFull::fail_closed) {
      refuse("the audit journal is full" + (out.writer.reason.empty() ? "" : ": " + out.writer.reason));
    }
  }
  if (out.writer.state == WriterState::starting) refuse("audit writer starting");
  return out;
}

bool Trail::stop(uint32_t deadline_ms) {
  bool is_drained = impl_->writer->stop(deadline_ms);
  impl_->end_keeper();
  return is_drained;
}

void Trail::abandon() {
  impl_->writer->abandon();
  impl_->end_keeper();
}

}  // namespace ringfence::audit
