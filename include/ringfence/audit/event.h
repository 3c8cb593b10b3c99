// The event model: the fields an event can have, and how a thread writes one.
//
// A record's body is a sequence of fields, each tag u16, length u32, bytes, all integers big-endian: the same
// encoding that the chain hashes (see chain.h), so nothing is translated between producer and store. A field
// that is absent is null. Tags are never reused or renumbered; a new field gets a new tag at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/base/uuid.h"

namespace ringfence::audit {

// How a field's bytes are read, and which column type holds it.
enum class FieldType : uint8_t {
  text,       // UTF-8 without NUL.
  integer,    // i64, 8 bytes.
  timestamp,  // Microseconds since the Unix epoch, i64.
  uuid,       // 16 bytes.
  boolean,    // One byte, 0 or 1.
  bytes,      // As they are; bytea.
  json,       // RFC 8785 canonical JSON; strings, 53-bit integers, booleans, null, arrays and objects only.
};

// The tag is the number in the canonical encoding. The comment names who sets it where that is not the
// producer.
enum class Tag : uint16_t {
  id = 1,
  node = 2,
  shard = 3,        // Which producer of the node: its journal's number.
  seq = 4,          // Gapless for each (node, shard), over `seq` and `outcome_seq` together.
  outcome_seq = 5,  // Writer: the seq of the outcome record that was joined into this row.
  ts = 6,
  category = 7,
  action = 8,
  severity = 9,
  outcome = 10,
  user_name = 11,
  auth_method = 12,
  api_key = 13,
  client_addr = 14,
  application_name = 15,
  transport = 16,
  session_id = 17,
  connection_id = 18,
  target = 19,
  tags = 20,
  database = 21,
  server_addr = 22,
  server_user = 23,
  statement = 24,
  statement_bytes = 25,      // Length of the whole text as sent, in bytes.
  statement_truncated = 26,  // Present and true when `statement` is a prefix.
  statement_raw = 27,        // The bytes as sent, when they were not valid text.
  parameters = 28,           // Array; a string, null, or {"base64": ...} for each parameter.
  parameters_truncated = 29,
  fingerprint = 30,
  facts = 31,
  decision = 32,
  rule = 33,
  duration_us = 34,
  rows = 35,
  bytes_to_client = 36,
  bytes_to_server = 37,
  sqlstate = 38,
  error_message = 39,
  command_tag = 40,
  message_type = 41,  // The frontend message that ran it: Q, E (Execute) or F (FunctionCall).
  replayed_from = 42,
  parent_id = 43,  // postgres_query_outcome: the id of the start that it ends.
  entity_type = 44,
  entity_id = 45,
  changes = 46,
  project_id = 47,
  metadata = 48,
  redacted = 49,  // Array of the names of the fields in which something was redacted.
  reason = 50,
  statement_sha256 = 51,  // Of the whole text as sent, where `statement` does not have all of it.
  message_id = 52,        // The postgres_message that has the whole text, of which `statement` is a part.
  statement_begin = 53,   // Where it begins there, in bytes of the text as sent.
  attribution =
      54,  // "presumed": what ran was told by a name that may have come to stand for something else.
  redacted_digest = 55,  // Keyed digests of the texts in which something was redacted (see sealing.h).
  sealed = 56,           // Those texts, sealed.
  outcome_digest = 57,   // The same of the texts that came with a statement's outcome.
  outcome_sealed = 58,
};
inline constexpr uint16_t tag_end =
    59;  // One past the last tag; tags of events stay below 1000 (see chain.h).

// How many bytes a field of this type has; 0: they vary.
constexpr size_t fixed_field_bytes(Tag tag) {
  switch (tag) {
    case Tag::id:
    case Tag::session_id:
    case Tag::connection_id:
    case Tag::replayed_from:
    case Tag::message_id:
    case Tag::parent_id: return 16;
    case Tag::shard:
    case Tag::seq:
    case Tag::outcome_seq:
    case Tag::ts:
    case Tag::statement_bytes:
    case Tag::statement_begin:
    case Tag::duration_us:
    case Tag::rows:
    case Tag::bytes_to_client:
    case Tag::bytes_to_server: return 8;
    case Tag::statement_truncated:
    case Tag::parameters_truncated: return 1;
    case Tag::statement_sha256: return 32;
    default: return 0;
  }
}

// How long a field may be, in bytes, whoever chose it: what is longer is cut where the field is made (see
// append_field). No tag is without a bound; all of them together fit in one record.
constexpr size_t field_bytes_max(Tag tag) {
  switch (tag) {
    // Words of ours. `action` and `outcome` stand in trees of the store, whose entries end at 2,704 bytes.
    case Tag::category:
    case Tag::action:
    case Tag::severity:
    case Tag::outcome:
    case Tag::auth_method:
    case Tag::transport:
    case Tag::decision:
    case Tag::message_type:
    case Tag::attribution:
    case Tag::entity_type: return 64;
    // A server's words; one tag of PostgreSQL has at most 64 bytes, each of which may have become three.
    case Tag::sqlstate: return 16;
    case Tag::command_tag: return 192;
    // Names: PostgreSQL's have 63 bytes, which are 189 where none of them was valid.
    case Tag::node:
    case Tag::user_name:
    case Tag::api_key:
    case Tag::application_name:
    case Tag::target:
    case Tag::database:
    case Tag::server_user:
    case Tag::fingerprint:
    case Tag::project_id: return 256;
    // A host's name has 253, a socket's path 108, and a port stands behind.
    case Tag::client_addr:
    case Tag::server_addr: return 320;
    // A path or a name, in a tree of the store together with entity_type.
    case Tag::entity_id: return 512;
    // Names of all policies that bind.
    case Tag::rule: return 1'024;
    // Prose that may quote what somebody sent.
    case Tag::error_message:
    case Tag::reason: return 2'048;
    // Structure: it cannot be cut, so that more is left out.
    case Tag::metadata: return 16'384;
    case Tag::tags:
    case Tag::facts:
    case Tag::changes:
    case Tag::redacted: return 8'192;
    case Tag::redacted_digest:
    case Tag::outcome_digest: return 512;
    // As much as may be configured.
    case Tag::statement:
    case Tag::statement_raw: return 384 << 10;
    case Tag::parameters: return 192 << 10;
    // A statement, its parameters as far as they are sealed, and what is around them. They take the room that
    // the texts beside them leave (see proxy/hidden.h).
    case Tag::sealed:
    case Tag::outcome_sealed: return 408 << 10;
    default: return fixed_field_bytes(tag);
  }
}
static_assert([] {
  for (uint16_t tag = 1; tag < tag_end; ++tag) {
    if (field_bytes_max(static_cast<Tag>(tag)) == 0) return false;
  }
  return true;
}());

struct FieldInfo {
  Tag tag;
  std::string_view column;  // The tag's name, and the column of ringfence.audit_event.
  FieldType type;           // What the bytes must be: uuid and integer fields are not accepted as text.
};
// nullptr for a number that is no tag.
const FieldInfo* field_info(uint16_t tag);

enum class Category : uint8_t {
  authentication,
  authorization,
  audit,
  encryption,
  rate_limit,
  insider_threat,
  memory_hardening,
  circuit_breaker,
  system,
};
enum class Severity : uint8_t { info, warning, error, critical };
enum class Outcome : uint8_t {
  success,
  failure,
  denied,
  cancelled,
  running,
  unknown,
  not_executed,
  withheld
};

std::string_view name(Category category);  // "authentication", ...
std::string_view name(Severity severity);  // "INFO", "WARNING", "ERROR", "CRITICAL"
std::string_view name(Outcome outcome);    // "success", ...

// What a record in the journal is.
enum class RecordKind : uint8_t {
  event = 1,    // Complete in itself: one row.
  start = 2,    // A statement about to be forwarded; an outcome record follows.
  outcome = 3,  // Ends the start whose seq is `start_seq`; its fields are added to the start's or, where the
                // same tag is in both, replace it.
};

// Where records go: the journal of this thread, or a vector in tests. Used by one thread only.
class RecordSpace {
 public:
  virtual ~RecordSpace() = default;
  // Contiguous room for one record body of at most `size_max` bytes, or nullptr when the trail is at its
  // bound. Valid until the next call of reserve or publish. `size_max` is at most record_bytes_max.
  virtual char* reserve(size_t size_max) = 0;
  // Publishes the first `size` bytes of what was reserved. Gives the record's seq. `start_seq` is 0 but for
  // outcomes. After this returns, killing the process does not lose the record.
  virtual uint64_t publish(RecordKind kind, size_t size, uint64_t start_seq) = 0;
  // Published, not yet committed in the store.
  virtual uint64_t waiting_bytes() const { return 0; }
};

// The most that one record body may hold: text and parameters are bounded below this by configuration.
inline constexpr size_t record_bytes_max = 1 << 20;

// Adds a field of text or bytes. Text is made valid UTF-8; what is empty is skipped. What is longer than
// field_bytes_max is cut: text at a character's edge, with a mark at its end, "…[8192 bytes]", that says how
// long it was; bytes without one; of structure there stays {"too_long":true}.
void append_field(std::string& out, Tag tag, ByteView value);

// The same of an id; a nil one is absent.
void append_uuid(std::string& out, Tag tag, const Uuid& value);

// The same of a target's tags; none are absent.
void append_tags(std::string& out, const std::vector<std::string>& tags);

// Writes fields into reserved room. The caller has reserved enough: field_bytes(n) for each field.
class FieldWriter {
 public:
  static constexpr size_t header_bytes = 6;
  static constexpr size_t field_bytes(size_t value_bytes) { return header_bytes + value_bytes; }

