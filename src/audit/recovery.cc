#include "ringfence/audit/recovery.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <map>

#include "ringfence/base/log.h"

namespace ringfence::audit {
namespace {

// No segment is configured larger; a file that claims more is not read into memory whole.
constexpr uint64_t segment_bytes_max = uint64_t{1} << 30;

struct FileName {
  uint32_t producer;
  uint64_t segment_no;
};
bool parse_file_name(std::string_view name, FileName& out) {
  if (!name.ends_with(".seg")) return false;
  name.remove_suffix(4);
  size_t dash = name.find('-');
  if (dash == std::string_view::npos) return false;
  std::string_view first = name.substr(0, dash);
  std::string_view second = name.substr(dash + 1);
  auto a = std::from_chars(first.data(), first.data() + first.size(), out.producer);
  auto b = std::from_chars(second.data(), second.data() + second.size(), out.segment_no);
  return a.ec == std::errc() && a.ptr == first.data() + first.size() && b.ec == std::errc() &&
         b.ptr == second.data() + second.size();
}

bool parse_drop_name(std::string_view name, uint32_t& producer) {
  auto number = std::from_chars(name.data(), name.data() + name.size(), producer);
  return number.ec == std::errc() && name == drop_count_file_name(producer);
}

// Reads instead of mapping: a file that shrinks while it is mapped would be a SIGBUS.
Result<std::string> read_file(const std::string& path, uint64_t bytes_max) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail_errno(errno, "journal: open " + path);
  std::string out;
  struct stat info{};
  uint64_t want =
      ::fstat(fd, &info) == 0 ? std::min<uint64_t>(static_cast<uint64_t>(info.st_size), bytes_max) : 0;
  out.resize(want);
  size_t got = 0;
  while (got < want) {
    ssize_t n = ::pread(fd, out.data() + got, want - got, static_cast<off_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;  // An unreadable tail is as good as a missing one.
    got += static_cast<size_t>(n);
  }
  ::close(fd);
  out.resize(got);
  return out;
}

// The largest seq in the image. Behind the first record that does not verify every aligned place is tried:
// what is found there is not trusted as a sequence, but it proves that those numbers were given.
uint64_t largest_seq(ByteView image, const SegmentHeader& header) {
  uint64_t largest = 0;
  uint64_t offset = segment_header_bytes;
  JournalRecord record;
  while (offset < image.size()) {
    uint64_t next = offset + 8;
    if (check_record(image, header, offset, record, next) == RecordCheck::record) {
      largest = std::max(largest, record.seq);
    }
    offset = next;
  }
  return largest;
}

// The journals of a state directory, file by file.
class JournalSearch {
 public:
  explicit JournalSearch(const std::string& node) : node_(node) {}

  // Notes what the file is, or removes it where nothing is in there. Fails where it is another node's.
  Result<void> look_at(const std::filesystem::path& file);
  // Once all files are known: those without a header are removed, or damaged.
  void settle_blank();
  // The journals, with what their records say.
  Result<std::vector<RecoveredJournal>> take();

 private:
  struct Blank {
    FileName name;
    std::string path;
  };
  RecoveredJournal& journal(uint32_t producer) {
    RecoveredJournal& found = found_[producer];
    found.producer = producer;
    return found;
  }

