#include "ringfence/audit/data_keys.h"
#include "ringfence/base/hex.h"

#include <algorithm>

#include "audit/numbers.h"
#include "ringfence/base/state_file.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::audit {
namespace {

constexpr size_t id_digits = 16;
constexpr size_t key_digits = 64;
constexpr size_t line_bytes = id_digits + 1 + key_digits + 1;

constexpr const char* data_key_file = "data.key";

}  // namespace

DataKeys::~DataKeys() {
  for (DataKey& one : keys_) crypto::secure_zero(one.key);
}

Result<DataKeys> DataKeys::parse(ByteView text) {
  DataKeys out;
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const ByteView one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    DataKey key;
    const bool is_key = one.size() == line_bytes - 1 && one[id_digits] == ' ' &&
                        read_hex(one.substr(0, id_digits), key.id) &&
                        read_hex(one.substr(id_digits + 1), key.key);
    if (!is_key) {
      return fail(Fault::malformed,
                  "line " + std::to_string(line) + " is no data key: 16 hexadecimal digits, a blank, 64");
    }
    if (out.find(crypto::view_of(key.id)) != nullptr) {
      return fail(Fault::malformed, "line " + std::to_string(line) + ": the key id stands there twice");
    }
    if (out.keys_.size() == keys_max)
      return fail(Fault::limit, "more than " + std::to_string(keys_max) + " data keys");
    out.keys_.push_back(key);
    crypto::secure_zero(key.key);
  }
  if (out.keys_.empty()) return fail(Fault::malformed, "it holds no data key");
  return out;
}

std::string DataKeys::text() const {
  std::string out;
  out.reserve(keys_.size() * line_bytes);
  for (const DataKey& one : keys_) {
    out.append(hex_of(crypto::view_of(one.id)))
        .append(" ")
        .append(hex_of(crypto::view_of(one.key)))
        .append("\n");
  }
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

Result<DataKeys> DataKeys::read(const std::string& directory) {
  auto text = read_file(directory, data_key_file, keys_max * line_bytes);
  if (!text) return unexpected(std::move(text).error().in("data key"));
  auto keys = parse(*text);
  crypto::secure_zero(*text);
  if (!keys) return unexpected(std::move(keys).error().in("data key: " + directory + "/" + data_key_file));
  return keys;
}

Result<DataKeys> DataKeys::open(const std::string& directory) {
  auto known = read(directory);
  if (known || known.error().fault != Fault::not_found) return known;
  DataKeys made;
  if (auto added = made.add_random(); !added) return unexpected(std::move(added).error());
  std::string text = made.text();
  auto kept = create_file(directory, data_key_file, text);
  crypto::secure_zero(text);
  if (!kept && kept.error().fault == Fault::conflict) return read(directory);
  if (!kept) return unexpected(std::move(kept).error().in("data key"));
  return made;
}

Result<std::string> DataKeys::add(const std::string& directory) {
  auto keys = open(directory);
  if (!keys) return unexpected(std::move(keys).error());
  if (auto added = keys->add_random(); !added) return unexpected(std::move(added).error());
  std::string text = keys->text();
  auto kept = replace_file(directory, data_key_file, text);
  crypto::secure_zero(text);
  if (!kept) return unexpected(std::move(kept).error().in("data key"));
  return hex_of(crypto::view_of(keys->newest().id));
}

}  // namespace ringfence::audit
