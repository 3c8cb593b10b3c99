// What an earlier life of the process left in the journal folder: found at start, drained by the writer.
//
// Reading stops, within one life (epoch), at the first record that does not verify: the kernel writes pages
// in any order, so what follows a hole proves nothing about what is missing. Whatever bytes the files hold,
// reading them neither crashes nor gives a record twice.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ringfence/audit/journal.h"

namespace ringfence::audit {

struct SegmentFile {
  std::string path;
  SegmentHeader header;
};

// All segments of one producer, ascending by number, and what reading all of them found.
struct RecoveredJournal {
  uint32_t producer = 0;
  uint32_t epoch_max = 0;
  uint64_t segment_no_max = 0;
  uint64_t end_position = 0;  // End of the last segment's range.
  // One past the largest seq seen in any record that verifies, also behind a hole; 0 when the files do not
  // tell.
  uint64_t next_seq = 0;
  uint64_t dropped =
      0;  // Records that all lives dropped, as their count in the folder says (see drop_count.h).
  std::vector<SegmentFile> segments;
  std::vector<std::string> unreadable;  // Files whose header is damaged: kept, renamed to <name>.damaged.
};

// Files left by an interrupted creation or reuse are removed: they hold nothing that was not committed. An
// empty one that is not its producer's newest was more once, and counts as unreadable. Segments of another
// node are an error.
Result<std::vector<RecoveredJournal>> recover(const std::string& directory, const std::string& node);

// Gives the records from a checkpoint on, in order. Holds one segment in memory; the bodies it gave stay
// valid while somebody holds `buffer()` as it was when they were given.
class RecoveryReader {
 public:
  RecoveryReader(RecoveredJournal journal, uint64_t from_position, uint64_t next_seq);

  // False at the end. Records that are known to have existed and could not be read are counted in
  // take_lost().
  bool next(JournalRecord& out);
  // Records found missing since the last call.
  uint64_t take_lost() {
    uint64_t lost = lost_;
    lost_ = 0;
    return lost;
  }
  // Files shorter than they were made, so that what they held at the end is gone: nothing says how many
  // records that were.
  const std::vector<std::string>& cut_short() const { return cut_short_; }
  // True when the checkpoint is no place where these files have a record's boundary: somebody else moved it,
  // and what was skipped as stored may not be. Known at the end.
  bool is_foreign() const { return is_foreign_; }
  std::shared_ptr<const std::string> buffer() const { return buffer_; }
  uint64_t position() const { return position_; }
  uint64_t next_seq() const { return next_seq_; }
  const RecoveredJournal& journal() const { return journal_; }
  // Deletes the files; after the store committed all that was read. Where records were lost, the files are
  // kept beside, as <name>.damaged, for people to look at.
  void remove_files();

 private:
  bool load(size_t index);
  bool is_boundary(uint64_t offset) const;

  RecoveredJournal journal_;
  uint64_t from_position_;
  uint64_t position_;
  uint64_t next_seq_;
  uint64_t lost_ = 0;
  std::vector<std::string> cut_short_;
  bool was_damaged_ = false;
  bool is_foreign_ = false;
  size_t index_ = 0;  // The next segment to load.
  bool is_loaded_ = false;
  uint64_t offset_ = 0;
  uint32_t stopped_epoch_ = 0;  // The life in which reading met a record that does not verify.
  SegmentHeader header_;
  std::shared_ptr<const std::string> buffer_;
};

// The life that begins now: one more than any seen, kept in <directory>/epoch.
Result<uint32_t> begin_epoch(const std::string& directory, uint32_t epoch_seen);

// One process per state directory: flock on <state>/lock, held while the object lives.
class StateLock {
 public:
  static Result<StateLock> take(const std::string& state_directory);
  StateLock(StateLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  StateLock& operator=(StateLock&& other) noexcept;
  ~StateLock();

 private:
  explicit StateLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace ringfence::audit