  const std::string& node_;
  std::map<uint32_t, RecoveredJournal> found_;  // By producer.
  std::vector<Blank> blank_;                    // Whose header is all zeros.
};

Result<void> JournalSearch::look_at(const std::filesystem::path& file) {
  FileName name{};
  if (parse_drop_name(file.filename().string(), name.producer)) {
    journal(name.producer).dropped = read_drop_count(file.string());
    return {};
  }
  if (!parse_file_name(file.filename().string(), name)) return {};
  std::string path = file.string();
  auto head = read_file(path, segment_header_bytes);
  if (!head) return unexpected(std::move(head.error()));
  auto header = decode_segment_header(*head);
  if (!header && header.error().fault == Fault::conflict)
    return unexpected(std::move(header.error()).in(path));
  if (!header || header->producer != name.producer || header->segment_no != name.segment_no ||
      header->segment_bytes > segment_bytes_max) {
    // Reuse and creation interrupted half way leave a header of another name or none at all: nothing in
    // there.
    const bool is_blank = head->find_first_not_of('\0') == std::string::npos;
    if (header) ::unlink(path.c_str());
    else if (is_blank) blank_.push_back({name, std::move(path)});
    else journal(name.producer).unreadable.push_back(std::move(path));
    return {};
  }
  if (header->node != node_) {
    return fail(Fault::conflict, path + " belongs to node '" + header->node + "', this one is '" + node_ +
                                     "': set node back, or use another state directory");
  }
  journal(name.producer).segments.push_back({path, std::move(*header)});
  return {};
}

void JournalSearch::settle_blank() {
  for (Blank& file : blank_) {
    auto at = found_.find(file.name.producer);
    const bool is_newest =
        at == found_.end() ||
        std::none_of(at->second.segments.begin(), at->second.segments.end(), [&](const SegmentFile& other) {
          return other.header.segment_no > file.name.segment_no;
        });
    // Segments are made one after the other: where a later one exists, this one was whole once.
    if (is_newest) ::unlink(file.path.c_str());
    else at->second.unreadable.push_back(std::move(file.path));
  }
  blank_.clear();
}

Result<std::vector<RecoveredJournal>> JournalSearch::take() {
  std::vector<RecoveredJournal> out;
  for (auto& [producer, journal] : found_) {
    for (std::string& path : journal.unreadable) {
      log_error("journal file has a damaged header; it is kept", {{"path", path + ".damaged"}});
      ::rename(path.c_str(), (path + ".damaged").c_str());
    }
    std::sort(journal.segments.begin(), journal.segments.end(),
              [](const SegmentFile& a, const SegmentFile& b) {
                return a.header.first_position() < b.header.first_position();
              });
    for (const SegmentFile& file : journal.segments) {
      journal.epoch_max = std::max(journal.epoch_max, file.header.epoch);
      journal.end_position = std::max(journal.end_position, file.header.end_position());
      journal.next_seq = std::max(journal.next_seq, file.header.first_seq);
      auto image = read_file(file.path, file.header.segment_bytes);
      if (!image) return unexpected(std::move(image.error()));
      uint64_t largest = largest_seq(*image, file.header);
      if (largest != 0) journal.next_seq = std::max(journal.next_seq, largest + 1);
    }
    out.push_back(std::move(journal));
  }
  return out;
}

}  // namespace

Result<std::vector<RecoveredJournal>> recover(const std::string& directory, const std::string& node) {
  JournalSearch search(node);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (auto looked = search.look_at(entry.path()); !looked) return unexpected(std::move(looked.error()));
  }
  if (error) return fail(Fault::io, "journal: " + directory + ": " + error.message());
  search.settle_blank();
  return search.take();
}

RecoveryReader::RecoveryReader(RecoveredJournal journal, uint64_t from_position, uint64_t next_seq)
    : journal_(std::move(journal)),
      from_position_(from_position),
      position_(from_position),
      next_seq_(next_seq) {
  // Each life makes its files before its writer moves the checkpoint into them.
  is_foreign_ = was_damaged_ = !journal_.segments.empty() && from_position > journal_.end_position;
}

bool RecoveryReader::load(size_t index) {
  const SegmentFile& file = journal_.segments[index];
  if (file.header.end_position() <= from_position_) return false;
  // Within one life the chain is broken once a record did not verify.
  if (stopped_epoch_ != 0 && file.header.epoch == stopped_epoch_) return false;
  auto image = read_file(file.path, file.header.segment_bytes);
  if (!image) {
    log_error("journal segment cannot be read", {{"error", image.error().message}});
    return false;
  }
  // Segments are allocated before their header is written, so that they never are shorter by our doing.
  if (image->size() < file.header.segment_bytes) {
    cut_short_.push_back(file.path);
    was_damaged_ = true;
  }
  header_ = file.header;
  buffer_ = std::make_shared<const std::string>(std::move(*image));
  offset_ = segment_header_bytes;
  uint64_t begin = header_.segment_no * header_.segment_bytes;
  // The checkpoint is a record's boundary: what lies before it need not be readable any more.
  if (from_position_ > begin + offset_) {
    offset_ = from_position_ - begin;
    if (!is_boundary(offset_)) is_foreign_ = was_damaged_ = true;
  }
  return true;
}

