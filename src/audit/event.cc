#include "ringfence/audit/event.h"

#include <array>
#include <charconv>

#include "ringfence/audit/json.h"
#include "ringfence/base/utf8.h"

namespace ringfence::audit {

std::string_view name(Category category) {
  switch (category) {
    case Category::authentication: return "authentication";
    case Category::authorization: return "authorization";
    case Category::audit: return "audit";
    case Category::encryption: return "encryption";
    case Category::rate_limit: return "rate_limit";
    case Category::insider_threat: return "insider_threat";
    case Category::memory_hardening: return "memory_hardening";
    case Category::circuit_breaker: return "circuit_breaker";
    case Category::system: return "system";
  }
  return "system";
}

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::info: return "INFO";
    case Severity::warning: return "WARNING";
    case Severity::error: return "ERROR";
    case Severity::critical: return "CRITICAL";
  }
  return "INFO";
}

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::success: return "success";
    case Outcome::failure: return "failure";
    case Outcome::denied: return "denied";
    case Outcome::cancelled: return "cancelled";
    case Outcome::running: return "running";
    case Outcome::unknown: return "unknown";
    case Outcome::not_executed: return "not_executed";
    case Outcome::withheld: return "withheld";
  }
  return "unknown";
}

const FieldInfo* field_info(uint16_t tag) {
#define RINGFENCE_FIELD(tag, type) {Tag::tag, #tag, FieldType::type}
  static constexpr FieldInfo fields[tag_end] = {
      {},
      RINGFENCE_FIELD(id, uuid),
      RINGFENCE_FIELD(node, text),
      RINGFENCE_FIELD(shard, integer),
      RINGFENCE_FIELD(seq, integer),
      RINGFENCE_FIELD(outcome_seq, integer),
      RINGFENCE_FIELD(ts, timestamp),
      RINGFENCE_FIELD(category, text),
      RINGFENCE_FIELD(action, text),
      RINGFENCE_FIELD(severity, text),
      RINGFENCE_FIELD(outcome, text),
      RINGFENCE_FIELD(user_name, text),
      RINGFENCE_FIELD(auth_method, text),
      RINGFENCE_FIELD(api_key, text),
      RINGFENCE_FIELD(client_addr, text),
      RINGFENCE_FIELD(application_name, text),
      RINGFENCE_FIELD(transport, text),
      RINGFENCE_FIELD(session_id, uuid),
      RINGFENCE_FIELD(connection_id, uuid),
      RINGFENCE_FIELD(target, text),
      RINGFENCE_FIELD(tags, json),
      RINGFENCE_FIELD(database, text),
      RINGFENCE_FIELD(server_addr, text),
      RINGFENCE_FIELD(server_user, text),
      RINGFENCE_FIELD(statement, text),
      RINGFENCE_FIELD(statement_bytes, integer),
      RINGFENCE_FIELD(statement_truncated, boolean),
      RINGFENCE_FIELD(statement_raw, bytes),
      RINGFENCE_FIELD(parameters, json),
      RINGFENCE_FIELD(parameters_truncated, boolean),
      RINGFENCE_FIELD(fingerprint, text),
      RINGFENCE_FIELD(facts, json),
      RINGFENCE_FIELD(decision, text),
      RINGFENCE_FIELD(rule, text),
      RINGFENCE_FIELD(duration_us, integer),
      RINGFENCE_FIELD(rows, integer),
      RINGFENCE_FIELD(bytes_to_client, integer),
      RINGFENCE_FIELD(bytes_to_server, integer),
      RINGFENCE_FIELD(sqlstate, text),
      RINGFENCE_FIELD(error_message, text),
      RINGFENCE_FIELD(command_tag, text),
      RINGFENCE_FIELD(message_type, text),
      RINGFENCE_FIELD(replayed_from, uuid),
      RINGFENCE_FIELD(parent_id, uuid),
      RINGFENCE_FIELD(entity_type, text),
      RINGFENCE_FIELD(entity_id, text),
      RINGFENCE_FIELD(changes, json),
      RINGFENCE_FIELD(project_id, text),
      RINGFENCE_FIELD(metadata, json),
      RINGFENCE_FIELD(redacted, json),
      RINGFENCE_FIELD(reason, text),
      RINGFENCE_FIELD(statement_sha256, bytes),
      RINGFENCE_FIELD(message_id, uuid),
      RINGFENCE_FIELD(statement_begin, integer),
      RINGFENCE_FIELD(attribution, text),
      RINGFENCE_FIELD(redacted_digest, json),
      RINGFENCE_FIELD(sealed, bytes),
      RINGFENCE_FIELD(outcome_digest, json),
      RINGFENCE_FIELD(outcome_sealed, bytes),
  };
#undef RINGFENCE_FIELD
  return tag == 0 || tag >= tag_end ? nullptr : &fields[tag];
}