  explicit FieldWriter(char* at) : start_(at), at_(at) {}

  // Valid text. Cut as append_field does.
  void text(Tag tag, ByteView value) {
    if (value.size() > field_bytes_max(tag)) [[unlikely]]
      cut(tag, value);
    else put(tag, value);
  }
  void integer(Tag tag, int64_t value) {
    header(tag, 8);
    detail::store_be(at_, static_cast<uint64_t>(value));
    at_ += 8;
  }
  void boolean(Tag tag, bool value) {
    header(tag, 1);
    *at_++ = value ? 1 : 0;
  }
  void uuid(Tag tag, const Uuid& value) {
    put(tag, ByteView(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()));
  }
  // Fields that were encoded before, as a session's are once at its login.
  void encoded(ByteView fields) {
    std::memcpy(at_, fields.data(), fields.size());
    at_ += fields.size();
  }
  size_t size() const { return static_cast<size_t>(at_ - start_); }

 private:
  void header(Tag tag, uint32_t size) {
    detail::store_be(at_, static_cast<uint16_t>(tag));
    detail::store_be(at_ + 2, size);
    at_ += header_bytes;
  }
  void put(Tag tag, ByteView value) {
    header(tag, static_cast<uint32_t>(value.size()));
    if (!value.empty()) std::memcpy(at_, value.data(), value.size());
    at_ += value.size();
  }
  void cut(Tag tag, ByteView value);
  char* start_;
  char* at_;
};

// An event put together outside of the hot path: grows as needed, published whole.
class EventBuilder {
 public:
  EventBuilder(Category category, std::string_view action, Severity severity, Outcome outcome);

  EventBuilder& id(const Uuid& id);
  EventBuilder& ts(uint64_t unix_us);
  // As append_field.
  EventBuilder& text(Tag tag, std::string_view value);
  EventBuilder& integer(Tag tag, int64_t value);
  EventBuilder& boolean(Tag tag, bool value);
  EventBuilder& bytes(Tag tag, ByteView value);
  EventBuilder& uuid(Tag tag, const Uuid& value);
  EventBuilder& encoded(ByteView fields);  // Made by append_field before.

  ByteView bytes() const { return fields_; }
  // False when the trail is at its bound.
  bool publish(RecordSpace& space) const;

 private:
  std::string fields_;
};

}  // namespace ringfence::audit
