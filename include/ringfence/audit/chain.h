// The chain: what is hashed, how, and what is signed.
//
// leaf = SHA-256(canonical bytes), hash = SHA-256(previous hash || leaf); the hash before chain_no 1 is 32
// zeros. Canonical bytes are the row's non-null fields in ascending order of their tags, each tag u16, length
// u32, bytes, integers big-endian; then chain_no, recorded_at, hash_version and retention_class under the
// tags below, so that every column of a row is covered. Nothing here depends on how PostgreSQL stores a
// value.
#pragma once

#include <array>
#include <string>

#include "ringfence/audit/event.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::audit {

inline constexpr int64_t hash_version = 1;
inline constexpr int64_t retention_class_standard = 1;
inline constexpr uint16_t tag_chain_no = 1001;
inline constexpr uint16_t tag_recorded_at = 1002;
inline constexpr uint16_t tag_hash_version = 1003;
inline constexpr uint16_t tag_retention_class = 1004;
inline constexpr size_t chain_fields_bytes = 4 * FieldWriter::field_bytes(8);

// A row's fields by tag, as views. Bit `tag` of `present` says which are not null, that of `encoded` which
// values stand behind their own header, as in the record that they were read from.
struct FieldSet {
  std::array<ByteView, tag_end> at;
  uint64_t present = 0;
  uint64_t encoded = 0;

  bool has(Tag tag) const { return (present >> static_cast<int>(tag) & 1) != 0; }
  ByteView get(Tag tag) const { return has(tag) ? at[static_cast<size_t>(tag)] : ByteView(); }
  void set(Tag tag, ByteView value) {
    at[static_cast<size_t>(tag)] = value;
    present |= uint64_t{1} << static_cast<int>(tag);
    encoded &= ~(uint64_t{1} << static_cast<int>(tag));
  }
  void clear(Tag tag) {
    present &= ~(uint64_t{1} << static_cast<int>(tag));
    encoded &= present;
  }
  void clear() { present = encoded = 0; }
};

// Adds a record body's fields to the set; later ones replace earlier ones. False when the bytes are no fields
// or a value's length does not fit its type; the set then holds what came before.
bool parse_fields(ByteView body, FieldSet& out);
// What the fields of `mask` take when they are written.
size_t size_of(const FieldSet& fields, uint64_t mask);
// Writes the fields of `mask`, ascending; fields that stand one behind the other in their record go over
// together. Behind the last.
char* write_fields(char* at, const FieldSet& fields, uint64_t mask);

// Of a run of links as audit_link_run stores it: each is its leaf and its hash.
inline constexpr size_t link_bytes = 64;
inline constexpr size_t link_run_max = 24;  // The store's CHECK has the same number.

struct ChainPlace {
  uint64_t chain_no = 0;
  uint64_t recorded_at = 0;  // Unix µs.
  int64_t version = hash_version;
  int64_t retention_class = retention_class_standard;
};
// Writes the canonical bytes of a row, size_of(fields, fields.present) + chain_fields_bytes of them. Behind
// the last.
char* write_canonical(char* at, const FieldSet& fields, const ChainPlace& place);
void append_canonical(std::string& out, const FieldSet& fields, const ChainPlace& place);
crypto::Digest chain_hash(crypto::Sha256& context, const crypto::Digest& previous,
                          const crypto::Digest& leaf);

// What an anchor and a retention record sign.
std::string anchor_message(std::string_view node, uint64_t chain_no, ByteView hash, uint64_t signed_at);
// Of a numbered anchor: it signs also the digest of the one before (SHA-256 of its message and its
// signature).
std::string anchor_message(std::string_view node, uint64_t chain_no, ByteView hash, uint64_t signed_at,
                           uint64_t anchor_no, ByteView previous);
// With the hash of the last link the signature holds for these rows alone; records of earlier versions have
// none.
std::string retention_message(std::string_view node, uint64_t first_chain_no, uint64_t last_chain_no,
                              uint64_t row_count, std::string_view partition, uint64_t dropped_at,
                              ByteView last_hash = {});
// Names a public key: the first 8 bytes of its SHA-256 in hexadecimal.
std::string key_id_of(ByteView public_key);

}  // namespace ringfence::audit
