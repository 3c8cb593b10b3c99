// The chain: what is hashed, how, and what is signed.
//
// hash = SHA-256(previous hash || leaf); the hash before chain_no 1 is 32 zeros. Canonical bytes are fields
// in ascending order of their tags, each tag u16, length u32, bytes, integers big-endian. Nothing here
// depends on how PostgreSQL stores a value.
//
// leaf, hash_version 2: SHA-256 of the canonical bytes of the row's non-null fields, but for the session's
// facts (facts_mask) and the statement; then, under the tags below, chain_no, recorded_at, hash_version and
// retention_class, the row's salt, the facts' digest and, where the row has a statement, the text's digest. A
// digest is SHA-256(salt || bytes): of the facts' canonical bytes, of the text. So every column is covered;
// what is shared by many rows is digested once; and who has the leaf of a row that was erased, or the digest
// of a text that was, cannot find out by guessing what it was, for the salt (16 random bytes) went with it.
//
// leaf, hash_version 1 (rows of earlier versions): SHA-256 of the canonical bytes of all non-null fields,
// then chain_no to retention_class.
#pragma once

#include <array>
#include <string>

#include "ringfence/audit/event.h"
#include "ringfence/crypto/digest.h"

namespace ringfence::audit {

inline constexpr int64_t hash_version = 2;
inline constexpr int64_t hash_version_unsalted = 1;
constexpr bool is_known_version(int64_t version) {
  return version == hash_version || version == hash_version_unsalted;
}
inline constexpr int64_t retention_class_standard = 1;
inline constexpr uint16_t tag_chain_no = 1001;
inline constexpr uint16_t tag_recorded_at = 1002;
inline constexpr uint16_t tag_hash_version = 1003;
inline constexpr uint16_t tag_retention_class = 1004;
inline constexpr uint16_t tag_salt = 1005;
inline constexpr uint16_t tag_facts_digest = 1006;
inline constexpr uint16_t tag_text_digest = 1007;
inline constexpr size_t salt_bytes = 16;
inline constexpr size_t chain_fields_bytes = 4 * FieldWriter::field_bytes(8);
// What stands behind a row's own fields where its leaf is made.
inline constexpr size_t proof_bytes_max =
    chain_fields_bytes + FieldWriter::field_bytes(salt_bytes) + 2 * FieldWriter::field_bytes(32);

constexpr uint64_t bit_of(Tag tag) { return uint64_t{1} << static_cast<int>(tag); }
// What is true of a session for longer than of one row.
inline constexpr uint64_t facts_mask =
    bit_of(Tag::shard) | bit_of(Tag::user_name) | bit_of(Tag::auth_method) | bit_of(Tag::api_key) |
    bit_of(Tag::client_addr) | bit_of(Tag::application_name) | bit_of(Tag::transport) |
    bit_of(Tag::session_id) | bit_of(Tag::connection_id) | bit_of(Tag::target) | bit_of(Tag::tags) |
    bit_of(Tag::database) | bit_of(Tag::server_addr) | bit_of(Tag::server_user) | bit_of(Tag::project_id);

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
// Writes all fields of a row and those of its place, size_of(fields, fields.present) + chain_fields_bytes:
// what committed rows are handed on as, and the leaf's message of version 1. Behind the last.
char* write_canonical(char* at, const FieldSet& fields, const ChainPlace& place);
void append_canonical(std::string& out, const FieldSet& fields, const ChainPlace& place);
// SHA-256(salt || bytes).
crypto::Digest salted_digest(crypto::Sha256& context, ByteView salt, ByteView bytes);
// What makes a row's own fields its leaf's message, behind them. `text` is null where there is no statement.
// Behind the last byte; proof_bytes_max is room enough.
char* write_proof(char* at, const ChainPlace& place, ByteView salt, ByteView facts, const ByteView* text);
// The salts of a row; `text` is empty where it has no statement.
struct RowSalts {
  ByteView row;
  ByteView facts;
  ByteView text;
};
// The leaf of a row by itself, of either version. Zeros where a salt has another length than its own: bytes
// that went over from a text into its salt would leave the digest as it is.
crypto::Digest leaf_of(crypto::Sha256& context, const FieldSet& fields, const ChainPlace& place,
                       const RowSalts& salts);
// The same of version 2, where the digests are known. `text` counts where there is a statement.
struct RowProof {
  ByteView salt;  // salt_bytes.
  crypto::Digest facts{};
  crypto::Digest text{};
};
crypto::Digest leaf_of(crypto::Sha256& context, const FieldSet& fields, const ChainPlace& place,
                       const RowProof& proof);
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
