// The data keys of a state directory: what clear texts in the trail are sealed with.
//
// They stand in the file `data.key`, one a line, the newest last: the key's id, 16 hexadecimal digits, a
// blank, and the key, wrapped, "<id of the wrapping key>:<base64>"; or, where nothing wraps it, as 64
// hexadecimal digits. The newest key seals; every key that is there opens what it sealed. An id is random and
// is kept with each sealed text. The file is made at the first start, is this user's alone (0600), and no
// link is followed to it. To wrap keys anew changes nothing of what they sealed.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/sealed_box.h"

namespace ringfence::audit {

using DataKeyId = std::array<uint8_t, 8>;

struct DataKey {
  DataKeyId id{};
  crypto::BoxKey key{};
};

// What wraps data keys: other keys, which change over time.
class DataKeyWrap {
 public:
  virtual ~DataKeyWrap() = default;
  // Of the key that wraps now; without ':' and blanks.
  virtual std::string key_id() const = 0;
  // Bound to the context, which is said again to unwrap.
  virtual Result<std::string> wrap(ByteView context, ByteView key) const = 0;
  // By the key of this id. Fault::not_found: it is not there.
  virtual Result<std::string> unwrap(ByteView context, std::string_view key_id, ByteView wrapped) const = 0;
};

// In the calls below `wrap` is null where keys stand in the file as they are.
class DataKeys {
 public:
  static constexpr size_t keys_max = 64;

  // The state directory's; where there is none, one is made. Keys that `wrap` does not wrap now are wrapped.
  static Result<DataKeys> open(const std::string& directory, const DataKeyWrap* wrap = nullptr);
  // Fault::not_found: there is no file. Fault::denied: others may read it, or it is no file.
  static Result<DataKeys> read(const std::string& directory, const DataKeyWrap* wrap = nullptr);
  // Adds a key, which seals from the next start on. Gives its id in hexadecimal.
  static Result<std::string> add(const std::string& directory, const DataKeyWrap* wrap = nullptr);
  // Wraps all keys by the key that wraps now; nothing is done where there is no file, or where they are.
  static Result<void> move(const std::string& directory, const DataKeyWrap& wrap);
  // Whether a key in the file is wrapped by the key of this id, or it cannot be told.
  static bool is_wrapped_by(const std::string& directory, std::string_view key_id);

  // The file's text. Fault::malformed says in which line; an id stands once.
  static Result<DataKeys> parse(ByteView text, const DataKeyWrap* wrap = nullptr);
  Result<std::string> text(const DataKeyWrap* wrap = nullptr) const;

  DataKeys(const DataKeys&) = default;
  DataKeys& operator=(const DataKeys&) = default;
  DataKeys(DataKeys&&) = default;
  DataKeys& operator=(DataKeys&&) = default;
  ~DataKeys();

  const DataKey& newest() const { return keys_.back(); }
  // Null where there is none of that id.
  const DataKey* find(ByteView id) const;
  size_t size() const { return keys_.size(); }
  // Under which texts are compared: derived from the oldest key, so that another newest key does not change
  // it.
  crypto::Digest digest_key() const;

 private:
  DataKeys() = default;
  Result<void> add_random();
  Result<void> write(const std::string& directory, const DataKeyWrap* wrap) const;
  // Whether the text has a key that is not wrapped by what wraps now.
  static bool has_others(ByteView text, const DataKeyWrap* wrap);
  std::vector<DataKey> keys_;
};

}  // namespace ringfence::audit
