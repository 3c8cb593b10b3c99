#include "ringfence/audit/journal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "audit/segment.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::audit {
namespace {

// Keeping prepared files saves their allocation; more than this only holds disk space.
constexpr size_t free_segments_max = 2;
constexpr uint64_t keep_retry_ns = 1'000'000'000;

}  // namespace

struct Journal::Segment {
  int fd = -1;
  char* base = nullptr;
  uint64_t bytes = 0;
  uint64_t segment_no = 0;
  std::string path;

  ~Segment() {
    if (base != nullptr) ::munmap(base, bytes);
    if (fd >= 0) ::close(fd);
  }
};

Result<std::unique_ptr<Journal>> Journal::open(JournalOptions options) {
  if (options.segment_bytes < 4096 || options.segment_bytes % 4096 != 0) {
    return fail(Fault::internal, "journal: segment size must be a multiple of 4096");
  }
  if (options.node.empty() || options.node.size() > node_bytes_max) {
    return fail(Fault::internal, "journal: the node's name must have 1 to 128 bytes");
  }
  std::unique_ptr<Journal> journal(new Journal(std::move(options)));
  const JournalOptions& o = journal->options_;
  if (o.drop_when_full) {
    size_t size = std::min<size_t>(record_bytes_max, o.segment_bytes);
    journal->scratch_ = std::make_unique<char[]>(size);
  }
  std::string count = o.directory + "/" + drop_count_file_name(o.producer);
  if (o.drop_when_full || read_drop_count(count) > 0 || o.dropped_min > 0) {
    if (auto done = journal->dropped_.open(count, o.dropped_min); !done)
      return unexpected(std::move(done.error()));
  }
  auto first = journal->make_segment(o.first_segment, o.first_seq);
  if (!first) return unexpected(std::move(first.error()));
  journal->current_ = first->get();
  journal->reading_ = *first;
  journal->reading_no_ = o.first_segment;
  journal->live_.push_back(std::move(*first));
  journal->next_segment_ = o.first_segment + 1;
  journal->offset_ = segment_header_bytes;
  journal->next_seq_ = journal->cursor_seq_ = o.first_seq;
  uint64_t position = o.first_segment * o.segment_bytes + segment_header_bytes;
  journal->cursor_ = position;
  journal->committed_ = position;
  journal->released_ = position;
  journal->synced_ = position;
  if (!journal->keep()) {
    return fail(Fault::io, "journal: no room for a second segment of " + std::to_string(o.segment_bytes) +
                               " bytes in " + o.directory + "; free disk space or lower audit.segment_bytes");
  }
  return journal;
}

Journal::~Journal() = default;

