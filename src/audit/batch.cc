#include "audit/batch.h"

#include <algorithm>

namespace ringfence::audit {

PendingRow& Batch::add_row(RowShape shape, uint32_t shard, uint64_t seq) {
  PendingRow& row = rows_.emplace_back();
  row.shape = shape;
  row.shard = shard;
  row.seq = seq;
  return row;
}

// The start's bytes for a row of this batch: in place, or moved out of the open start, which is about to
// change.
ByteView Batch::take_fields(OpenStart& start) {
  if (start.fields.data() != start.copy.data()) return start.fields;
  return own(std::move(start.copy));
}

void Batch::close(OpenStart& start) {
  if (start.is_stored) leave_store(start);
  open_.remove(start.key);
}

void Batch::add(uint32_t shard, const JournalRecord& record, uint64_t now_ns) {
  ++records_;
  bytes_ += record.body.size();
  if (oldest_ns_ == 0) oldest_ns_ = now_ns;
  if (record.kind == RecordKind::event) {
    add_row(RowShape::event, shard, record.seq).first = record.body;
    return;
  }
  if (record.kind == RecordKind::start) {
    uint64_t key = OpenStarts::key_of(shard, record.seq);
    OpenStart& start = open_.add(key);
    start.fields = record.body;
    start.known_since_ns = now_ns;
    touched_.push_back(key);
    by_age_.push_back(key);
    return;
  }
  OpenStart* start = open_.find(OpenStarts::key_of(shard, record.start_seq));
  if (start == nullptr) {
    PendingRow& row = add_row(RowShape::orphan, shard, record.seq);
    row.second = record.body;
    row.start_seq = record.start_seq;
    ++orphans_;
    return;
  }
  bool is_late = start->is_written;
  ByteView first = take_fields(*start);
  PendingRow& row = is_late ? add_row(RowShape::late_outcome, shard, record.seq)
                            : add_row(RowShape::joined, shard, record.start_seq);
  row.first = first;
  row.second = record.body;
  row.start_seq = record.start_seq;
  if (!is_late) row.outcome_seq = record.seq;
  close(*start);
}

void Batch::expire(uint64_t now_ns, uint64_t window_ns, bool is_drained) {
  // Behind a backlog the outcomes wait unread: then a start gets more time, but not for ever.
  uint64_t limit = is_drained ? window_ns : window_ns * 5;
  while (!by_age_.empty()) {
    uint64_t key = by_age_.front();
    OpenStart* start = open_.find(key);
    if (start != nullptr && !start->is_written) {
      if (now_ns - start->known_since_ns < limit && open_.size() <= open_max_) return;
      if (oldest_ns_ == 0) oldest_ns_ = now_ns;
      ByteView fields = take_fields(*start);
      add_row(RowShape::running, OpenStarts::shard_of(key), OpenStarts::seq_of(key)).first = fields;
      FieldSet all;
      (void)parse_fields(fields, all);
      std::string kept(size_of(all, session_fields_mask()), '\0');
      write_fields(kept.data(), all, session_fields_mask());
      if (start->is_stored) leave_store(*start);
      start->is_stored = false;
      start->is_written = true;
      start->copy = std::move(kept);
      start->fields = start->copy;
      touched_.push_back(key);
    }
    by_age_.pop_front();
  }
}

void Batch::end_unknown(uint64_t key, uint64_t& writer_seq) {
  OpenStart* start = open_.find(key);
  if (start == nullptr) return;
  bool is_late = start->is_written;
  ByteView first = take_fields(*start);
  PendingRow& row = is_late ? add_row(RowShape::died_late, writer_shard, writer_seq++)
                            : add_row(RowShape::died, OpenStarts::shard_of(key), OpenStarts::seq_of(key));
  row.first = first;
  close(*start);
}

void Batch::add_own_event(const EventBuilder& event, uint64_t& writer_seq) {
  add_row(RowShape::event, writer_shard, writer_seq++).first = own(std::string(event.bytes()));
}

Result<void> Batch::resolve_orphans(StoreSession& session) {
  if (evicted_ == 0) return {};
  for (PendingRow& row : rows_) {
    if (row.shape != RowShape::orphan || row.start_seq == 0) continue;
    bool is_written = false;
    uint64_t key = OpenStarts::key_of(row.shard, row.start_seq);
    auto fields = session.find_open(key, is_written);
    if (!fields) return unexpected(std::move(fields.error()));
    if (fields->empty()) continue;
    row.first = own(std::move(*fields));
    row.shape = RowShape::late_outcome;
    open_deletes_.push_back(gone(key, is_written));
    --evicted_;
    --orphans_;
  }
  return {};
}

void Batch::fill_open(BatchWrite& write) {
  write.open_deletes = open_deletes_;
  write.open_inserts.clear();
  // A start that was opened and expired in one batch is named twice.
  if (!std::is_sorted(touched_.begin(), touched_.end())) std::sort(touched_.begin(), touched_.end());
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
  for (uint64_t key : touched_) {
    OpenStart* start = open_.find(key);
    if (start == nullptr || start->is_stored) continue;
    write.open_inserts.push_back({key, start->is_written, start->fields});
  }
}

void Batch::finish() {
  for (uint64_t key : touched_) {
    OpenStart* start = open_.find(key);
    if (start == nullptr || start->is_stored) continue;
    if (start->fields.data() != start->copy.data()) {
      start->copy = start->fields;
      start->fields = start->copy;
    }
    start->is_stored = true;
  }
  if (open_.size() > open_max_) {
    std::vector<uint64_t> surplus;
    open_.for_each([&](OpenStart& start) {
      if (start.is_written && start.is_stored && surplus.size() < open_max_ / 10 + 1)
        surplus.push_back(start.key);
    });
    for (uint64_t key : surplus) open_.remove(key);
    evicted_ += surplus.size();
  }
  rows_.clear();
  touched_.clear();
  open_deletes_.clear();
  pinned_.clear();
  owned_.clear();
  bytes_ = 0;
  records_ = 0;
  oldest_ns_ = 0;
}

}  // namespace ringfence::audit