// Of the loaded segment: records lead exactly there, the last of them with the number before next_seq_.
bool RecoveryReader::is_boundary(uint64_t offset) const {
  uint64_t at = segment_header_bytes;
  JournalRecord record;
  while (at < offset) {
    uint64_t next_offset = 0;
    if (check_record(*buffer_, header_, at, record, next_offset) != RecordCheck::record) return false;
    at = next_offset;
  }
  return at == offset && record.seq + 1 == next_seq_;
}

bool RecoveryReader::next(JournalRecord& out) {
  for (;;) {
    if (!is_loaded_) {
      if (index_ >= journal_.segments.size()) {
        if (journal_.next_seq > next_seq_) {
          lost_ += journal_.next_seq - next_seq_;
          next_seq_ = journal_.next_seq;
          was_damaged_ = true;
        }
        position_ = std::max(position_, journal_.end_position);
        return false;
      }
      is_loaded_ = load(index_++);
      continue;
    }
    uint64_t next_offset = 0;
    RecordCheck check = check_record(*buffer_, header_, offset_, out, next_offset);
    if (check == RecordCheck::record && out.seq < next_seq_) {
      // A number that was given already: a file that somebody put back. It is in the store.
      log_warning("journal record seen before",
                  {{"producer", std::to_string(journal_.producer)}, {"seq", std::to_string(out.seq)}});
      offset_ = next_offset;
      continue;
    }
    if (check != RecordCheck::record) {
      if (check == RecordCheck::invalid) stopped_epoch_ = header_.epoch;
      is_loaded_ = false;
      continue;
    }
    if (out.seq > next_seq_) {
      lost_ += out.seq - next_seq_;
      was_damaged_ = true;
    }
    offset_ = next_offset;
    next_seq_ = out.seq + 1;
    position_ = out.end_position;
    return true;
  }
}

void RecoveryReader::remove_files() {
  for (const SegmentFile& file : journal_.segments) {
    if (was_damaged_) ::rename(file.path.c_str(), (file.path + ".damaged").c_str());
    else ::unlink(file.path.c_str());
  }
  journal_.segments.clear();
}

Result<uint32_t> begin_epoch(const std::string& directory, uint32_t epoch_seen) {
  std::string path = directory + "/epoch";
  if (auto text = read_file(path, 64)) {
    uint32_t kept = 0;
    std::from_chars(text->data(), text->data() + text->size(), kept);
    epoch_seen = std::max(epoch_seen, kept);
  }
  uint32_t epoch = epoch_seen + 1;
  std::string temporary = path + ".new";
  int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(errno, "journal: create " + temporary);
  std::string text = std::to_string(epoch) + "\n";
  ssize_t written = ::write(fd, text.data(), text.size());
  int error = written == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0 ? 0
              : errno != 0                                                     ? errno
                                                                               : ENOSPC;
  ::close(fd);
  if (error != 0) return fail_errno(error, "journal: write " + temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return fail_errno(errno, "journal: rename " + temporary);
  return epoch;
}

Result<StateLock> StateLock::take(const std::string& state_directory) {
  std::string path = state_directory + "/lock";
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(errno, "state directory: open " + path);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    int error = errno;
    char pid[32] = {};
    ssize_t n = ::pread(fd, pid, sizeof pid - 1, 0);
    ::close(fd);
    if (error != EWOULDBLOCK) return fail_errno(error, "state directory: lock " + path);
    std::string holder = n > 0 ? std::string(pid, static_cast<size_t>(n)) : "unknown";
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    return fail(Fault::conflict, "state directory " + state_directory + " is in use by process " + holder +
                                     ": stop it, or give this one a state directory of its own");
  }
  std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    int error = errno;
    ::close(fd);
    return fail_errno(error, "state directory: write " + path);
  }
  return StateLock(fd);
}

StateLock& StateLock::operator=(StateLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

StateLock::~StateLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace ringfence::audit
