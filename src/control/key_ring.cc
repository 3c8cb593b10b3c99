#include "ringfence/control/key_ring.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "ringfence/base/base64.h"
#include "ringfence/base/run_as.h"
#include "ringfence/base/state_file.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::control {

namespace {

constexpr size_t ring_bytes_max = 64 * 1024;
constexpr size_t id_bytes_max = 64;
constexpr const char* cure =
    "write each key as a name and 32 bytes in base64, as from `openssl rand -base64 32`";

Result<std::string> read_ring(const std::string& path) {
  auto fd = open_to_read(path);
  if (!fd) return unexpected(std::move(fd.error()));
  std::string out(ring_bytes_max + 1, '\0');
  size_t size = 0;
  ssize_t got = 0;
  while (size < out.size() && (got = ::read(*fd, out.data() + size, out.size() - size)) > 0)
    size += static_cast<size_t>(got);
  const int error = errno;
  ::close(*fd);
  if (got < 0) return fail_errno(error, "read " + path);
  if (size > ring_bytes_max) return fail(Fault::limit, path + " is longer than 64 KiB: it is no key ring");
  out.resize(size);
  return out;
}

}  // namespace

Result<KeyRing> KeyRing::parse(std::string_view text, const std::string& path) {
  KeyRing out;
  for (size_t line_number = 1; !text.empty(); ++line_number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    const auto wrong = [&](const std::string& what) {
      return fail(Fault::malformed, path + ":" + std::to_string(line_number) + ": " + what);
    };
    const size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return wrong(std::string("is no key; ") + cure);
    const std::string id(line.substr(0, blank));
    if (!model::check_simple_name(id, id_bytes_max).empty())
      return wrong(std::string("names no key; ") + cure);
    if (out.find(id) != nullptr) return wrong("has the key \"" + id + "\" a second time; remove it");
    if (out.keys_.size() == ring_keys_max) return wrong("is one key too many; at most 100 can be kept");
    auto bytes = base64_decode(line.substr(blank + 1));
    if (!bytes || bytes->size() != ring_key_bytes)
      return wrong("has no key of 32 bytes; " + std::string(cure));
    out.keys_.emplace_back(id, model::Secret(*bytes));
    crypto::secure_zero(*bytes);
  }
  if (out.keys_.empty()) return fail(Fault::malformed, path + " has no key; " + cure);
  return out;
}

Result<KeyRing> KeyRing::read(const std::string& path) {
  auto text = read_ring(path);
  if (!text) return unexpected(std::move(text.error()).in("key ring"));
  auto out = parse(*text, path);
  crypto::secure_zero(*text);
  return out;
}

Result<KeyRing> KeyRing::read_or_make(const std::string& path) {
  auto known = read(path);
  if (known || known.error().fault != Fault::not_found) return known;
  auto key = crypto::random_bytes(ring_key_bytes);
  if (!key) return unexpected(std::move(key.error()));
  std::string text =
      "# Keys of the control plane: whoever has them can write what the appliance believes.\nk1 " +
      base64_encode(*key) + "\n";
  const std::filesystem::path place(path);
  auto made = create_file(place.parent_path(), place.filename(), text);
  auto out = parse(text, path);
  crypto::secure_zero(*key);
  crypto::secure_zero(text);
  if (!made) return unexpected(std::move(made.error()));
  return out;
}

const model::Secret* KeyRing::find(std::string_view id) const {
  for (const auto& [name, key] : keys_) {
    if (name == id) return &key;
  }
  return nullptr;
}

}  // namespace ringfence::control
