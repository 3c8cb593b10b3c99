#include "ringfence/control/key_ring.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "ringfence/base/base64.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/hex.h"
#include "ringfence/base/run_as.h"
#include "ringfence/base/state_file.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/model/text_rules.h"
#include "ringfence/model/timestamp.h"

namespace ringfence::control {

namespace {

constexpr size_t id_bytes_max = 64;
constexpr size_t new_id_bytes = 6;
constexpr const char* cure =
    "write each key as a name and 32 bytes in base64, as from `openssl rand -base64 32`";
constexpr const char* ring_comment =
    "# Keys of the control plane: whoever has them can write what the appliance believes.\n";
constexpr std::array<std::string_view, 6> state_names = {"active",   "prepared", "accepted",
                                                         "retiring", "retired",  "destroyed"};

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

std::string_view next_word(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view out = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return out;
}

Result<void> take_attribute(std::string_view word, RingKey& key, bool& has_state) {
  const size_t equals = std::min(word.find('='), word.size());
  const std::string_view what = word.substr(0, equals);
  const std::string_view value = word.substr(std::min(equals + 1, word.size()));
  if (what == "state") {
    const auto* found = std::find(state_names.begin(), state_names.end(), value);
    if (found == state_names.end())
      return fail(Fault::malformed,
                  "has an unknown state; one of active, prepared, accepted, retiring, retired, destroyed");
    key.state = static_cast<KeyState>(found - state_names.begin());
    has_state = true;
    return {};
  }
  uint64_t* time = what == "created"   ? &key.created_us
                   : what == "since"   ? &key.since_us
                   : what == "expires" ? &key.expires_us
                                       : nullptr;
  if (time == nullptr)
    return fail(
        Fault::malformed,
        "has something unknown behind the key; only state=, created=, since= and expires= stand there");
  auto at = model::parse_rfc3339(value);
  if (!at) return fail(Fault::malformed, "has a time that is none; write it as 2026-01-02T03:04:05Z");
  *time = *at;
  return {};
}

void add_time(std::string& out, const char* what, uint64_t at_us) {
  if (at_us != 0) out.append(what).append(rfc3339(at_us));
}

}  // namespace

std::string_view name(KeyState state) { return state_names[static_cast<size_t>(state)]; }

// ---------------------------------------------------------------- text

Result<RingKey> KeyRing::parse_key(std::string_view line, bool& has_state) {
  const auto wrong = [](const std::string& what) { return fail(Fault::malformed, what); };
  if (line.find(' ') == std::string_view::npos) return wrong(std::string("is no key; ") + cure);
  RingKey out;
  out.id = next_word(line);
  if (!model::check_simple_name(out.id, id_bytes_max).empty())
    return wrong(std::string("names no key; ") + cure);
  const std::string_view secret = next_word(line);
  if (secret != "-") {
    auto bytes = base64_decode(secret);
    if (!bytes || bytes->size() != ring_key_bytes)
      return wrong("has no key of 32 bytes; " + std::string(cure));
    out.secret = model::Secret(*bytes);
    crypto::secure_zero(*bytes);
  }
  has_state = false;
  while (!line.empty()) {
    if (auto taken = take_attribute(next_word(line), out, has_state); !taken)
      return unexpected(std::move(taken.error()));
  }
  const bool is_destroyed = has_state && out.state == KeyState::destroyed;
  if (is_destroyed != out.secret.empty())
    return wrong("must have `-` in place of its bytes if it is destroyed, and only then");
  return out;
}

Result<void> KeyRing::choose_active(bool first_has_state, const std::string& place) {
  const auto is_active = [](const RingKey& key) { return key.state == KeyState::active; };
  const auto count = std::count_if(keys_.begin(), keys_.end(), is_active);
  if (count > 1) return fail(Fault::malformed, place + " has more than one active key; leave one of them");
  if (count == 0 && first_has_state)
    return fail(Fault::malformed, place + " has no active key; write state=active behind the current one");
  if (count == 0) keys_.front().state = KeyState::active;
  active_ = static_cast<size_t>(std::find_if(keys_.begin(), keys_.end(), is_active) - keys_.begin());
  return {};
}

Result<KeyRing> KeyRing::parse(std::string_view text, const std::string& place) {
  KeyRing out;
  bool first_has_state = false;
  for (size_t line_number = 1; !text.empty(); ++line_number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    const auto wrong = [&](const std::string& what) {
      return fail(Fault::malformed, place + ":" + std::to_string(line_number) + ": " + what);
    };
    bool has_state = false;
    auto key = parse_key(line, has_state);
    if (!key) return wrong(key.error().message);
    if (out.key(key->id) != nullptr) return wrong("has the key \"" + key->id + "\" a second time; remove it");
    if (out.keys_.size() == ring_keys_max) return wrong("is one key too many; at most 100 can be kept");
    if (out.keys_.empty()) first_has_state = has_state;
    out.keys_.push_back(std::move(*key));
  }
  if (out.keys_.empty()) return fail(Fault::malformed, place + " has no key; " + cure);
  if (auto chosen = out.choose_active(first_has_state, place); !chosen)
    return unexpected(std::move(chosen.error()));
  return out;
}

std::string KeyRing::text() const {
  std::string out = ring_comment;
  for (const RingKey& key : keys_) {
    std::string secret = key.state == KeyState::destroyed ? "-" : base64_encode(key.secret.reveal());
    out.append(key.id).append(" ").append(secret).append(" state=").append(name(key.state));
    crypto::secure_zero(secret);
    add_time(out, " created=", key.created_us);
    add_time(out, " since=", key.since_us);
    add_time(out, " expires=", key.expires_us);
    out.append("\n");
  }
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
  auto secret = crypto::random_bytes(ring_key_bytes);
  if (!secret) return unexpected(std::move(secret.error()));
  const uint64_t now_us = wall_us();
  KeyRing out;
  out.keys_.push_back({"k1", KeyState::active, now_us, now_us, 0, model::Secret(*secret)});
  crypto::secure_zero(*secret);
  std::string text = out.text();
  const std::filesystem::path place(path);
  auto made = create_file(place.parent_path(), place.filename(), text);
  crypto::secure_zero(text);
  if (!made) return unexpected(std::move(made.error()));
  return out;
}

// ---------------------------------------------------------------- keys

const RingKey* KeyRing::key(std::string_view id) const {
  const auto found =
      std::find_if(keys_.begin(), keys_.end(), [&](const RingKey& key) { return key.id == id; });
  return found == keys_.end() ? nullptr : &*found;
}

RingKey* KeyRing::find_key(std::string_view id) {
  const auto found =
      std::find_if(keys_.begin(), keys_.end(), [&](const RingKey& key) { return key.id == id; });
  return found == keys_.end() ? nullptr : &*found;
}

const model::Secret* KeyRing::find(std::string_view id) const {
  const RingKey* found = key(id);
  return found == nullptr || !found->is_usable() ? nullptr : &found->secret;
}

const RingKey* KeyRing::prepared() const {
  const RingKey* out = nullptr;
  for (const RingKey& key : keys_) {
    if (key.state == KeyState::prepared && (out == nullptr || key.created_us >= out->created_us)) out = &key;
  }
  return out;
}

bool KeyRing::has(KeyState state) const {
  return std::any_of(keys_.begin(), keys_.end(), [&](const RingKey& key) { return key.state == state; });
}

Result<std::string> KeyRing::add(uint64_t now_us, uint64_t expires_us) {
  if (keys_.size() == ring_keys_max)
    return fail(Fault::limit,
                "the key ring has 100 keys, which is all that it keeps; remove lines of destroyed ones");
  // Random: two nodes never give two keys one name.
  auto random = crypto::random_bytes(new_id_bytes);
  auto secret = crypto::random_bytes(ring_key_bytes);
  if (!random) return unexpected(std::move(random.error()));
  if (!secret) return unexpected(std::move(secret.error()));
  RingKey made{"k" + hex_of(*random), KeyState::prepared, now_us, now_us, expires_us, model::Secret(*secret)};
  crypto::secure_zero(*secret);
  std::string id = made.id;
  keys_.push_back(std::move(made));
  return id;
}

Result<void> KeyRing::activate(std::string_view id, uint64_t now_us) {
  RingKey* next = find_key(id);
  if (next == nullptr || !next->is_usable())
    return fail(Fault::conflict, "the key ring has no key \"" + std::string(id) + "\" in use");
  if (next->state == KeyState::active) return {};
  RingKey& before = keys_[active_];
  before.state = KeyState::retiring;
  next->state = KeyState::active;
  before.since_us = next->since_us = now_us;
  active_ = static_cast<size_t>(next - keys_.data());
  return {};
}

void KeyRing::retire(uint64_t now_us) {
  for (RingKey& key : keys_) {
    if (key.state != KeyState::retiring) continue;
    key.state = KeyState::retired;
    key.since_us = now_us;
  }
}

Result<void> KeyRing::destroy(std::string_view id, uint64_t now_us) {
  RingKey* key = find_key(id);
  if (key == nullptr) return fail(Fault::not_found, "the key ring has no such key");
  if (key->state == KeyState::active)
    return fail(Fault::conflict, "the key is the active one; rotate it first");
  if (key->state == KeyState::retiring)
    return fail(Fault::conflict, "records are still moved away from the key; wait for the rotation's end");
  key->state = KeyState::destroyed;
  key->since_us = now_us;
  key->secret = {};
  return {};
}

}  // namespace ringfence::control
