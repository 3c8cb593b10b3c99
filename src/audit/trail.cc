#include "ringfence/audit/trail.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "audit/seal.h"
#include "audit/state_identity.h"
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
  if (is_new && mode != 0 && ::chmod(path.c_str(), mode) != 0)
    return fail_errno(errno, "state directory: " + path);
  return {};
}

}  // namespace

struct Trail::Impl {
  TrailOptions options;
  std::unique_ptr<StateLock> state_lock;
  std::unique_ptr<TextSealer> sealer;
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
  uint64_t dropped = 0;
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
    return unexpected(
        Error(stored.error()).in("the state directory is new, so the store is needed to begin"));
  }
  if (stored) {
    for (const Checkpoint& checkpoint : *stored) {
      if (checkpoint.shard != producer) continue;
      out.first_seq = std::max(out.first_seq, checkpoint.next_seq);
      end = std::max(end, checkpoint.position);
      out.dropped = checkpoint.told;
    }
  }
  out.first_segment = std::max(out.first_segment, (end + segment_bytes - 1) / segment_bytes);
  return out;
}

StoreClaim claim_of(const TrailOptions& options, const StateIdentity& identity, std::string seal_key) {
  StoreClaim out;
  out.node = options.node;
  out.public_key = std::string(crypto::view_of(identity.key.public_key));
  out.state_id = identity.id;
  out.state_directory = options.state_directory;
  out.seal_key = std::move(seal_key);
  out.takes_over = options.owns_store;
  return out;
}

WriterOptions writer_options(const TrailOptions& options, const StoreClaim& claim) {
  WriterOptions out;
  out.node = options.node;
  out.claim = claim;
  out.writer_dsn = options.writer_dsn;
  out.owner_dsn = options.owner_dsn;
  out.batch_rows = options.batch_rows;
  out.batch_ms = options.batch_ms;
  out.block_rows = options.block_rows;
  out.join_window_ms = options.join_window_ms;
  out.anchor_ms = options.anchor_ms;
  out.retention_days = options.retention_days;
  out.on_committed = options.on_committed;
  out.on_state = options.on_state;
  return out;
}

}  // namespace

std::string node_name(const std::string& configured) {
  if (!configured.empty()) return configured;
  char host[node_bytes_max] = {};
  ::gethostname(host, sizeof host - 1);
  return host;
}

Result<std::unique_ptr<Trail>> Trail::open(TrailOptions options) {
  auto impl = std::make_unique<Impl>();
  if (options.segment_bytes < 2 * record_bytes_max) {
    return fail(Fault::limit, "audit.segment_bytes: at least 2 MiB, so that the largest record fits");
  }
  options.node = node_name(options.node);
  if (options.owner_dsn.empty()) options.owner_dsn = options.writer_dsn;
  if (options.producers >= writer_shard) return fail(Fault::limit, "too many producers");
  std::string directory = options.state_directory + "/journal";
  if (auto made = make_directory(options.state_directory, 0); !made)
    return unexpected(std::move(made.error()));
  auto locked = StateLock::take(options.state_directory);
  if (!locked) return unexpected(std::move(locked.error()));
  impl->state_lock = std::make_unique<StateLock>(std::move(*locked));
  if (auto made = make_directory(directory, 0700); !made) return unexpected(std::move(made.error()));
  auto identity = state_identity(options.state_directory);
  if (!identity) return unexpected(std::move(identity.error()));
  auto sealing = seal_key(options.state_directory);
  if (!sealing) return unexpected(std::move(sealing.error()));
  StoreClaim claim = claim_of(options, *identity, std::move(*sealing));
  std::shared_ptr<const DataKeyWrap> wrap;
  if (options.data_key_wrap) {
    auto made = options.data_key_wrap();
    if (!made) return unexpected(std::move(made.error()));
    wrap = std::move(*made);
  }
  auto keys = DataKeys::open(options.state_directory, wrap.get());
  if (!keys) return unexpected(std::move(keys.error()));
  impl->sealer = std::make_unique<TextSealer>(std::move(*keys), options.node);
  auto recovered = recover(directory, options.node);
  if (!recovered) return unexpected(std::move(recovered.error()));
  uint32_t epoch_seen = 0;
  for (const RecoveredJournal& old : *recovered) epoch_seen = std::max(epoch_seen, old.epoch_max);
  auto epoch = begin_epoch(directory, epoch_seen);
  if (!epoch) return unexpected(std::move(epoch.error()));
  auto stored = prepare_store(options.owner_dsn, claim);
  // Before a session is taken in, not when its first statement cannot be stored.
  if (!stored && stored.error().fault == Fault::denied) return unexpected(std::move(stored.error()));
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
    journal.dropped_min = beginning->dropped;
    journal.drop_when_full = options.on_full == OnFull::drop;
    journal.sync_segments = options.durability == Durability::disk;
    auto opened = Journal::open(std::move(journal));
    if (!opened) return unexpected(std::move(opened.error()));
    journals.push_back(opened->get());
    impl->journals.push_back(std::move(*opened));
  }
  impl->writer = std::make_unique<Writer>(writer_options(options, claim), identity->key, journals,
                                          std::move(*recovered));
  crypto::secure_zero(identity->key.private_key);
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
const TextSealer& Trail::sealer() const { return *impl_->sealer; }
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
    if (out.journals.back().is_broken) {
      refuse("a journal could not be written to its disk: see to the disk, then start the appliance again");
    }
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
