#include "audit/head_file.h"

#include <charconv>
#include <cstring>

#include "ringfence/base/hex.h"
#include "ringfence/base/state_file.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::audit {
namespace {

constexpr const char* head_file_name = "head";
constexpr size_t head_file_bytes_max = 1 << 20;

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty()) {
    size_t space = line.find(' ');
    out.push_back(line.substr(0, space));
    line = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  }
  return out;
}

bool read_number(std::string_view text, uint64_t& out) {
  auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

bool read_digest(std::string_view hex, crypto::Digest& out) {
  std::string bytes = bytes_of_hex(hex);
  if (bytes.size() != out.size()) return false;
  std::memcpy(out.data(), bytes.data(), out.size());
  return true;
}

}  // namespace

Result<std::vector<std::string>> HeadFile::lines() const {
  std::vector<std::string> out;
  auto text = read_file(directory_, head_file_name, head_file_bytes_max);
  if (!text && text.error().fault == Fault::not_found) return out;
  if (!text) return unexpected(std::move(text.error()));
  std::string_view rest = *text;
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    if (end != 0) out.emplace_back(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return out;
}

Result<std::optional<SignedHead>> HeadFile::read(Sealer& sealer) {
  auto all = lines();
  if (!all) return unexpected(std::move(all.error()));
  const std::string begin = hex_of(node_) + " ";
  for (const std::string& line : *all) {
    if (!line.starts_with(begin)) continue;
    auto words = words_of(line);
    SignedHead out;
    bool is_ours = words.size() == 7 && read_number(words[1], out.chain_no) &&
                   read_digest(words[2], out.hash) && read_number(words[3], out.anchor_no) &&
                   read_digest(words[4], out.anchor_digest) && read_number(words[5], out.accepted_to);
    if (is_ours) {
      std::string seal = bytes_of_hex(words[6]);
      std::string_view sealed = std::string_view(line).substr(0, line.size() - words[6].size() - 1);
      is_ours = crypto::constant_time_equal(seal, crypto::view_of(sealer.line(sealed)));
    }
    if (is_ours) return out;
    return fail(Fault::malformed,
                directory_ +
                    "/head is damaged, or seal.key is not the one that it was made with: bring both "
                    "back from a backup, or remove head and accept the store by the code that the next start "
                    "names");
  }
  return std::nullopt;
}

Result<void> HeadFile::write(Sealer& sealer, const SignedHead& head) {
  auto all = lines();
  if (!all) return unexpected(std::move(all.error()));
  const std::string begin = hex_of(node_) + " ";
  std::string text;
  for (const std::string& line : *all) {
    if (!line.starts_with(begin)) text += line + "\n";
  }
  std::string line = begin + std::to_string(head.chain_no) + " " + hex_of(crypto::view_of(head.hash)) + " " +
                     std::to_string(head.anchor_no) + " " + hex_of(crypto::view_of(head.anchor_digest)) +
                     " " + std::to_string(head.accepted_to);
  line += " " + hex_of(crypto::view_of(sealer.line(line)));
  return replace_file(directory_, head_file_name, text + line + "\n");
}

}  // namespace ringfence::audit
