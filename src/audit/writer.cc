#include "ringfence/audit/writer.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "audit/batch.h"
#include "audit/store_session.h"
#include "ringfence/audit/json.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::audit {
namespace {

// How often an idle writer looks at its journals: publishing makes no system call that could wake it.
constexpr auto poll_interval = std::chrono::milliseconds(10);
// Records taken from one journal before the next one's turn.
constexpr int turn_records = 512;
constexpr uint64_t ms_ns = 1'000'000;
constexpr uint64_t claim_wait_ns = 5'000 * ms_ns;
constexpr uint64_t maintenance_ns = 3'600'000 * ms_ns;
constexpr uint64_t gap_interval_ns = 1'000 * ms_ns;
constexpr int partition_days = 7;

// One journal as the writer sees it: first what earlier lives left, then the live one.
struct Source {
  uint32_t shard = 0;
  Journal* journal = nullptr;  // Null for a producer that this life does not have.
  RecoveredJournal recovered;
  std::unique_ptr<RecoveryReader> reader;
  uint64_t stored_position = 0;
  uint64_t stored_seq = 1;
  uint64_t position = 0;  // Consumed.
  uint64_t next_seq = 1;
  uint64_t dropped_seen = 0;
};

}  // namespace

std::string_view name(WriterState state) {
  switch (state) {
    case WriterState::starting: return "starting";
    case WriterState::running: return "running";
    case WriterState::retrying: return "retrying";
    case WriterState::conflict: return "conflict";
    case WriterState::stopped: return "stopped";
  }
  return "unknown";
}

struct Writer::Impl {
  WriterOptions options;
  crypto::Ed25519KeyPair key;
  std::vector<Source> sources;
  OpenStarts open;
  Batch batch;
  RowEncoder encoder;
  RowEncoder::Head head;
  uint64_t writer_seq = 1;         // Next seq of rows that the writer makes.
  uint64_t stored_writer_head = 0;

  std::unique_ptr<StoreSession> session;
  std::mutex session_lock;  // Held to replace the session, and to interrupt it.
  uint32_t backoff_ms = 0;
  uint64_t partitions_from = 0;
  uint64_t partitions_end = 0;
  uint64_t maintained_ns = 0;
  uint64_t anchored = 0;
  uint64_t anchor_ns = 0;
  uint64_t gap_ns = 0;

  std::thread thread;
  std::mutex lock;
  std::condition_variable wake;
  bool stop_requested = false;  // Under lock.
  std::atomic<bool> abandoned{false};
  std::atomic<uint64_t> deadline_ns{UINT64_MAX};
  bool is_drained = false;  // Read after the thread ended.
  bool is_finished = false;  // Under lock.

  mutable std::mutex status_lock;
  WriterStatus status;
  std::atomic<uint64_t> oldest_ns{0};

  Impl(WriterOptions o, crypto::Ed25519KeyPair k)
      : options(std::move(o)), key(k), batch(open, options.open_starts_max), encoder(options.node) {}

  // --- Life.
  void run();
  bool begin();
  bool drain_recovered();
  bool live();
  bool is_ended() const { return abandoned.load() || mono_ns() >= deadline_ns.load(); }
  bool is_stopping() {
    std::lock_guard guard(lock);
    return stop_requested;
  }
  void pause(std::chrono::milliseconds time) {
    std::unique_lock guard(lock);
    wake.wait_for(guard, time, [&] { return abandoned.load(); });
  }
  void set_state(WriterState state, const std::string& reason);

  // --- Consuming.
  bool consume(uint64_t now);
  bool batch_is_full() const {
    return batch.records() >= options.batch_rows || batch.bytes() >= options.batch_bytes;
  }
  bool all_consumed() const;
  void note_gap(Source& source, uint64_t count, std::string_view why);
  void note_dropped(uint64_t now, bool now_please);

  // --- Committing.
  bool commit();
  void build(BatchWrite& write);
  BatchResult attempt(BatchWrite& write);
  bool handle_data_fault(const BatchResult& result);
  int try_range(size_t begin, size_t end);
  void finish(const BatchWrite& write, const BatchResult& result, uint64_t began);
  Result<void> connect();
  enum class InFlight : uint8_t { committed, absent, conflict };
  InFlight look_up(const BatchWrite& write, const StoreSession::State& state) const;
  bool reconnect(BatchWrite* write, bool& is_committed);
  Result<void> maintain();
  void drop_session();
  void anchor(uint64_t now, bool now_please);
};

