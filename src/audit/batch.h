// The batch being gathered: which rows it will have, and which starts stay open after it.
//
// Rows refer to bytes in journal segments, in recovery buffers (pinned here) or owned here; all stay valid
// until clear(). Once handed to the store a batch does not change: it is sent until it is known to be in.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "audit/open_starts.h"
#include "audit/rows.h"
#include "audit/store_session.h"

namespace ringfence::audit {

class Batch {
 public:
  Batch(OpenStarts& open, uint64_t open_max) : open_(open), open_max_(open_max) {}

  void add(uint32_t shard, const JournalRecord& record, uint64_t now_ns);
  void pin(std::shared_ptr<const std::string> buffer) {
    if (pinned_.empty() || pinned_.back() != buffer) pinned_.push_back(std::move(buffer));
  }
  // Starts known for longer than the window become rows with outcome "running"; so do the oldest when too
  // many are open. `is_drained`: nothing waits in the journals, so their outcomes are not merely unread.
  void expire(uint64_t now_ns, uint64_t window_ns, bool is_drained);
  // The start's session is dead: a row says that nobody knows how it ended.
  void end_unknown(uint64_t key, uint64_t& writer_seq);
  void add_own_event(const EventBuilder& event, uint64_t& writer_seq);
  // A row of audit_open that the node did not seal: it goes, and is counted to nothing.
  void drop_refused(uint32_t shard, uint64_t seq) { open_deletes_.push_back({shard, seq, false, false}); }
  // Outcomes whose start is not in memory: those that were left to the store are looked up there.
  Result<void> resolve_orphans(StoreSession& session);

  std::vector<PendingRow>& rows() { return rows_; }
  uint64_t bytes() const { return bytes_; }
  size_t records() const { return records_; }
  bool empty() const { return records_ == 0 && rows_.empty() && touched_.empty() && open_deletes_.empty(); }
  uint64_t oldest_ns() const { return oldest_ns_; }
  uint64_t orphans() const { return orphans_; }

  void fill_open(BatchWrite& write);
  // After the COMMIT: what stays open is now held by the store and copied here.
  void finish();

 private:
  PendingRow& add_row(RowShape shape, uint32_t shard, uint64_t seq);
  ByteView own(std::string bytes) { return owned_.emplace_back(std::move(bytes)); }
  ByteView take_fields(OpenStart& start);
  void close(OpenStart& start);
  void leave_store(const OpenStart& start) { open_deletes_.push_back(gone(start.key, start.is_written)); }
  static OpenDelete gone(uint64_t key, bool is_written) {
    return {OpenStarts::shard_of(key), OpenStarts::seq_of(key), is_written, true};
  }

  OpenStarts& open_;
  const uint64_t open_max_;
  std::vector<PendingRow> rows_;
  std::deque<uint64_t> by_age_;  // Keys of unwritten starts, oldest first; may name closed ones.
  std::vector<uint64_t> touched_;
  std::vector<OpenDelete> open_deletes_;
  std::vector<std::shared_ptr<const std::string>> pinned_;
  std::deque<std::string> owned_;
  uint64_t bytes_ = 0;
  size_t records_ = 0;
  uint64_t oldest_ns_ = 0;
  uint64_t orphans_ = 0;
  uint64_t evicted_ = 0;  // Written starts that only the store holds.
};

}  // namespace ringfence::audit