Result<std::shared_ptr<Journal::Segment>> Journal::make_segment(uint64_t segment_no, uint64_t first_seq) {
  auto path = options_.directory + "/" + segment_file_name(options_.producer, segment_no);
  std::shared_ptr<Segment> segment;
  {
    std::lock_guard guard(lock_);
    if (!free_.empty()) {
      segment = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (segment) {
    // Renamed before its header is written: a file whose header does not match its name is known as unused.
    if (::rename(segment->path.c_str(), path.c_str()) != 0)
      return fail_errno(errno, "journal: rename " + path);
  } else {
    segment = std::make_shared<Segment>();
    segment->bytes = options_.segment_bytes;
    segment->fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (segment->fd < 0) return fail_errno(errno, "journal: create " + path);
    int error = ::posix_fallocate(segment->fd, 0, static_cast<off_t>(segment->bytes));
    if (error != 0) {
      ::unlink(path.c_str());
      return fail_errno(error, "journal: allocate " + path);
    }
    void* base = ::mmap(nullptr, segment->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
    if (base == MAP_FAILED) {
      ::unlink(path.c_str());
      return fail_errno(errno, "journal: map " + path);
    }
    segment->base = static_cast<char*>(base);
  }
  segment->path = path;
  segment->segment_no = segment_no;
  SegmentHeader header;
  header.segment_bytes = options_.segment_bytes;
  header.segment_no = segment_no;
  header.first_seq = first_seq;
  header.producer = options_.producer;
  header.epoch = options_.epoch;
  header.node = options_.node;
  std::string raw = encode_segment_header(header);
  std::memcpy(segment->base, raw.data(), raw.size());
  // Write faults are taken here, not by the producer. Kernels before 5.14 do not know the advice.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
  if (::madvise(segment->base, segment->bytes, MADV_POPULATE_WRITE) != 0) {
    for (uint64_t at = 4096; at < segment->bytes; at += 4096) {
      auto* byte = static_cast<volatile char*>(segment->base + at);
      *byte = *byte;
    }
  }
  if (options_.sync_segments) {
    if (::fsync(segment->fd) != 0) {
      int error = errno;
      // Else the next try would find its name taken, for ever.
      ::unlink(path.c_str());
      return fail_errno(error, "journal: sync " + path);
    }
    int directory = ::open(options_.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0) {
      ::fsync(directory);
      ::close(directory);
    }
  }
  return segment;
}

std::shared_ptr<Journal::Segment> Journal::find_segment(uint64_t segment_no) const {
  std::lock_guard guard(lock_);
  for (const auto& segment : live_) {
    if (segment->segment_no == segment_no) return segment;
  }
  return nullptr;
}

// A process that starts needs segments before it can write what the earlier ones hold into the store: one
// that was killed with the disk full of them could not start any more.
bool Journal::may_grow() const {
  {
    std::lock_guard guard(lock_);
    if (live_.size() < 2 || !free_.empty()) return true;
  }
  struct statvfs disk{};
  if (options_.disk_reserve_bytes == 0 || ::statvfs(options_.directory.c_str(), &disk) != 0) return true;
  return uint64_t{disk.f_bavail} * disk.f_frsize >= options_.segment_bytes + options_.disk_reserve_bytes;
}

// Sequentially consistent with advance_segment(): either it sees the spare, or this sees that it wants one.
void Journal::wake_who_waits() {
  if (!room_wanted_.exchange(false, std::memory_order_seq_cst)) return;
  if (waker_ && !waker_()) room_wanted_.store(true, std::memory_order_seq_cst);
}

bool Journal::keep() {
  if (spare_.load(std::memory_order_acquire) != nullptr) {
    wake_who_waits();
    return false;
  }
  uint64_t segment_no;
  {
    std::lock_guard guard(lock_);
    uint64_t now = mono_ns();
    if (now < retry_keep_ns_) return false;
    size_t live_max = std::max<uint64_t>(2, options_.max_bytes / options_.segment_bytes);
    if (live_.size() >= live_max) {
      is_full_.store(true, std::memory_order_relaxed);
      return false;
    }
    segment_no = next_segment_;
  }
  Result<std::shared_ptr<Segment>> segment =
      fail(Fault::limit,
           "journal: what is left of the disk is kept, so that the next start has room for its segments: " +
               options_.directory);
  if (may_grow()) segment = make_segment(segment_no, 0);
  if (!segment) {
    if (!is_full_.exchange(true)) {
      log_error("no journal segment",
                {{"error", segment.error().message}, {"producer", std::to_string(options_.producer)}});
    }
    std::lock_guard guard(lock_);
    retry_keep_ns_ = mono_ns() + keep_retry_ns;
    return false;
  }
  Segment* raw = segment->get();
  {
    std::lock_guard guard(lock_);
    ++next_segment_;
    retry_keep_ns_ = 0;
    live_.push_back(std::move(*segment));
  }
  is_full_.store(false, std::memory_order_relaxed);
  spare_.store(raw, std::memory_order_seq_cst);
  wake_who_waits();
  return true;
}

bool Journal::has_room(size_t size_max) const {
  if (options_.drop_when_full) return true;
  if (is_sealed_.load(std::memory_order_relaxed)) return false;
  return options_.segment_bytes - offset_ >= align8(record_header_bytes + size_max) ||
         spare_.load(std::memory_order_acquire) != nullptr;
}

bool Journal::advance_segment() {
  Segment* next = spare_.exchange(nullptr, std::memory_order_acq_rel);
  if (next == nullptr) {
    stalls_.fetch_add(1, std::memory_order_relaxed);
    room_wanted_.store(true, std::memory_order_seq_cst);
    next = spare_.exchange(nullptr, std::memory_order_seq_cst);
    if (next == nullptr) return false;
    room_wanted_.store(false, std::memory_order_relaxed);
  }
  if (options_.segment_bytes - offset_ >= record_header_bytes) {
    write_record_header(current_->base + offset_, kind_segment_end, 0, options_.epoch, 0, 0,
                        current_->segment_no * options_.segment_bytes + offset_);
  }
  current_ = next;
  offset_ = segment_header_bytes;
  return true;
}

char* Journal::reserve(size_t size_max) {
  uint64_t need = align8(record_header_bytes + size_max);
  RINGFENCE_ASSERT(size_max <= record_bytes_max && need <= options_.segment_bytes - segment_header_bytes);
  bool is_granted = !dropping_ && reserved_ > 0 && size_max <= reserved_;
  dropping_ = false;
  reserved_ = size_max;
  bool is_sealed = is_sealed_.load(std::memory_order_relaxed) && !is_granted;
  if (is_sealed || (options_.segment_bytes - offset_ < need && !advance_segment())) {
    reserved_ = options_.drop_when_full ? size_max : 0;
    dropping_ = options_.drop_when_full;
    return dropping_ ? scratch_.get() : nullptr;
  }
  return current_->base + offset_ + record_header_bytes;
}

uint64_t Journal::publish(RecordKind kind, size_t size, uint64_t start_seq) {
  RINGFENCE_ASSERT(size <= reserved_);
  reserved_ = 0;
  if (dropping_ || (kind == RecordKind::outcome && start_seq == 0)) {
    dropped_.add();
    return 0;
  }
  uint64_t seq = next_seq_++;
  uint64_t position = current_->segment_no * options_.segment_bytes + offset_;
  write_record_header(current_->base + offset_, static_cast<uint8_t>(kind), static_cast<uint32_t>(size),
                      options_.epoch, seq, start_seq, position);
  uint64_t step = align8(record_header_bytes + size);
  offset_ += step;
  // One writer: plain increments, published for readers of the counters.
  records_.store(records_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  bytes_.store(bytes_.load(std::memory_order_relaxed) + size, std::memory_order_relaxed);
  committed_.store(position + step, std::memory_order_release);
  return seq;
}

bool Journal::next(JournalRecord& out) {
  uint64_t committed = committed_.load(std::memory_order_acquire);
  if (cursor_ == committed) return false;
  for (;;) {
    uint64_t offset = cursor_ - reading_no_ * options_.segment_bytes;
    RawRecord raw{};
    bool at_end = options_.segment_bytes - offset < record_header_bytes;
    if (!at_end) {
      std::memcpy(&raw, reading_->base + offset, sizeof raw);
      at_end = raw.kind == kind_segment_end;
    }
    if (at_end) {
      // The marker is published together with the first record of the next segment, which is therefore there.
      reading_ = find_segment(++reading_no_);
      RINGFENCE_ASSERT(reading_ != nullptr);
      cursor_ = reading_no_ * options_.segment_bytes + segment_header_bytes;
      continue;
    }
    out.position = cursor_;
    out.end_position = cursor_ + align8(record_header_bytes + raw.length);
    out.seq = raw.seq;
    out.start_seq = raw.start_seq;
    out.kind = static_cast<RecordKind>(raw.kind);
    out.body = ByteView(reading_->base + offset + record_header_bytes, raw.length);
    cursor_ = out.end_position;
    cursor_seq_ = raw.seq + 1;
    return true;
  }
}

void Journal::release(uint64_t position, uint64_t next_seq) {
  released_.store(position, std::memory_order_relaxed);
  released_records_.store(next_seq - options_.first_seq, std::memory_order_relaxed);
  uint64_t segment_no = position / options_.segment_bytes;
  std::vector<std::shared_ptr<Segment>> surplus;
  {
    std::lock_guard guard(lock_);
    while (!live_.empty() && live_.front()->segment_no < segment_no) {
      if (free_.size() < free_segments_max) free_.push_back(std::move(live_.front()));
      else surplus.push_back(std::move(live_.front()));
      live_.pop_front();
    }
  }
  for (const auto& segment : surplus) ::unlink(segment->path.c_str());
}

Result<void> Journal::sync(uint64_t position) {
  if (synced_.load(std::memory_order_acquire) >= position) return {};
  std::lock_guard serial(sync_lock_);
  uint64_t from = synced_.load(std::memory_order_acquire);
  if (from >= position) return {};
  if (is_broken_.load(std::memory_order_relaxed)) {
    return fail(Fault::io, "journal: an earlier sync failed: what it was to write may not be on the disk");
  }
  // What was published meanwhile comes along: one sync serves all that wait.
  uint64_t upto = committed_.load(std::memory_order_acquire);
  std::vector<std::shared_ptr<Segment>> dirty;
  {
    std::lock_guard guard(lock_);
    for (const auto& segment : live_) {
      uint64_t begin = segment->segment_no * options_.segment_bytes;
      if (begin < upto && begin + options_.segment_bytes > from) dirty.push_back(segment);
    }
  }
  for (const auto& segment : dirty) {
    if (options_.sync_file(segment->fd) == 0) continue;
    Error error = std::move(fail_errno(errno, "journal: sync " + segment->path).value());
    is_broken_.store(true, std::memory_order_relaxed);
    seal();
    log_error(
        "the journal cannot be relied on any more: statements are refused until the disk is seen to and the "
        "appliance started again",
        {{"error", error.message}});
    return unexpected(std::move(error));
  }
  synced_.store(upto, std::memory_order_release);
  return {};
}

uint64_t Journal::waiting_bytes() const {
  const uint64_t released = released_.load(std::memory_order_relaxed);
  const uint64_t committed = committed_.load(std::memory_order_relaxed);
  return committed > released ? committed - released : 0;
}

JournalCounters Journal::counters() const {
  JournalCounters out;
  out.records = records_.load(std::memory_order_relaxed);
  out.bytes = bytes_.load(std::memory_order_relaxed);
  out.depth_bytes = waiting_bytes();
  uint64_t released_records = released_records_.load(std::memory_order_relaxed);
  out.depth_records = out.records > released_records ? out.records - released_records : 0;
  out.stalls = stalls_.load(std::memory_order_relaxed);
  out.dropped = dropped_.of_this_life();
  out.is_broken = is_broken_.load(std::memory_order_relaxed);
  out.is_full =
      is_sealed_.load(std::memory_order_relaxed) ||
      (is_full_.load(std::memory_order_relaxed) && spare_.load(std::memory_order_relaxed) == nullptr);
  out.segment_bytes = options_.segment_bytes;
  std::lock_guard guard(lock_);
  out.segments = live_.size();
  return out;
}

}  // namespace ringfence::audit