void Writer::Impl::set_state(WriterState state, const std::string& reason) {
  {
    std::lock_guard guard(status_lock);
    if (status.state == state && status.reason == reason) return;
    status.state = state;
    status.reason = reason;
  }
  if (state == WriterState::conflict) {
    // It is final: what would be forwarded now would never be in the store.
    for (Source& source : sources) {
      if (source.journal != nullptr) source.journal->seal();
    }
  }
  if (state == WriterState::running || state == WriterState::stopped) {
    log_info("audit writer", {{"state", std::string(name(state))}});
  } else {
    log_warning("audit writer", {{"state", std::string(name(state))}, {"reason", reason}});
  }
  if (options.on_state) options.on_state(state, reason);
}

void Writer::Impl::drop_session() {
  std::lock_guard guard(session_lock);
  session.reset();
}

Result<void> Writer::Impl::connect() {
  auto opened = StoreSession::connect(options.writer_dsn, options.node);
  if (!opened) return unexpected(std::move(opened.error()));
  std::lock_guard guard(session_lock);
  session = std::move(*opened);
  return {};
}

// Partitions ahead, retention. By the owner's connection, which is opened for it.
Result<void> Writer::Impl::maintain() {
  auto owner = store::Connection::open(options.owner_dsn, "ringfence maintenance");
  if (!owner) return unexpected(std::move(owner.error()));
  uint64_t from = std::max(wall_us(), head.recorded_at);
  auto end = make_partitions(**owner, from, partition_days);
  if (!end) return unexpected(std::move(end.error()));
  partitions_from = from / 86'400'000'000 * 86'400'000'000;
  partitions_end = *end;
  maintained_ns = mono_ns();
  auto days = set_retention_days(**owner, options.retention_days);
  auto dropped = days ? drop_expired(**owner, options.node, key, wall_us()) : Result<int>(0);
  if (!days || !dropped) {
    // Rows can be written all the same; it is tried again in an hour.
    log_warning("retention", {{"error", !days ? days.error().message : dropped.error().message}});
  } else if (*dropped > 0) {
    log_info("retention", {{"partitions_dropped", std::to_string(*dropped)}});
  }
  return {};
}

// The first connection: schema, claim of the node's name, checkpoints, open starts. False: ended or conflict.
bool Writer::Impl::begin() {
  uint64_t claim_since = 0;
  uint32_t wait_ms = 50;
  while (!is_ended()) {
    auto prepared = [&]() -> Result<StoreSession::State> {
      std::string public_key(crypto::view_of(key.public_key));
      auto ready = prepare_store(options.owner_dsn, options.node, public_key);
      if (!ready) return unexpected(std::move(ready.error()));
      if (auto done = connect(); !done) return unexpected(std::move(done.error()));
      auto claimed = session->claim_node();
      if (!claimed) return unexpected(std::move(claimed.error()));
      if (!*claimed) {
        return fail(Fault::conflict, "another process writes as node " + options.node +
                                         " into this store: give each appliance a node name of its own");
      }
      std::vector<uint32_t> shards;
      for (const Source& source : sources) shards.push_back(source.shard);
      if (auto done = session->ensure_checkpoints(shards); !done) return unexpected(std::move(done.error()));
      auto state = session->read_state();
      if (!state) return state;
      head = state->head;
      if (auto done = maintain(); !done) return unexpected(std::move(done.error()));
      open = OpenStarts();
      if (auto done = session->read_open(open); !done) return unexpected(std::move(done.error()));
      return state;
    }();
    if (prepared) {
      writer_seq = prepared->writer_next_seq;
      for (Source& source : sources) {
        for (const Checkpoint& checkpoint : prepared->checkpoints) {
          if (checkpoint.shard != source.shard) continue;
          source.stored_position = source.position = checkpoint.position;
          source.stored_seq = source.next_seq = checkpoint.next_seq;
        }
        if (source.journal != nullptr &&
            (source.stored_position > source.journal->consumed_position() ||
             source.stored_seq > source.journal->options().first_seq)) {
          set_state(WriterState::conflict, "the store knows more of journal " + std::to_string(source.shard) +
                                               " than the state directory: it is an old copy, or another one");
          return false;
        }
      }
      return true;
    }
    drop_session();
    bool is_claim = prepared.error().fault == Fault::conflict && prepared.error().message.starts_with("another");
    if (is_claim && claim_since == 0) claim_since = mono_ns();
    // A schema that is too new does not get older by waiting, but an operator may roll it back: it is retried.
    if (is_claim && mono_ns() - claim_since > claim_wait_ns) {
      set_state(WriterState::conflict, prepared.error().message);
      return false;
    }
    set_state(is_claim ? WriterState::starting : WriterState::retrying, prepared.error().message);
    pause(std::chrono::milliseconds(wait_ms));
    wait_ms = std::min(wait_ms * 2, options.backoff_ms_max);
  }
  return false;
}

