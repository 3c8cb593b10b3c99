#include "ringfence/audit/writer.h"

#include <pthread.h>

#include <algorithm>
#include <thread>

#include "audit/batch.h"
#include "audit/committer.h"
#include "audit/source.h"
#include "audit/writer_control.h"
#include "ringfence/audit/json.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::audit {
namespace {

// How often an idle writer looks at its journals: publishing makes no system call that could wake it.
constexpr auto poll_interval = std::chrono::milliseconds(10);
// Records taken from one journal before the next one's turn.
constexpr int turn_records = 512;
constexpr uint64_t turn_bytes = 1 << 20;
constexpr uint64_t gap_interval_ns = 1'000 * ns_per_ms;

}  // namespace

struct Writer::Impl {
  WriterOptions options;
  crypto::Ed25519KeyPair key;
  WriterControl control;
  std::vector<Source> sources;
  OpenStarts open;
  Batch batch;
  Committer committer;
  uint64_t gap_ns = 0;
  std::thread thread;
  bool is_drained = false;  // Read after the thread ended.

  Impl(WriterOptions o, crypto::Ed25519KeyPair k)
      : options(std::move(o)),
        key(k),
        control(options),
        batch(open, options.open_starts_max),
        committer(options, key, control, sources, open, batch) {}

  // --- Life.
  void run();
  bool drain_recovered();
  bool drain_source(Source& source);
  bool live();

  // --- Consuming.
  bool consume(uint64_t now);
  bool batch_is_full() const {
    return batch.records() >= options.batch_rows || batch.bytes() >= options.batch_bytes;
  }
  bool all_consumed() const;
  void note_gap(Source& source, uint64_t count, std::string_view why);
  void note_dropped(uint64_t now, bool now_please);
  void note_refused();
  void note_acceptance(const Acceptance& acceptance);
  void note_refused_starts(bool is_accepted);
};

void Writer::Impl::note_gap(Source& source, uint64_t count, std::string_view why) {
  std::string metadata =
      "{\"count\":" + std::to_string(count) + ",\"shard\":" + std::to_string(source.shard) + ",\"why\":";
  append_json_string(metadata, why);
  metadata.push_back('}');
  EventBuilder event(Category::audit, "trail_gap", Severity::critical, Outcome::failure);
  event.ts(wall_us()).integer(Tag::rows, static_cast<int64_t>(count)).text(Tag::metadata, metadata);
  event.text(Tag::reason, why);
  batch.add_own_event(event, committer.writer_seq());
  log_error(
      "records are missing in the trail",
      {{"count", std::to_string(count)}, {"shard", std::to_string(source.shard)}, {"why", std::string(why)}});
  control.update([](WriterStatus& status) { ++status.gaps; });
}

void Writer::Impl::note_dropped(uint64_t now, bool now_please) {
  if (!now_please && now - gap_ns < gap_interval_ns) return;
  for (Source& source : sources) {
    uint64_t dropped = source.dropped();
    if (dropped <= source.told) continue;
    note_gap(source, dropped - source.told, "dropped: the journal was full");
    source.told = dropped;
    gap_ns = now;
  }
}

void Writer::Impl::note_refused() {
  for (const RetentionOutcome::Kept& kept : committer.take_refused()) {
    EventBuilder event(Category::audit, "trail_retention_refused", Severity::critical, Outcome::failure);
    event.ts(wall_us()).text(Tag::entity_type, "partition").text(Tag::entity_id, kept.partition);
    event.text(Tag::reason, kept.why);
    batch.add_own_event(event, committer.writer_seq());
  }
}

void Writer::Impl::note_acceptance(const Acceptance& acceptance) {
  auto of = [](const std::string& hash, uint64_t chain_no) {
    return "{\"chain_no\":" + std::to_string(chain_no) + ",\"hash\":\"" + hash + "\"}";
  };
  std::string metadata = "{\"code\":";
  append_json_string(metadata, acceptance.code);
  metadata += ",\"signed\":" + of(acceptance.was_hash, acceptance.was) +
              ",\"found\":" + of(acceptance.found_hash, acceptance.found);
  if (!acceptance.removed.empty()) metadata += ",\"removed\":" + acceptance.removed;
  EventBuilder event(Category::audit, "trail_store_accepted", Severity::critical, Outcome::success);
  event.ts(wall_us()).text(Tag::reason, acceptance.why).text(Tag::metadata, metadata + "}");
  batch.add_own_event(event, committer.writer_seq());
}

// Rows in the place of open starts that the node did not seal: what they hold is told as bytes, for it
// happened to nobody's knowledge. In a store that was accepted they may have been a former state directory's:
// those are missing in the trail.
void Writer::Impl::note_refused_starts(bool is_accepted) {
  constexpr uint64_t told_max = 100;
  constexpr size_t bytes_max = 16 << 10;
  uint64_t count = 0;
  std::vector<StoreSession::RefusedStart> refused = committer.take_refused_starts();
  for (const StoreSession::RefusedStart& start : refused) {
    batch.drop_refused(start.shard, start.seq);
    if (++count > told_max) continue;
    const std::string shard = std::to_string(static_cast<int32_t>(start.shard));
    const std::string seq = std::to_string(static_cast<int64_t>(start.seq));
    EventBuilder event(Category::audit, "trail_start_refused", Severity::critical, Outcome::denied);
    event.ts(wall_us()).text(Tag::entity_type, "open_start").text(Tag::entity_id, shard + "/" + seq);
    event.text(Tag::reason,
               "an open start in the store that this node did not seal: not believed, and removed");
    event.text(Tag::metadata, "{\"shard\":" + shard + ",\"seq\":" + seq +
                                  ",\"bytes\":" + std::to_string(start.fields.size()) + "}");
    event.bytes(Tag::statement_raw, ByteView(start.fields).substr(0, bytes_max));
    batch.add_own_event(event, committer.writer_seq());
    log_error("an open start in the store is not this node's: it is not believed",
              {{"shard", shard}, {"seq", seq}});
  }
  if (count > told_max) {
    EventBuilder event(Category::audit, "trail_start_refused", Severity::critical, Outcome::denied);
    event.ts(wall_us()).integer(Tag::rows, static_cast<int64_t>(count - told_max));
    event.text(Tag::reason,
               "more open starts in the store that this node did not seal: not believed, and removed");
    batch.add_own_event(event, committer.writer_seq());
  }
  if (!is_accepted) return;
  for (Source& source : sources) {
    uint64_t lost = 0;
    for (const StoreSession::RefusedStart& start : refused) {
      if (start.shard == source.shard && !start.is_written) ++lost;
    }
    if (lost > 0)
      note_gap(source, lost, "open starts in the store that was accepted are not this state directory's");
  }
}

