// The journal of one producing thread: records in memory-mapped segment files of the state directory.
//
// Three threads may use a Journal, each its own part: the producer (reserve, publish), the consumer (next,
// release) and the keeper (keep). The producer never does IO, locks, allocates or makes a system call; it
// gets its segments, allocated and prefaulted, from the keeper through one atomic slot. What always holds:
// - a record that was published is in the page cache: killing the process does not lose it;
// - a position (segment number * segment bytes + offset) is never used twice, in any life of the process, and
//   each record's checksum covers its position, so bytes of an earlier lap never verify;
// - seq counts the records of a (node, producer) from 1 without a gap, across restarts;
// - a segment is reused only after release() said that everything in it is committed in the store.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ringfence/audit/drop_count.h"
#include "ringfence/audit/event.h"
#include "ringfence/base/result.h"

namespace ringfence::audit {

// Layout of a segment file, integers little-endian. It is read by later versions: see `segment_version`.
inline constexpr uint32_t segment_version = 1;
inline constexpr size_t segment_header_bytes = 256;
inline constexpr size_t record_header_bytes = 32;
inline constexpr size_t node_bytes_max = 128;

struct SegmentHeader {
  uint64_t segment_bytes = 0;
  uint64_t segment_no = 0;
  uint64_t first_seq = 0;  // seq of its first record; 0 where it was not known when the segment was made.
  uint32_t producer = 0;
  uint32_t epoch = 0;  // The process's life that wrote it: grows by one with each start.
  std::string node;

  uint64_t first_position() const { return segment_no * segment_bytes + segment_header_bytes; }
  uint64_t end_position() const { return (segment_no + 1) * segment_bytes; }
};
std::string encode_segment_header(const SegmentHeader& header);         // segment_header_bytes long.
Result<SegmentHeader> decode_segment_header(ByteView image);            // Needs segment_header_bytes.
std::string segment_file_name(uint32_t producer, uint64_t segment_no);  // "3-17.seg"

struct JournalRecord {
  uint64_t position = 0;      // Where its header begins.
  uint64_t end_position = 0;  // Where the next one begins.
  uint64_t seq = 0;
  uint64_t start_seq = 0;
  RecordKind kind = RecordKind::event;
  ByteView body;
};

// What is at `offset` of a segment image.
enum class RecordCheck : uint8_t { record, segment_end, invalid };
// Verifies bounds, kind, epoch and checksum; never reads outside of `image`, whatever its bytes are.
// `next_offset` is set for `record`.
RecordCheck check_record(ByteView image, const SegmentHeader& header, uint64_t offset, JournalRecord& out,
                         uint64_t& next_offset);

struct JournalOptions {
  std::string directory;  // <state>/journal; exists.
  std::string node;
  uint32_t producer = 0;
  uint32_t epoch = 1;
  uint64_t first_segment = 0;
  uint64_t first_seq = 1;
  uint64_t segment_bytes = 16 << 20;  // A multiple of 4096.
  uint64_t max_bytes = 1 << 30;       // Of live segments; at least two segments are allowed.
  uint64_t disk_reserve_bytes = 0;    // Of the file system's free room, not used for growing.
  bool drop_when_full = false;        // audit.on_full: drop. Records without room are counted, not kept.
  uint64_t dropped_min = 0;           // Records that earlier lives dropped, as far as the store knows.
  bool sync_segments = false;  // audit.durability: disk. New segment files are synced with their folder.
  int (*sync_file)(int) = ::fdatasync;  // Another one where a test wants it to fail.
};

struct JournalCounters {
  uint64_t records = 0;      // Published since the start.
  uint64_t bytes = 0;        // Of bodies published since the start.
  uint64_t depth_bytes = 0;  // Published, not yet committed in the store.
  uint64_t depth_records = 0;
  uint64_t stalls = 0;    // Times that reserve found no room.
  uint64_t dropped = 0;   // Records not kept (drop_when_full) since the start.
  uint64_t segments = 0;  // Live: holding unreleased records, current or spare.
  uint64_t segment_bytes = 0;
  bool is_broken = false;  // What was published may not be on the disk: a sync failed.
  bool is_full = false;    // Sealed; or no spare, and the last try to make one failed or met the bound.
};

class Journal final : public RecordSpace {
 public:
  // Makes the first segment and a spare; fails when the state directory has no room for them.
  static Result<std::unique_ptr<Journal>> open(JournalOptions options);
  ~Journal() override;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  uint32_t producer() const { return options_.producer; }
  const JournalOptions& options() const { return options_; }