void Writer::Impl::note_gap(Source& source, uint64_t count, std::string_view why) {
  std::string metadata = "{\"count\":" + std::to_string(count) + ",\"shard\":" + std::to_string(source.shard) +
                         ",\"why\":";
  append_json_string(metadata, why);
  metadata.push_back('}');
  EventBuilder event(Category::audit, "trail_gap", Severity::critical, Outcome::failure);
  event.ts(wall_us()).integer(Tag::rows, static_cast<int64_t>(count)).text(Tag::metadata, metadata);
  event.text(Tag::reason, why);
  batch.add_own_event(event, writer_seq);
  log_error("records are missing in the trail", {{"count", std::to_string(count)},
                                                 {"shard", std::to_string(source.shard)},
                                                 {"why", std::string(why)}});
  std::lock_guard guard(status_lock);
  ++status.gaps;
}

void Writer::Impl::note_dropped(uint64_t now, bool now_please) {
  if (!now_please && now - gap_ns < gap_interval_ns) return;
  for (Source& source : sources) {
    if (source.journal == nullptr) continue;
    uint64_t dropped = source.journal->dropped();
    if (dropped == source.dropped_seen) continue;
    note_gap(source, dropped - source.dropped_seen, "dropped: the journal was full");
    source.dropped_seen = dropped;
    gap_ns = now;
  }
}

// What earlier lives left in the state directory, then the statements that died with them.
bool Writer::Impl::drain_recovered() {
  for (Source& source : sources) {
    source.reader = std::make_unique<RecoveryReader>(std::move(source.recovered), source.stored_position,
                                                     source.stored_seq);
    JournalRecord record;
    while (source.reader->next(record)) {
      if (is_ended()) return false;
      if (uint64_t lost = source.reader->take_lost()) note_gap(source, lost, "journal damaged");
      batch.pin(source.reader->buffer());
      batch.add(source.shard, record, mono_ns());
      source.position = source.reader->position();
      source.next_seq = source.reader->next_seq();
      if (batch_is_full() && !commit()) return false;
    }
    if (uint64_t lost = source.reader->take_lost()) note_gap(source, lost, "journal damaged");
    for (const std::string& path : source.reader->journal().unreadable) {
      note_gap(source, 0, "journal file unreadable: " + path);
    }
    if (source.reader->is_foreign()) {
      note_gap(source, 0, "the store's position is none of this journal: another process wrote as this node, or its "
                          "file is damaged");
    }
    for (const std::string& path : source.reader->cut_short()) {
      note_gap(source, 0, "journal file cut short: " + path);
    }
    source.position = source.reader->position();
    source.next_seq = source.reader->next_seq();
    if (source.journal != nullptr) {
      source.position = source.journal->consumed_position();
      source.next_seq = source.journal->next_seq();
    }
  }
  std::vector<uint64_t> dead;
  open.for_each([&](OpenStart& start) { dead.push_back(start.key); });
  std::sort(dead.begin(), dead.end());
  for (uint64_t key_of_dead : dead) {
    batch.end_unknown(key_of_dead, writer_seq);
    if (batch.rows().size() >= options.batch_rows && !commit()) return false;
  }
  if (!commit()) return false;
  for (Source& source : sources) {
    source.reader->remove_files();
    source.reader.reset();
  }
  return true;
}