bool Writer::Impl::drain_source(Source& source) {
  source.reader = std::make_unique<RecoveryReader>(std::move(source.recovered), source.stored_position,
                                                   source.stored_seq);
  RecoveryReader& reader = *source.reader;
  JournalRecord record;
  while (reader.next(record)) {
    if (control.is_ended()) return false;
    if (uint64_t lost = reader.take_lost()) note_gap(source, lost, "journal damaged");
    batch.pin(reader.buffer());
    batch.add(source.shard, record, mono_ns());
    source.position = reader.position();
    source.next_seq = reader.next_seq();
    if (!batch_is_full()) continue;
    if (!committer.commit()) return false;
    committer.anchor(mono_ns(), false);
  }
  if (uint64_t lost = reader.take_lost()) note_gap(source, lost, "journal damaged");
  for (const std::string& path : reader.journal().unreadable) {
    note_gap(source, 0, "journal file unreadable: " + path);
  }
  if (reader.is_foreign()) {
    note_gap(source, 0,
             "the store's position is none of this journal: another process wrote as this node, or its "
             "file is damaged");
  }
  for (const std::string& path : reader.cut_short()) {
    note_gap(source, 0, "journal file cut short: " + path);
  }
  source.position = reader.position();
  source.next_seq = reader.next_seq();
  if (source.journal != nullptr) {
    source.position = source.journal->consumed_position();
    source.next_seq = source.journal->next_seq();
  }
  return true;
}

// What earlier lives left in the state directory, then the statements that died with them.
bool Writer::Impl::drain_recovered() {
  note_dropped(mono_ns(), true);
  auto acceptance = committer.take_acceptance();
  if (acceptance) note_acceptance(*acceptance);
  note_refused_starts(acceptance.has_value());
  if (!batch.empty() && !committer.commit()) return false;
  if (acceptance) committer.told();
  for (Source& source : sources) {
    if (!drain_source(source)) return false;
  }
  std::vector<uint64_t> dead;
  open.for_each([&](OpenStart& start) { dead.push_back(start.key); });
  std::sort(dead.begin(), dead.end());
  for (uint64_t key_of_dead : dead) {
    batch.end_unknown(key_of_dead, committer.writer_seq());
    if (batch.rows().size() >= options.batch_rows && !committer.commit()) return false;
  }
  if (!committer.commit()) return false;
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
      const uint64_t bytes_before = batch.bytes();
      while (taken < turn_records && batch.bytes() - bytes_before < turn_bytes && !batch_is_full() &&
             source.journal->next(record)) {
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
    return source.journal == nullptr ||
           source.journal->consumed_position() == source.journal->published_position();
  });
}

bool Writer::Impl::live() {
  uint64_t first_row_ns = 0;
  for (;;) {
    if (control.is_ended()) return false;
    control.turn();
    bool stopping = control.is_stopping();  // Before consuming: what was published before the stop is taken.
    uint64_t now = mono_ns();
    bool any = consume(now);
    bool drained = all_consumed();
    batch.expire(now, options.join_window_ms * ns_per_ms, drained);
    note_dropped(now, stopping);
    note_refused();
    if (!batch.rows().empty() && first_row_ns == 0) first_row_ns = now;
    control.set_oldest(batch.rows().empty() ? 0 : batch.oldest_ns());
    bool due = first_row_ns != 0 && now - first_row_ns >= options.batch_ms * ns_per_ms;
    if (batch_is_full() || due || (stopping && drained)) {
      if (!committer.commit()) return false;
      first_row_ns = 0;
      control.set_oldest(0);
    }
    if (stopping && all_consumed() && batch.empty()) {
      committer.anchor(mono_ns(), true);
      return true;
    }
    committer.anchor(mono_ns(), false);
    committer.maintain_when_due();
    if (!any || drained) control.pause(poll_interval);
  }
}

void Writer::Impl::run() {
  bool ok = committer.begin() && drain_recovered();
  if (ok) {
    control.set_state(WriterState::running, "");
    is_drained = live();
  }
  committer.close();
  if (control.state() != WriterState::conflict) control.set_state(WriterState::stopped, "");
  control.finished();
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
  impl_->thread = std::thread([this] {
    pthread_setname_np(pthread_self(), "rf-writer");
    impl_->run();
  });
}

bool Writer::stop(uint32_t deadline_ms) {
  if (!impl_->thread.joinable()) return impl_->is_drained;
  impl_->control.stop(deadline_ms);
  abandon();
  return impl_->is_drained;
}

void Writer::abandon() {
  if (!impl_->thread.joinable()) return;
  impl_->control.abandon();
  impl_->committer.interrupt();
  impl_->thread.join();
}

WriterStatus Writer::status() const { return impl_->control.status(); }

}  // namespace ringfence::audit