namespace {

// A field that is longer than it may be: what stays of it, and what is put behind.
struct Cut {
  ByteView kept;
  std::array<char, 32> mark;
  size_t mark_bytes = 0;
  size_t size() const { return kept.size() + mark_bytes; }
};

// `shown` is the text of `bytes` bytes, or a prefix of it, with at least field_bytes_max.
Cut cut_field(Tag tag, ByteView shown, size_t bytes) {
  Cut out;
  const size_t max = field_bytes_max(tag);
  switch (field_info(static_cast<uint16_t>(tag))->type) {
    case FieldType::json: out.kept = shown.front() == '[' ? "[\"(too long)\"]" : "{\"too_long\":true}"; break;
    case FieldType::text: {
      char* end = out.mark.data();
      for (char c : std::string_view("\u2026[")) *end++ = c;
      end = std::to_chars(end, out.mark.data() + out.mark.size(), bytes).ptr;
      for (char c : std::string_view(" bytes]")) *end++ = c;
      out.mark_bytes = static_cast<size_t>(end - out.mark.data());
      // Of a field that has no room for the mark the front says enough.
      if (out.mark_bytes > max) out.mark_bytes = 0;
      out.kept = text_prefix(shown, max - out.mark_bytes);
      break;
    }
    default: out.kept = shown.substr(0, max); break;
  }
  return out;
}

}  // namespace

// Of what is too long no more is looked at than may stay.
void append_field(std::string& out, Tag tag, ByteView value) {
  if (value.empty()) return;
  const size_t max = field_bytes_max(tag);
  const bool is_bytes = field_info(static_cast<uint16_t>(tag))->type == FieldType::bytes;
  ByteView shown = is_bytes ? value.substr(0, max) : text_prefix(value, max);
  std::string valid;
  if (!is_bytes && !is_valid_text(shown)) {
    valid = make_valid_text(shown);
    shown = valid;
  }
  Cut cut;
  cut.kept = shown;
  if (value.size() > max || shown.size() > max) cut = cut_field(tag, shown, value.size());
  ringfence::Writer(out)
      .u16(static_cast<uint16_t>(tag))
      .u32(static_cast<uint32_t>(cut.size()))
      .bytes(cut.kept)
      .bytes(ByteView(cut.mark.data(), cut.mark_bytes));
}

void FieldWriter::cut(Tag tag, ByteView value) {
  const Cut cut = cut_field(tag, value, value.size());
  header(tag, static_cast<uint32_t>(cut.size()));
  std::memcpy(at_, cut.kept.data(), cut.kept.size());
  std::memcpy(at_ + cut.kept.size(), cut.mark.data(), cut.mark_bytes);
  at_ += cut.size();
}

void append_uuid(std::string& out, Tag tag, const Uuid& value) {
  if (value.is_nil()) return;
  const ByteView bytes(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  ringfence::Writer(out)
      .u16(static_cast<uint16_t>(tag))
      .u32(static_cast<uint32_t>(bytes.size()))
      .bytes(bytes);
}

void append_tags(std::string& out, const std::vector<std::string>& tags) {
  if (tags.empty()) return;
  std::vector<std::string> valid;
  for (const std::string& tag : tags) valid.push_back(make_valid_text(tag));
  std::string json;
  append_json_strings(json, valid);
  append_field(out, Tag::tags, json);
}

EventBuilder::EventBuilder(Category category, std::string_view action, Severity severity, Outcome outcome) {
  text(Tag::category, name(category));
  text(Tag::action, action);
  text(Tag::severity, name(severity));
  text(Tag::outcome, name(outcome));
}

EventBuilder& EventBuilder::id(const Uuid& id) { return uuid(Tag::id, id); }
EventBuilder& EventBuilder::ts(uint64_t unix_us) { return integer(Tag::ts, static_cast<int64_t>(unix_us)); }

EventBuilder& EventBuilder::text(Tag tag, std::string_view value) { return bytes(tag, value); }

EventBuilder& EventBuilder::integer(Tag tag, int64_t value) {
  ringfence::Writer(fields_).u16(static_cast<uint16_t>(tag)).u32(8).u64(static_cast<uint64_t>(value));
  return *this;
}

EventBuilder& EventBuilder::boolean(Tag tag, bool value) {
  ringfence::Writer(fields_).u16(static_cast<uint16_t>(tag)).u32(1).u8(value ? 1 : 0);
  return *this;
}

EventBuilder& EventBuilder::bytes(Tag tag, ByteView value) {
  append_field(fields_, tag, value);
  return *this;
}

EventBuilder& EventBuilder::uuid(Tag tag, const Uuid& value) {
  ringfence::Writer(fields_)
      .u16(static_cast<uint16_t>(tag))
      .u32(16)
      .bytes(ByteView(reinterpret_cast<const char*>(value.bytes.data()), 16));
  return *this;
}

EventBuilder& EventBuilder::encoded(ByteView fields) {
  fields_.append(fields);
  return *this;
}

bool EventBuilder::publish(RecordSpace& space) const {
  char* room = space.reserve(fields_.size());
  if (room == nullptr) return false;
  std::memcpy(room, fields_.data(), fields_.size());
  space.publish(RecordKind::event, fields_.size(), 0);
  return true;
}

}  // namespace ringfence::audit
