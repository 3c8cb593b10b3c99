#include "audit/committer.h"

#include <algorithm>

#include "audit/isolation.h"
#include "audit/partitions.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::audit {
namespace {

constexpr uint64_t claim_wait_ns = 5'000 * ns_per_ms;
constexpr uint64_t maintenance_ns = 3'600'000 * ns_per_ms;
// Between two turns of a retention that has much to do.
constexpr uint64_t maintenance_turn_ns = 1'000 * ns_per_ms;
constexpr int partition_days = 7;
// Of one batch: the row that the store names, all others, and once more for what was refused for company's
// sake. Then the store is asked again later.
constexpr int isolations_max = 3;

}  // namespace

void Committer::conflict(const std::string& reason) {
  control_.set_state(WriterState::conflict, reason);
  for (Source& source : sources_) {
    if (source.journal != nullptr) source.journal->seal();
  }
}

void Committer::close() {
  std::lock_guard guard(session_lock_);
  session_.reset();
}

void Committer::interrupt() {
  std::lock_guard guard(session_lock_);
  if (session_) session_->connection().interrupt();
}

Result<void> Committer::connect() {
  auto opened = StoreSession::connect(options_.writer_dsn, options_.node, sealer_);
  if (!opened) return unexpected(std::move(opened.error()));
  std::lock_guard guard(session_lock_);
  session_ = std::move(*opened);
  return {};
}

// Partitions ahead. By the owner's connection, which is opened for it.
Result<void> Committer::make_days() {
  StoreWait waiting(control_);
  auto owner = store::Connection::open(options_.owner_dsn, "ringfence maintenance");
  if (!owner) return unexpected(std::move(owner.error()));
  return make_days(**owner);
}

Result<void> Committer::make_days(store::Connection& owner) {
  uint64_t from = std::max(wall_us(), head_.recorded_at);
  auto end = make_partitions(owner, from, partition_days);
  if (!end) return unexpected(std::move(end.error()));
  partitions_from_ = from / day_us * day_us;
  partitions_end_ = *end;
  return {};
}

// Partitions ahead, and retention, which reads what it drops: never while a batch is under way.
Result<void> Committer::maintain() {
  StoreWait waiting(control_);
  auto owner = store::Connection::open(options_.owner_dsn, "ringfence maintenance");
  if (!owner) return unexpected(std::move(owner.error()));
  if (auto made = make_days(**owner); !made) return made;
  if (auto days = set_retention_days(**owner, options_.retention_days); !days) return days;
  RetentionOptions retention;
  retention.node = options_.node;
  retention.days = options_.retention_days;
  retention.now_us = wall_us();
  retention.is_ended = [this] { return control_.is_ended() || control_.is_stopping(); };
  auto outcome = drop_expired(**owner, key_, retention);
  if (!outcome) return unexpected(std::move(outcome.error()));
  note_kept(*outcome);
  if (!outcome->is_complete) maintain_at_ns_ = mono_ns() + maintenance_turn_ns;
  return {};
}

void Committer::note_kept(const RetentionOutcome& outcome) {
  if (outcome.dropped > 0) log_info("retention", {{"partitions_dropped", std::to_string(outcome.dropped)}});
  for (const RetentionOutcome::Kept& kept : outcome.refused) {
    if (!told_.insert(kept.partition).second) continue;
    log_error("a partition that expired is not as it was written: it is kept, and not signed for",
              {{"partition", kept.partition}, {"why", kept.why}});
    refused_.push_back(kept);
  }
  for (const RetentionOutcome::Kept& kept : outcome.waiting) {
    if (!told_.insert(kept.partition + " waits").second) continue;
    log_info("a partition that expired waits for another node's signature",
             {{"partition", kept.partition}, {"node", kept.why}});
  }
  if (!outcome.is_complete) return;
  control_.update([&](WriterStatus& status) { status.retention_refused = outcome.refused.size(); });
}

void Committer::maintain_when_due() {
  if (mono_ns() < maintain_at_ns_) return;
  // Rows can be written all the same when it fails; it is tried again in an hour.
  maintain_at_ns_ = mono_ns() + maintenance_ns;
  if (auto done = maintain(); !done) log_warning("maintenance", {{"error", done.error().message}});
}

Result<StoreSession::State> Committer::prepare() {
  StoreWait waiting(control_);
  auto ready = prepare_store(options_.owner_dsn, options_.claim);
  if (!ready) return unexpected(std::move(ready.error()));
  if (auto done = connect(); !done) return unexpected(std::move(done.error()));
  auto claimed = session_->claim_node();
  if (!claimed) return unexpected(std::move(claimed.error()));
  if (!*claimed) {
    // Our own connection of an earlier life may hold the name until the server notices.
    return fail(Fault::timeout, "another process writes as node " + options_.node +
                                    " into this store: give each appliance a node name of its own");
  }
  std::vector<uint32_t> shards;
  for (const Source& source : sources_) shards.push_back(source.shard);
  if (auto done = session_->ensure_checkpoints(shards); !done) return unexpected(std::move(done.error()));
  if (auto done = session_->claim_state(options_.claim); !done) return unexpected(std::move(done.error()));
  auto state = session_->read_state();
  if (!state) return state;
  head_ = state->head;
  if (auto done = make_days(); !done) return unexpected(std::move(done.error()));
  open_ = OpenStarts();
  refused_starts_.clear();
  OpenSet open;
  if (auto done = session_->read_open(open_, open, refused_starts_); !done)
    return unexpected(std::move(done.error()));
  if (auto done = take_sealed(*state, open); !done) return unexpected(std::move(done.error()));
  if (auto done = take_anchors(); !done) return unexpected(std::move(done.error()));
  return state;
}

