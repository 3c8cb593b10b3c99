#include "ringfence/audit/drop_count.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace ringfence::audit {
namespace {

constexpr char drop_magic[8] = {'R', 'F', 'D', 'R', 'O', 'P', '0', '1'};
constexpr size_t file_bytes = 4096;

struct Raw {
  char magic[8];
  uint64_t count;
};

}  // namespace

std::string drop_count_file_name(uint32_t producer) { return std::to_string(producer) + ".dropped"; }

uint64_t read_drop_count(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  Raw raw{};
  ssize_t n = ::pread(fd, &raw, sizeof raw, 0);
  ::close(fd);
  return n == sizeof raw && std::memcmp(raw.magic, drop_magic, sizeof drop_magic) == 0 ? raw.count : 0;
}

Result<void> DropCount::open(const std::string& path, uint64_t all_min) {
  at_open_ = std::max(read_drop_count(path), all_min);
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail_errno(errno, "journal: create " + path);
  Raw raw{};
  std::memcpy(raw.magic, drop_magic, sizeof drop_magic);
  raw.count = at_open_;
  // Allocated, so that writing to the mapping cannot meet a full disk.
  int error = ::posix_fallocate(fd, 0, file_bytes);
  if (error == 0 && ::pwrite(fd, &raw, sizeof raw, 0) != sizeof raw) error = errno;
  if (error == 0) {
    base_ = ::mmap(nullptr, file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base_ == MAP_FAILED) {
      error = errno;
      base_ = nullptr;
    }
  }
  ::close(fd);
  if (error != 0) return fail_errno(error, "journal: " + path);
  static_assert(sizeof(std::atomic<uint64_t>) == sizeof(uint64_t) &&
                std::atomic<uint64_t>::is_always_lock_free);
  count_ = reinterpret_cast<std::atomic<uint64_t>*>(static_cast<char*>(base_) + offsetof(Raw, count));
  return {};
}

DropCount::~DropCount() {
  if (base_ != nullptr) ::munmap(base_, file_bytes);
}

}  // namespace ringfence::audit
