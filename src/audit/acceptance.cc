#include "audit/acceptance.h"

#include <algorithm>
#include <charconv>

#include "ringfence/base/state_file.h"

namespace ringfence::audit {
namespace {

constexpr const char* acceptance_file = "accept";
constexpr size_t acceptance_bytes_max = 64 << 10;

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

Result<std::optional<Acceptance>> read_acceptance(const std::string& directory) {
  auto text = read_file(directory, acceptance_file, acceptance_bytes_max);
  if (!text && text.error().fault == Fault::not_found) return std::nullopt;
  if (!text) return unexpected(std::move(text.error()));
  Acceptance out;
  std::string_view rest = *text;
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    std::string_view key = line.substr(0, space);
    std::string_view value = line.substr(space + 1);
    if (key == "code") out.code = value;
    if (key == "why") out.why = value;
    if (key == "was_hash") out.was_hash = value;
    if (key == "found_hash") out.found_hash = value;
    if (key == "removed") out.removed = value;
    if (key == "was") std::from_chars(value.data(), value.data() + value.size(), out.was);
    if (key == "found") std::from_chars(value.data(), value.data() + value.size(), out.found);
  }
  return out;
}

Result<void> keep_acceptance(const std::string& directory, const Acceptance& a) {
  return replace_file(directory, acceptance_file,
                      "code " + a.code + "\nwhy " + one_line(a.why) + "\nwas " + std::to_string(a.was) +
                          "\nwas_hash " + a.was_hash + "\nfound " + std::to_string(a.found) +
                          "\nfound_hash " + a.found_hash + "\nremoved " + one_line(a.removed) + "\n");
}

Result<void> end_acceptance(const std::string& directory) { return remove_file(directory, acceptance_file); }

}  // namespace ringfence::audit