bool Writer::Impl::consume(uint64_t now) {
  bool any = false;
  JournalRecord record;
  for (bool more = true; more && !batch_is_full();) {
    more = false;
    for (Source& source : sources) {
      if (source.journal == nullptr) continue;
      int taken = 0;
      while (taken < turn_records && !batch_is_full() && source.journal->next(record)) {
        batch.add(source.shard, record, now);
        ++taken;
      }
      if (taken == 0) continue;
      source.position = source.journal->consumed_position();
      source.next_seq = source.journal->next_seq();
      any = more = true;
    }
  }
  return any;
}

bool Writer::Impl::all_consumed() const {
  return std::all_of(sources.begin(), sources.end(), [](const Source& source) {
    return source.journal == nullptr || source.journal->consumed_position() == source.journal->published_position();
  });
}

bool Writer::Impl::live() {
  uint64_t first_row_ns = 0;
  for (;;) {
    if (is_ended()) return false;
    bool stopping = is_stopping();  // Before consuming: what was published before the stop is taken.
    uint64_t now = mono_ns();
    bool any = consume(now);
    bool drained = all_consumed();
    batch.expire(now, options.join_window_ms * ms_ns, drained);
    note_dropped(now, stopping);
    if (!batch.rows().empty() && first_row_ns == 0) first_row_ns = now;
    oldest_ns.store(batch.rows().empty() ? 0 : batch.oldest_ns(), std::memory_order_relaxed);
    bool due = first_row_ns != 0 && now - first_row_ns >= options.batch_ms * ms_ns;
    if (batch_is_full() || due || (stopping && drained)) {
      if (!commit()) return false;
      first_row_ns = 0;
      oldest_ns.store(0, std::memory_order_relaxed);
    }
    if (stopping && all_consumed() && batch.empty()) {
      anchor(now, true);
      return true;
    }
    anchor(now, false);
    if (mono_ns() - maintained_ns > maintenance_ns) {
      maintained_ns = mono_ns();
      if (auto done = maintain(); !done) log_warning("maintenance", {{"error", done.error().message}});
    }
    if (!any || drained) pause(poll_interval);
  }
}

void Writer::Impl::anchor(uint64_t now, bool now_please) {
  if (head.chain_no == anchored || !session) return;
  if (!now_please && now - anchor_ns < options.anchor_ms * ms_ns) return;
  anchor_ns = now;
  auto done = session->write_anchor(key, head, wall_us());
  if (!done) {
    log_warning("anchor not written", {{"error", done.error().message}});
    if (!session->connection().is_open()) drop_session();
    return;
  }
  anchored = head.chain_no;
  std::lock_guard guard(status_lock);
  ++status.anchors;
}

void Writer::Impl::build(BatchWrite& write) {
  write.moves.clear();
  for (const Source& source : sources) {
    if (source.position == source.stored_position && source.next_seq == source.stored_seq) continue;
    write.moves.push_back({source.shard, source.stored_position, source.position, source.next_seq});
  }
  write.row_count = batch.rows().size();
  write.rows = &encoder;
  batch.fill_open(write);
}

BatchResult Writer::Impl::attempt(BatchWrite& write) {
  uint64_t now = wall_us();
  uint64_t recorded_at = std::max(now, head.recorded_at);
  if (recorded_at < partitions_from || recorded_at >= partitions_end) {
    if (auto done = maintain(); !done) return {BatchFault::other, done.error().message, -1, 0};
  }
  if (auto done = batch.resolve_orphans(*session); !done) return {BatchFault::other, done.error().message, -1, 0};
  build(write);
  write.head = head;
  encoder.encode(batch.rows(), 0, batch.rows().size(), write.head, now, options.on_committed != nullptr);
  write.head_move = {writer_shard, head.chain_no, write.head.chain_no, writer_seq};
  return session->write(write);
}

