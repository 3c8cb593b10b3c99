// The event model: the fields an event can have, and how a thread writes one.
//
// A record's body is a sequence of fields, each tag u16, length u32, bytes, all integers big-endian: the same
// encoding that the chain hashes (see chain.h), so nothing is translated between producer and store. A field
// that is absent is null. Tags are never reused or renumbered; a new field gets a new tag at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

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

// The tag is the number in the canonical encoding. The comment names who sets it where that is not the producer.
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
};
inline constexpr uint16_t tag_end = 52;  // One past the last tag; tags of events stay below 1000 (see chain.h).

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
enum class Outcome : uint8_t { success, failure, denied, cancelled, running, unknown, not_executed };

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
  // Contiguous room for one record body of at most `size_max` bytes, or nullptr when the trail is at its bound.
  // Valid until the next call of reserve or publish. `size_max` is at most record_bytes_max.
  virtual char* reserve(size_t size_max) = 0;
  // Publishes the first `size` bytes of what was reserved. Gives the record's seq. `start_seq` is 0 but for
  // outcomes. After this returns, killing the process does not lose the record.
  virtual uint64_t publish(RecordKind kind, size_t size, uint64_t start_seq) = 0;
};

// The most that one record body may hold: text and parameters are bounded below this by configuration.
inline constexpr size_t record_bytes_max = 1 << 20;

// Writes fields into reserved room. The caller has reserved enough: field_bytes(n) for each field.
class FieldWriter {
 public:
  static constexpr size_t header_bytes = 6;
  static constexpr size_t field_bytes(size_t value_bytes) { return header_bytes + value_bytes; }

  explicit FieldWriter(char* at) : start_(at), at_(at) {}

  void text(Tag tag, ByteView value) { put(tag, value); }
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
  char* start_;
  char* at_;
};

// An event put together outside of the hot path: grows as needed, published whole.
class EventBuilder {
 public:
  static constexpr size_t field_bytes_max = 4'096;
  static constexpr size_t json_bytes_max = 32'768;

  EventBuilder(Category category, std::string_view action, Severity severity, Outcome outcome);

  EventBuilder& id(const Uuid& id);
  EventBuilder& ts(uint64_t unix_us);
  // Made valid UTF-8; skipped when empty. Cut at field_bytes_max, but for a statement, which its recorder has cut; JSON of
  // more than json_bytes_max is left out, and the field says so.
  EventBuilder& text(Tag tag, std::string_view value);
  EventBuilder& integer(Tag tag, int64_t value);
  EventBuilder& boolean(Tag tag, bool value);
  EventBuilder& bytes(Tag tag, ByteView value);  // As they are; skipped when empty.
  EventBuilder& uuid(Tag tag, const Uuid& value);
  EventBuilder& encoded(ByteView fields);

  ByteView bytes() const { return fields_; }
  // False when the trail is at its bound.
  bool publish(RecordSpace& space) const;

 private:
  std::string fields_;
};

}  // namespace ringfence::audit