  // --- Producer thread.
  // nullptr: neither the current segment has room nor is a spare there. The keeper calls the waker set by
  // on_room once there is room again. With drop_when_full never nullptr. `size_max` must fit in a segment.
  char* reserve(size_t size_max) override;
  // Gives 0 when the record was dropped (drop_when_full), also for the outcome of a dropped start
  // (`start_seq` 0).
  uint64_t publish(RecordKind kind, size_t size, uint64_t start_seq) override;
  uint64_t waiting_bytes() const override;
  // Position after the last published record: what sync() has to reach before it may be relied on.
  uint64_t published_position() const { return committed_.load(std::memory_order_acquire); }
  // True when a statement could be recorded now: a cheap question before work is accepted.
  bool has_room(size_t size_max) const;
  // Set before the producer starts. Called on the keeper's thread; must only wake the producer's loop. False:
  // it could not, and is called again.
  void on_room(std::function<bool()> waker) { waker_ = std::move(waker); }

  // --- Consumer thread.
  // The next published record, in place: valid until release() passes its end. False when there is none.
  bool next(JournalRecord& out);
  // Position after the last record that next() gave; what a checkpoint stores.
  uint64_t consumed_position() const { return cursor_; }
  uint64_t next_seq() const { return cursor_seq_; }
  // No room any more: the consumer has stopped for good, so that what is published would not reach the store.
  // A reservation that was granted stays.
  void seal() { is_sealed_.store(true, std::memory_order_relaxed); }
  // Everything before `position` is committed in the store.
  void release(uint64_t position, uint64_t next_seq);

  // --- Keeper thread (or the consumer's, where there is no other).
  // Prepares a spare when there is none. True when one was provided.
  bool keep();

  // --- Any thread but the producer.
  // Makes all before `position` survive a power cut. Several threads may call it; one sync serves all. Once
  // one has failed all do, and the journal is sealed: the kernel tells a write error once and takes the pages
  // for clean (fsync(2)), so that the next sync would answer for bytes that the disk does not have.
  Result<void> sync(uint64_t position);
  uint64_t synced_position() const { return synced_.load(std::memory_order_acquire); }
  JournalCounters counters() const;
  // Of all lives.
  uint64_t dropped() const { return dropped_.all(); }

 private:
  struct Segment;
  explicit Journal(JournalOptions options) : options_(std::move(options)) {}
  bool advance_segment();
  bool may_grow() const;
  void wake_who_waits();
  Result<std::shared_ptr<Segment>> make_segment(uint64_t segment_no, uint64_t first_seq);
  std::shared_ptr<Segment> find_segment(uint64_t segment_no) const;

  const JournalOptions options_;
  std::function<bool()> waker_;

  // Producer's own.
  Segment* current_ = nullptr;
  uint64_t offset_ = 0;  // Of the next record's header in the current segment.
  uint64_t next_seq_ = 1;
  size_t reserved_ = 0;
  bool dropping_ = false;  // What was reserved is the scratch room.
  std::unique_ptr<char[]> scratch_;

  // Producer to consumer.
  alignas(64) std::atomic<uint64_t> committed_{0};
  std::atomic<uint64_t> records_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> stalls_{0};
  DropCount dropped_;
  // Keeper to producer.
  alignas(64) std::atomic<Segment*> spare_{nullptr};
  std::atomic<bool> room_wanted_{false};
  std::atomic<bool> is_full_{false};
  std::atomic<bool> is_sealed_{false};

  // Consumer's own.
  alignas(64) uint64_t cursor_ = 0;
  uint64_t cursor_seq_ = 1;
  std::shared_ptr<Segment> reading_;
  uint64_t reading_no_ = 0;  // Its number while it was read; the segment may be reused since.
  std::atomic<uint64_t> released_{0};
  std::atomic<uint64_t> released_records_{0};

  std::atomic<uint64_t> synced_{0};
  std::atomic<bool> is_broken_{false};
  std::mutex sync_lock_;

  // Keeper, consumer and sync; never the producer.
  mutable std::mutex lock_;
  std::deque<std::shared_ptr<Segment>> live_;
  std::vector<std::shared_ptr<Segment>> free_;
  uint64_t next_segment_ = 0;
  uint64_t retry_keep_ns_ = 0;
};

}  // namespace ringfence::audit