Writer::Impl::InFlight Writer::Impl::look_up(const BatchWrite& write, const StoreSession::State& state) const {
  auto stored = [&](uint32_t shard) {
    for (const Checkpoint& checkpoint : state.checkpoints) {
      if (checkpoint.shard == shard) return checkpoint.position;
    }
    return UINT64_MAX;
  };
  bool at_old = state.head.chain_no == head.chain_no;
  bool at_new = state.head.chain_no == write.head.chain_no && state.head.hash == write.head.hash;
  for (const CheckpointMove& move : write.moves) {
    at_old = at_old && stored(move.shard) == move.old_position;
    at_new = at_new && stored(move.shard) == move.new_position;
  }
  // A batch without rows and moves changes nothing that counts: sending it again is harmless.
  return at_old ? InFlight::absent : at_new ? InFlight::committed : InFlight::conflict;
}

// Until a connection stands and it is known whether the batch in flight is in. False: ended or conflict.
bool Writer::Impl::reconnect(BatchWrite* write, bool& is_committed) {
  while (!is_ended()) {
    pause(std::chrono::milliseconds(backoff_ms));
    backoff_ms = std::clamp<uint32_t>(backoff_ms * 2, 50, options.backoff_ms_max);
    auto state = [&]() -> Result<StoreSession::State> {
      if (auto done = connect(); !done) return unexpected(std::move(done.error()));
      // Our own broken connection may hold the name until the server notices: waiting is right here.
      auto claimed = session->claim_node();
      if (!claimed) return unexpected(std::move(claimed.error()));
      if (!*claimed) return fail(Fault::unavailable, "the node's name is still held by another connection");
      return session->read_state();
    }();
    if (!state) {
      drop_session();
      set_state(WriterState::retrying, state.error().message);
      continue;
    }
    InFlight found = write == nullptr ? InFlight::absent : look_up(*write, *state);
    if (found == InFlight::conflict) {
      set_state(WriterState::conflict, "the checkpoint was moved by another process that writes as node " + options.node);
      return false;
    }
    is_committed = found == InFlight::committed;
    return true;
  }
  return false;
}

int Writer::Impl::try_range(size_t begin, size_t end) {
  RowEncoder::Head ignored = head;
  encoder.encode(batch.rows(), begin, end, ignored, wall_us(), false);
  return session->try_rows(encoder);
}

// Finds one row that the store refuses and marks it to go in as bytes. False when none could be found.
bool Writer::Impl::handle_data_fault(const BatchResult& result) {
  auto& rows = batch.rows();
  size_t low = 0;
  size_t high = rows.size();
  auto hint = static_cast<size_t>(result.row_hint);
  if (result.row_hint >= 0 && hint < rows.size() && try_range(hint, hint + 1) == 1) {
    low = hint;
    high = hint + 1;
  } else if (try_range(low, high) != 1) {
    return false;
  }
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    int verdict = try_range(low, middle);
    if (verdict < 0) return false;
    if (verdict == 1) high = middle;
    else low = middle;
  }
  if (rows[low].is_poisoned) return false;
  rows[low].is_poisoned = true;
  log_warning("a record is stored as bytes", {{"shard", std::to_string(rows[low].shard)},
                                              {"seq", std::to_string(rows[low].seq)},
                                              {"sqlstate", session->connection().sqlstate()}});
  std::lock_guard guard(status_lock);
  ++status.poisoned;
  return true;
}

void Writer::Impl::finish(const BatchWrite& write, const BatchResult& result, uint64_t began) {
  head = write.head;
  if (options.on_committed && write.row_count > 0) {
    options.on_committed({options.node, head.recorded_at, encoder.canonical_rows()});
  }
  // Before the segments are released: what stays open is copied out of them here.
  uint64_t orphans = batch.orphans();
  batch.finish();
  for (Source& source : sources) {
    source.stored_position = source.position;
    source.stored_seq = source.next_seq;
    // While an earlier life's files are drained the live journal is not touched.
    if (source.journal != nullptr && !source.reader) source.journal->release(source.position, source.next_seq);
  }
  backoff_ms = 0;
  {
    std::lock_guard guard(status_lock);
    ++status.batches;
    status.rows += write.row_count;
    status.bytes += result.bytes;
    status.last_batch_us = (mono_ns() - began) / 1000;
    status.chain_no = head.chain_no;
    status.orphans = orphans;
    status.open_starts = open.size();
  }
}