// False when the journals cannot be what these checkpoints are about.
bool Committer::take_checkpoints(const StoreSession::State& state) {
  writer_seq_ = state.writer_next_seq;
  for (Source& source : sources_) {
    for (const Checkpoint& checkpoint : state.checkpoints) {
      if (checkpoint.shard != source.shard) continue;
      source.stored_position = source.position = checkpoint.position;
      source.stored_seq = source.next_seq = checkpoint.next_seq;
      source.stored_told = source.told = checkpoint.told;
    }
    if (source.journal != nullptr && (source.stored_position > source.journal->consumed_position() ||
                                      source.stored_seq > source.journal->options().first_seq)) {
      conflict("the store knows more of journal " + std::to_string(source.shard) +
               " than the state directory: it is an old copy, or another one");
      return false;
    }
  }
  return true;
}

bool Committer::begin() {
  uint64_t claim_since = 0;
  uint32_t wait_ms = 50;
  while (!control_.is_ended()) {
    auto prepared = prepare();
    if (prepared) {
      if (!take_checkpoints(*prepared)) return false;
      // What a life that was killed left unsigned, before anything comes behind it.
      anchor(mono_ns(), true);
      anchor_ns_ =
          0;  // And its own first rows at once: what stands there may be signed by a former state directory.
      return true;
    }
    close();
    if (prepared.error().fault == Fault::denied) {
      conflict(prepared.error().message);
      return false;
    }
    bool is_claim =
        prepared.error().fault == Fault::timeout && prepared.error().message.starts_with("another");
    if (is_claim && claim_since == 0) claim_since = mono_ns();
    // A schema that is too new does not get older by waiting, but an operator may roll it back: it is
    // retried.
    if (is_claim && mono_ns() - claim_since > claim_wait_ns) {
      conflict(prepared.error().message);
      return false;
    }
    control_.set_state(is_claim ? WriterState::starting : WriterState::retrying, prepared.error().message);
    control_.pause(std::chrono::milliseconds(wait_ms));
    wait_ms = std::min(wait_ms * 2, options_.backoff_ms_max);
  }
  return false;
}

void Committer::build(BatchWrite& write) {
  write.moves.clear();
  for (const Source& source : sources_) {
    if (!source.is_moved()) continue;
    write.moves.push_back(
        {source.shard, source.stored_position, source.position, source.next_seq, source.told});
  }
  write.old_head = head_;
  write.writer_next_seq = writer_seq_;
  write.rows = &batch_.rows();
  batch_.fill_open(write);
}

BatchResult Committer::attempt(BatchWrite& write) {
  StoreWait waiting(control_);
  uint64_t now = wall_us();
  uint64_t recorded_at = std::max(now, head_.recorded_at);
  if (recorded_at < partitions_from_ || recorded_at >= partitions_end_) {
    if (auto done = make_days(); !done) return {BatchFault::other, done.error().message};
  }
  if (auto done = batch_.resolve_orphans(*session_); !done) return {BatchFault::other, done.error().message};
  build(write);
  encoder_.begin(head_, now, options_.on_committed != nullptr, takes_blocks_);
  seal(write);
  BatchResult result = session_->write(write, encoder_);
  write.new_head = encoder_.head();
  return result;
}

Committer::InFlight Committer::look_up(const BatchWrite& write, const StoreSession::State& state) const {
  auto stored = [&](uint32_t shard) {
    for (const Checkpoint& checkpoint : state.checkpoints) {
      if (checkpoint.shard == shard) return checkpoint.position;
    }
    return UINT64_MAX;
  };
  bool at_old = state.head.chain_no == head_.chain_no && state.seal == seal_;
  bool at_new = state.head.chain_no == write.new_head.chain_no && state.head.hash == write.new_head.hash &&
                state.seal == write.seal;
  for (const CheckpointMove& move : write.moves) {
    at_old = at_old && stored(move.shard) == move.old_position;
    at_new = at_new && stored(move.shard) == move.new_position;
  }
  // A batch without rows and moves changes nothing that counts: sending it again is harmless.
  return at_old ? InFlight::absent : at_new ? InFlight::committed : InFlight::conflict;
}

