#include "ringfence/audit/data_keys.h"

#include <algorithm>

#include "audit/numbers.h"
#include "ringfence/base/base64.h"
#include "ringfence/base/hex.h"
#include "ringfence/base/state_file.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::audit {
namespace {

constexpr size_t id_digits = 16;
constexpr size_t key_digits = 64;
constexpr size_t line_bytes_max = 512;

constexpr const char* data_key_file = "data.key";

std::string context_of(const DataKeyId& id) {
  return std::string("ringfence data key 1").append(crypto::view_of(id));
}

// What stands behind the id: a wrapped key's two parts; the second is empty where it is not wrapped.
struct Written {
  std::string_view wrapped_by;
  std::string_view wrapped;
};
Written written_in(std::string_view value) {
  const size_t colon = value.find(':');
  if (colon == std::string_view::npos) return {};
  return {value.substr(0, colon), value.substr(colon + 1)};
}

// Calls each(number of the line, line) until it gives false.
template <typename F>
void each_line(ByteView text, F each) {
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (!each(line, text.substr(0, end))) return;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Result<DataKey> read_key(ByteView line, const DataKeyWrap* wrap) {
  DataKey key;
  const bool has_id =
      line.size() > id_digits && line[id_digits] == ' ' && read_hex(line.substr(0, id_digits), key.id);
  if (!has_id) return fail(Fault::malformed, "is no data key: 16 hexadecimal digits, a blank, and the key");
  const ByteView value = line.substr(id_digits + 1);
  const Written written = written_in(value);
  if (written.wrapped.empty()) {
    if (value.size() == key_digits && read_hex(value, key.key)) return key;
    return fail(Fault::malformed,
                "is no data key: behind its id stand 64 hexadecimal digits, or the name of the key "
                "that wraps it, ':', and base64");
  }
  auto bytes = base64_decode(written.wrapped);
  if (!bytes) return fail(Fault::malformed, "has a wrapped key that is no base64");
  if (wrap == nullptr)
    return fail(Fault::denied, "has a data key that is wrapped by a key ring, and there is none");
  auto opened = wrap->unwrap(context_of(key.id), written.wrapped_by, *bytes);
  if (!opened) return unexpected(std::move(opened).error());
  if (opened->size() != key.key.size()) return fail(Fault::malformed, "has a wrapped key of another length");
  std::copy(opened->begin(), opened->end(), key.key.begin());
  crypto::secure_zero(*opened);
  return key;
}

Result<std::string> read_text(const std::string& directory) {
  auto text = read_file(directory, data_key_file, DataKeys::keys_max * line_bytes_max);
  if (!text) return unexpected(std::move(text).error().in("data key"));
  return text;
}

}  // namespace

DataKeys::~DataKeys() {
  for (DataKey& one : keys_) crypto::secure_zero(one.key);
}

Result<DataKeys> DataKeys::parse(ByteView text, const DataKeyWrap* wrap) {
  DataKeys out;
  Result<void> result;
  each_line(text, [&](size_t line, ByteView one) {
    auto wrong = [&](Error error) {
      error.message = "line " + std::to_string(line) + " " + error.message;
      result = unexpected(std::move(error));
      return false;
    };
    auto key = read_key(one, wrap);
    if (!key) return wrong(std::move(key).error());
    if (out.find(crypto::view_of(key->id)) != nullptr)
      return wrong({Fault::malformed, "has a key id that stands there twice", 0});
    if (out.keys_.size() == keys_max)
      return wrong({Fault::limit, "is one too many: " + std::to_string(keys_max) + " data keys at most", 0});
    out.keys_.push_back(*key);
    crypto::secure_zero(key->key);
    return true;
  });
  if (!result) return unexpected(std::move(result).error());
  if (out.keys_.empty()) return fail(Fault::malformed, "it holds no data key");
  return out;
}

Result<std::string> DataKeys::text(const DataKeyWrap* wrap) const {
  std::string out;
  out.reserve(keys_.size() * line_bytes_max);
  for (const DataKey& one : keys_) {
    out.append(hex_of(crypto::view_of(one.id))).append(" ");
    if (wrap == nullptr) {
      out.append(hex_of(crypto::view_of(one.key)));
    } else {
      auto wrapped = wrap->wrap(context_of(one.id), crypto::view_of(one.key));
      if (!wrapped) return unexpected(std::move(wrapped).error());
      out.append(wrap->key_id()).append(":").append(base64_encode(*wrapped));
    }
    out.append("\n");
  }
  return out;
}

bool DataKeys::has_others(ByteView text, const DataKeyWrap* wrap) {
  if (wrap == nullptr) return false;
  const std::string now = wrap->key_id();
  bool out = false;
  each_line(text, [&](size_t, ByteView line) {
    out = written_in(line.substr(std::min(line.size(), id_digits + 1))).wrapped_by != now;
    return !out;
  });
  return out;
}

const DataKey* DataKeys::find(ByteView id) const {
  const auto found = std::find_if(keys_.begin(), keys_.end(),
                                  [&](const DataKey& one) { return crypto::view_of(one.id) == id; });
  return found == keys_.end() ? nullptr : &*found;
}

crypto::Digest DataKeys::digest_key() const {
  return crypto::hmac_sha256(crypto::view_of(keys_.front().key), "ringfence digest 1");
}

Result<void> DataKeys::add_random() {
  if (keys_.size() == keys_max)
    return fail(Fault::limit, "there are " + std::to_string(keys_max) + " data keys already");
  auto id = crypto::random_array<8>();
  auto key = crypto::random_array<32>();
  if (!id) return unexpected(std::move(id).error());
  if (!key) return unexpected(std::move(key).error());
  keys_.push_back({*id, *key});
  crypto::secure_zero(*key);
  return {};
}

Result<DataKeys> DataKeys::read(const std::string& directory, const DataKeyWrap* wrap) {
  auto text = read_text(directory);
  if (!text) return unexpected(std::move(text).error());
  auto keys = parse(*text, wrap);
  crypto::secure_zero(*text);
  if (!keys) return unexpected(std::move(keys.error()).in("data key: " + directory + "/" + data_key_file));
  return keys;
}

Result<void> DataKeys::write(const std::string& directory, const DataKeyWrap* wrap) const {
  auto text = this->text(wrap);
  if (!text) return unexpected(std::move(text).error().in("data key"));
  auto kept = replace_file(directory, data_key_file, *text);
  crypto::secure_zero(*text);
  if (!kept) return unexpected(std::move(kept).error().in("data key"));
  return {};
}

Result<DataKeys> DataKeys::open(const std::string& directory, const DataKeyWrap* wrap) {
  auto known = read(directory, wrap);
  if (known && wrap != nullptr) {
    if (auto moved = move(directory, *wrap); !moved) return unexpected(std::move(moved).error());
  }
  if (known || known.error().fault != Fault::not_found) return known;
  // Another key that is not there has the same fault.
  auto there = read_text(directory);
  if (there || there.error().fault != Fault::not_found) return known;
  DataKeys made;
  if (auto added = made.add_random(); !added) return unexpected(std::move(added).error());
  auto text = made.text(wrap);
  if (!text) return unexpected(std::move(text).error().in("data key"));
  auto kept = create_file(directory, data_key_file, *text);
  crypto::secure_zero(*text);
  if (!kept && kept.error().fault == Fault::conflict) return read(directory, wrap);
  if (!kept) return unexpected(std::move(kept).error().in("data key"));
  return made;
}

Result<std::string> DataKeys::add(const std::string& directory, const DataKeyWrap* wrap) {
  auto keys = open(directory, wrap);
  if (!keys) return unexpected(std::move(keys).error());
  if (auto added = keys->add_random(); !added) return unexpected(std::move(added).error());
  if (auto kept = keys->write(directory, wrap); !kept) return unexpected(std::move(kept).error());
  return hex_of(crypto::view_of(keys->newest().id));
}

Result<void> DataKeys::move(const std::string& directory, const DataKeyWrap& wrap) {
  auto text = read_text(directory);
  if (!text && text.error().fault == Fault::not_found) return {};
  if (!text) return unexpected(std::move(text).error());
  if (!has_others(*text, &wrap)) return {};
  auto keys = parse(*text, &wrap);
  crypto::secure_zero(*text);
  if (!keys) return unexpected(std::move(keys.error()).in("data key: " + directory + "/" + data_key_file));
  return keys->write(directory, &wrap);
}

bool DataKeys::is_wrapped_by(const std::string& directory, std::string_view key_id) {
  auto text = read_text(directory);
  if (!text) return text.error().fault != Fault::not_found;
  bool out = false;
  each_line(*text, [&](size_t, ByteView line) {
    out = written_in(line.substr(std::min(line.size(), id_digits + 1))).wrapped_by == key_id;
    return !out;
  });
  crypto::secure_zero(*text);
  return out;
}

}  // namespace ringfence::audit
