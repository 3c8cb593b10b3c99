// The data keys of a state directory: what clear texts in the trail are sealed with.
//
// They stand in the file `data.key`, one a line, the newest last: the key's id, 16 hexadecimal digits, a
// blank, the key, 64 of them. The newest key seals; every key that is there opens what it sealed. An id is
// random and is kept with each sealed text. The file is made at the first start, is this user's alone (0600),
// and no link is followed to it.
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

class DataKeys {
 public:
  static constexpr size_t keys_max = 64;

  // The state directory's; where there is none, one is made.
  static Result<DataKeys> open(const std::string& directory);
  // Fault::not_found: there is no file. Fault::denied: others may read it, or it is no file.
  static Result<DataKeys> read(const std::string& directory);
  // Adds a key, which seals from the next start on. Gives its id in hexadecimal.
  static Result<std::string> add(const std::string& directory);

  // The file's text. Fault::malformed says in which line; an id stands once.
  static Result<DataKeys> parse(ByteView text);
  std::string text() const;

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
  std::vector<DataKey> keys_;
};

}  // namespace ringfence::audit
