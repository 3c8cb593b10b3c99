#include "ringfence/control/known_versions.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "ringfence/base/state_file.h"

namespace ringfence::control {

namespace {

constexpr uint64_t rewrite_lines_min = 10'000;
constexpr size_t versions_bytes_max = 1 << 30;  // Of some ten million records.

std::string line_of(const std::string& key, const KnownVersions::Known& known) {
  return key + " " + std::to_string(known.version) + (known.is_deleted ? " deleted\n" : "\n");
}

std::string end_of(int64_t revision, const std::string& store_id) {
  return "revision " + std::to_string(revision) + " " + store_id + "\n";
}

Result<void> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno(errno, "write " + path);
    text.remove_prefix(static_cast<size_t>(written));
  }
  if (::fdatasync(fd) != 0) return fail_errno(errno, "sync " + path);
  return {};
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    out.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return out;
}

bool parse_number(std::string_view text, int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0;
}

}  // namespace

KnownVersions::KnownVersions(KnownVersions&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      lines_(other.lines_),
      known_(std::move(other.known_)),
      revision_(other.revision_),
      store_id_(std::move(other.store_id_)) {}

KnownVersions::~KnownVersions() {
  if (fd_ >= 0) ::close(fd_);
}

Result<KnownVersions> KnownVersions::open(const std::string& path) {
  KnownVersions out(path);
  auto made = create_file(out.folder(), out.name(), "");
  if (!made && made.error().fault != Fault::conflict) return unexpected(std::move(made.error()));
  if (auto opened = out.open_file(); !opened) return unexpected(std::move(opened.error()));
  if (auto loaded = out.load(); !loaded) return unexpected(std::move(loaded.error()));
  return out;
}

std::string KnownVersions::folder() const { return std::filesystem::path(path_).parent_path(); }
std::string KnownVersions::name() const { return std::filesystem::path(path_).filename(); }

Result<void> KnownVersions::open_file() {
  const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_APPEND | O_NOFOLLOW);
  if (fd < 0) return fail_errno(errno, "open " + path_);
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
  return {};
}

Result<void> KnownVersions::load() {
  auto text = read_file(folder(), name(), versions_bytes_max);
  if (!text) return unexpected(std::move(text.error()));
  std::vector<Entry> batch;
  size_t good_bytes = 0;  // Up to the end of the last whole batch.
  std::string_view rest = *text;
  for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const auto words = words_of(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    ++lines_;
    int64_t number = 0;
    if (words.size() == 3 && words[0] == "revision" && parse_number(words[1], number)) {
      for (Entry& entry : batch) known_[std::move(entry.key)] = entry.known;
      batch.clear();
      revision_ = number;
      store_id_ = words[2];
      good_bytes = text->size() - rest.size();
    } else if ((words.size() == 3 || (words.size() == 4 && words[3] == "deleted")) &&
               parse_number(words[2], number)) {
      batch.push_back({std::string(words[0]) + " " + std::string(words[1]), {number, words.size() == 4}});
    } else {
      return fail(Fault::malformed,
                  path_ + ":" + std::to_string(lines_) +
                      " is damaged; bring it back from a backup, or remove the file to believe "
                      "the store as it is");
    }
  }
  // A batch that was being written when the process ended.
  if (good_bytes < text->size() && ::ftruncate(fd_, static_cast<off_t>(good_bytes)) != 0)
    return fail_errno(errno, "truncate " + path_);
  return lines_ > rewrite_lines_min && lines_ > 2 * known_.size() ? rewrite() : Result<void>();
}

Result<void> KnownVersions::rewrite() {
  std::string text;
  for (const auto& [key, known] : known_) text += line_of(key, known);
  text += end_of(revision_, store_id_);
  if (auto replaced = replace_file(folder(), name(), text); !replaced) return replaced;
  lines_ = known_.size() + 1;
  return open_file();
}

const KnownVersions::Known* KnownVersions::find(const std::string& key) const {
  const auto found = known_.find(key);
  return found == known_.end() ? nullptr : &found->second;
}

Result<void> KnownVersions::add(const std::vector<Entry>& entries, int64_t revision,
                                const std::string& store_id) {
  std::string text;
  uint64_t lines = 1;
  for (const Entry& entry : entries) {
    const Known* known = find(entry.key);
    if (known != nullptr && known->version >= entry.known.version) continue;
    text += line_of(entry.key, entry.known);
    ++lines;
  }
  text += end_of(revision, store_id);
  struct stat before{};
  if (::fstat(fd_, &before) != 0) return fail_errno(errno, "stat " + path_);
  if (auto written = write_all(fd_, text, path_); !written) {
    // What there is of the batch must not stand in front of the next one.
    if (::ftruncate(fd_, before.st_size) != 0) return fail_errno(errno, "truncate " + path_);
    return written;
  }
  lines_ += lines;
  for (const Entry& entry : entries) {
    Known& known = known_[entry.key];
    if (known.version < entry.known.version) known = entry.known;
  }
  revision_ = revision;
  store_id_ = store_id;
  return {};
}

}  // namespace ringfence::control