// Sends the batch until it is in. False: ended or conflict; the batch is then not known to be in.
bool Writer::Impl::commit() {
  BatchWrite write;
  build(write);
  if (batch.empty() && write.moves.empty()) return true;
  uint64_t began = mono_ns();
  bool was_sent = false;
  for (bool is_first = true;; is_first = false) {
    if (is_ended()) return false;
    if (!session) {
      bool is_committed = false;
      if (!reconnect(was_sent ? &write : nullptr, is_committed)) return false;
      if (is_committed) {
        finish(write, {}, began);
        break;
      }
    }
    was_sent = true;
    BatchResult result = attempt(write);
    if (result.fault == BatchFault::none) {
      finish(write, result, began);
      break;
    }
    if (is_first) {
      std::lock_guard guard(status_lock);
      ++status.failures;
    }
    if (result.fault == BatchFault::conflict) {
      set_state(WriterState::conflict, result.reason);
      return false;
    }
    if (result.fault == BatchFault::data && handle_data_fault(result)) continue;
    if (result.fault == BatchFault::partition && maintain()) continue;
    set_state(WriterState::retrying, result.reason);
    drop_session();
    if (backoff_ms == 0) backoff_ms = 50;
  }
  set_state(WriterState::running, "");
  return true;
}

void Writer::Impl::run() {
  bool ok = begin() && drain_recovered();
  if (ok) {
    set_state(WriterState::running, "");
    is_drained = live();
  }
  drop_session();
  bool is_conflict;
  {
    std::lock_guard guard(status_lock);
    is_conflict = status.state == WriterState::conflict;
  }
  if (!is_conflict) set_state(WriterState::stopped, "");
  std::lock_guard guard(lock);
  is_finished = true;
  wake.notify_all();
}

Writer::Writer(WriterOptions options, crypto::Ed25519KeyPair key, std::vector<Journal*> journals,
               std::vector<RecoveredJournal> recovered)
    : impl_(std::make_unique<Impl>(std::move(options), key)) {
  for (Journal* journal : journals) {
    Source& source = impl_->sources.emplace_back();
    source.shard = journal->producer();
    source.journal = journal;
    source.recovered.producer = source.shard;
  }
  for (RecoveredJournal& old : recovered) {
    auto same = [&](const Source& source) { return source.shard == old.producer; };
    auto found = std::find_if(impl_->sources.begin(), impl_->sources.end(), same);
    Source& source = found != impl_->sources.end() ? *found : impl_->sources.emplace_back();
    source.shard = old.producer;
    source.recovered = std::move(old);
  }
}

Writer::~Writer() { abandon(); }

void Writer::start() {
  impl_->thread = std::thread([this] { impl_->run(); });
}

bool Writer::stop(uint32_t deadline_ms) {
  if (!impl_->thread.joinable()) return impl_->is_drained;
  impl_->deadline_ns = mono_ns() + deadline_ms * ms_ns;
  std::unique_lock guard(impl_->lock);
  impl_->stop_requested = true;
  impl_->wake.notify_all();
  impl_->wake.wait_for(guard, std::chrono::milliseconds(deadline_ms), [&] { return impl_->is_finished; });
  guard.unlock();
  abandon();
  return impl_->is_drained;
}

void Writer::abandon() {
  if (!impl_->thread.joinable()) return;
  {
    std::lock_guard guard(impl_->lock);
    impl_->abandoned = true;
    impl_->wake.notify_all();
  }
  {
    std::lock_guard guard(impl_->session_lock);
    if (impl_->session) impl_->session->connection().interrupt();
  }
  impl_->thread.join();
}

WriterStatus Writer::status() const {
  WriterStatus out;
  {
    std::lock_guard guard(impl_->status_lock);
    out = impl_->status;
  }
  uint64_t oldest = impl_->oldest_ns.load(std::memory_order_relaxed);
  uint64_t now = mono_ns();
  out.lag_ms = oldest == 0 || now < oldest ? 0 : (now - oldest) / ms_ns;
  return out;
}

}  // namespace ringfence::audit