// Until a connection stands and it is known whether the batch in flight is in. False: ended or conflict.
bool Committer::reconnect(const BatchWrite* write, bool& is_committed) {
  while (!control_.is_ended()) {
    control_.pause(std::chrono::milliseconds(backoff_ms_));
    backoff_ms_ = std::clamp<uint32_t>(backoff_ms_ * 2, 50, options_.backoff_ms_max);
    auto state = [&]() -> Result<StoreSession::State> {
      StoreWait waiting(control_);
      if (auto done = connect(); !done) return unexpected(std::move(done.error()));
      // Our own broken connection may hold the name until the server notices: waiting is right here.
      auto claimed = session_->claim_node();
      if (!claimed) return unexpected(std::move(claimed.error()));
      if (!*claimed) return fail(Fault::unavailable, "the node's name is still held by another connection");
      return session_->read_state();
    }();
    if (!state) {
      close();
      control_.set_state(WriterState::retrying, state.error().message);
      continue;
    }
    InFlight found = write == nullptr ? InFlight::absent : look_up(*write, *state);
    if (found == InFlight::conflict) {
      conflict("the checkpoint was moved by another process that writes as node " + options_.node);
      return false;
    }
    is_committed = found == InFlight::committed;
    return true;
  }
  return false;
}

// Gives the rows that the store refuses another form. False when none could be found, or none that helps.
bool Committer::isolate(const BatchResult& result, bool is_first) {
  std::string sqlstate;
  Isolation isolation(batch_.rows(), [&](size_t begin, size_t end) {
    StoreWait waiting(control_);
    encoder_.begin(head_, wall_us(), false, false);
    const int verdict = session_->try_rows(batch_.rows(), begin, end, encoder_);
    if (verdict == 1 && sqlstate.empty()) sqlstate = session_->refused_state();
    return verdict < 0    ? Isolation::Verdict::unknown
           : verdict == 1 ? Isolation::Verdict::refused
                          : Isolation::Verdict::taken;
  });
  // Where the row that the store names was not the only one, more than one more is expected.
  std::optional<size_t> hint;
  if (is_first && result.row_hint >= 0) hint = static_cast<size_t>(result.row_hint);
  const bool is_found = isolation.run(hint);
  control_.update([&](WriterStatus& status) {
    status.isolation_tries += isolation.tries() + 1;  // The whole batch was one.
    if (is_found) status.poisoned += isolation.poisoned();
  });
  if (!is_found) return false;
  const PendingRow& row = batch_.rows()[isolation.first()];
  log_warning("records are stored as bytes", {{"count", std::to_string(isolation.poisoned())},
                                              {"shard", std::to_string(row.shard)},
                                              {"seq", std::to_string(row.seq)},
                                              {"sqlstate", sqlstate}});
  return true;
}

void Committer::finish(const BatchWrite& write, const BatchResult& result, uint64_t began) {
  uint64_t row_count = write.new_head.chain_no - head_.chain_no;
  head_ = write.new_head;
  sealed_ = write.sealed;
  seal_ = write.seal;
  if (options_.on_committed && row_count > 0) {
    options_.on_committed({options_.node, head_.recorded_at, encoder_.canonical_rows()});
  }
  // Before the segments are released: what stays open is copied out of them here.
  uint64_t orphans = batch_.orphans();
  batch_.finish();
  for (Source& source : sources_) {
    source.stored();
    // While an earlier life's files are drained the live journal is not touched.
    if (source.journal != nullptr && !source.reader)
      source.journal->release(source.position, source.next_seq);
  }
  backoff_ms_ = 0;
  control_.update([&](WriterStatus& status) {
    ++status.batches;
    status.rows += row_count;
    status.bytes += result.bytes;
    status.last_batch_us = (mono_ns() - began) / 1000;
    status.chain_no = head_.chain_no;
    status.orphans = orphans;
    status.open_starts = open_.size();
  });
}

bool Committer::commit() {
  BatchWrite write;
  build(write);
  if (batch_.empty() && write.moves.empty()) return true;
  uint64_t began = mono_ns();
  bool was_sent = false;
  int isolations = 0;
  takes_blocks_ = true;
  for (bool is_first = true;; is_first = false) {
    if (control_.is_ended()) return false;
    if (!session_) {
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
      control_.update([](WriterStatus& status) { ++status.failures; });
    }
    if (result.fault == BatchFault::conflict) {
      conflict(result.reason);
      return false;
    }
    if (result.fault == BatchFault::data && result.had_blocks) {
      // Row by row the store says which it refuses.
      takes_blocks_ = false;
      continue;
    }
    if (result.fault == BatchFault::data && isolations < isolations_max) {
      const bool is_isolated = isolate(result, isolations++ == 0);
      if (is_isolated) continue;
    }
    if (result.fault == BatchFault::partition && make_days()) continue;
    isolations = 0;
    control_.set_state(WriterState::retrying, result.reason);
    close();
    if (backoff_ms_ == 0) backoff_ms_ = 50;
  }
  control_.set_state(WriterState::running, "");
  return true;
}

}  // namespace ringfence::audit
