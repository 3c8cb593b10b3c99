// What redaction took out of a record, kept all the same: a keyed digest of each text, by which two can be
// compared, and the clear texts themselves, sealed for the owner of the state directory.
//
// A sealed value is one byte, 1, the key's id (8 bytes), and a box (crypto/sealed_box.h). In the box stand
// the clear texts as fields: tag u16, length u32, bytes. The box is bound to its node, its column and its
// record, so that it opens nowhere else: `sealed` by the event's id, `outcome_sealed`, which is written with
// a statement's outcome, by the shard and seq of the statement's start.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ringfence/audit/data_keys.h"
#include "ringfence/audit/event.h"
#include "ringfence/base/uuid.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::audit {

inline constexpr size_t sealed_header_bytes = 9;
inline constexpr size_t sealed_overhead = sealed_header_bytes + crypto::box_overhead;
// The digests of five fields, as JSON, have room in this.
inline constexpr size_t digests_bytes_max = 512;

// The clear texts of one record. Overwritten when it goes.
class ClearTexts {
 public:
  ClearTexts() = default;
  ~ClearTexts();
  ClearTexts(const ClearTexts&) = delete;
  ClearTexts& operator=(const ClearTexts&) = delete;

  // `text` is the clear text as far as it is kept, `digested` the SHA-256 of all of it. A field is added
  // once.
  void add(Tag field, ByteView text, ByteView digested);
  void add(Tag field, ByteView text) { add(field, text, crypto::view_of(crypto::sha256(text))); }
  bool is_empty() const { return digested_.empty(); }
  // What a record with these takes at most, digests and headers included; 0 when it is empty.
  size_t record_bytes() const {
    return is_empty() ? 0
                      : FieldWriter::field_bytes(fields_.size() + sealed_overhead) +
                            FieldWriter::field_bytes(digests_bytes_max);
  }
  // Names of the fields, sorted, as a JSON array: the column `redacted`.
  std::string names() const;

 private:
  friend class TextSealer;
  std::string fields_;
  std::vector<std::pair<Tag, crypto::Digest>> digested_;
};

struct SealedTexts {
  std::string digests;  // {"statement":"…"}: HMAC-SHA-256 of the SHA-256 of the clear text, in hexadecimal.
  std::string sealed;   // Empty where the machine had no randomness to give.
};

// Safe from every thread.
class TextSealer {
 public:
  TextSealer(DataKeys keys, std::string node);

  SealedTexts for_event(const ClearTexts& texts, const Uuid& event) const;
  SealedTexts for_outcome(const ClearTexts& texts, uint32_t shard, uint64_t start_seq) const;
  std::string digest(ByteView digested) const;  // In hexadecimal.

 private:
  SealedTexts seal(const ClearTexts& texts, ByteView context) const;
  DataKeys keys_;
  crypto::Digest digest_key_;
  std::string node_;
};

struct OpenedText {
  std::string field;  // Its column.
  std::string text;
};
std::string event_context(ByteView node, const Uuid& event);
std::string outcome_context(ByteView node, uint32_t shard, uint64_t start_seq);
// Fault::not_found names a key that is not there; Fault::denied: the value is not what was sealed for this
// record.
Result<std::vector<OpenedText>> open_sealed(const DataKeys& keys, ByteView context, ByteView sealed);

}  // namespace ringfence::audit
