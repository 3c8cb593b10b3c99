#include "parameters.h"

#include <algorithm>
#include <charconv>

#include "ringfence/audit/json.h"
#include "ringfence/base/base64.h"
#include "ringfence/base/utf8.h"
#include "ringfence/base/uuid.h"

namespace ringfence::proxy {

using audit::append_json_string;

namespace {

// A prefix shorter than this is not worth its place.
constexpr size_t prefix_bytes_min = 16;

// Built-in types (pg_type.dat) whose binary form we read.
enum TypeOid : uint32_t {
  oid_bool = 16,
  oid_name = 19,
  oid_int8 = 20,
  oid_int2 = 21,
  oid_int4 = 23,
  oid_text = 25,
  oid_oid = 26,
  oid_json = 114,
  oid_float4 = 700,
  oid_float8 = 701,
  oid_bpchar = 1042,
  oid_varchar = 1043,
  oid_uuid = 2950,
};

template <typename T>
void append_number(std::string& out, T value) {
  char text[64];
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.push_back('"');
  out.append(text, end);
  out.push_back('"');
}

bool append_binary(std::string& out, ByteView value, uint32_t type) {
  Reader in(value);
  switch (type) {
    case oid_bool:
      if (value.size() != 1) return false;
      out += value[0] != 0 ? "\"t\"" : "\"f\"";
      return true;
    case oid_int2:
      if (value.size() != 2) return false;
      append_number(out, in.i16());
      return true;
    case oid_int4:
      if (value.size() != 4) return false;
      append_number(out, in.i32());
      return true;
    case oid_oid:
      if (value.size() != 4) return false;
      append_number(out, in.u32());
      return true;
    case oid_int8:
      if (value.size() != 8) return false;
      append_number(out, in.i64());
      return true;
    case oid_float4:
      if (value.size() != 4) return false;
      append_number(out, std::bit_cast<float>(in.u32()));
      return true;
    case oid_float8:
      if (value.size() != 8) return false;
      append_number(out, std::bit_cast<double>(in.u64()));
      return true;
    case oid_uuid: {
      if (value.size() != 16) return false;
      Uuid uuid;
      std::memcpy(uuid.bytes.data(), value.data(), 16);
      out += '"' + to_string(uuid) + '"';
      return true;
    }
    case oid_name:
    case oid_text:
    case oid_json:
    case oid_bpchar:
    case oid_varchar:
      if (!is_valid_text(value)) return false;
      append_json_string(out, value);
      return true;
    default: return false;
  }
}

void append_value(std::string& out, ByteView value, uint16_t format, uint32_t type) {
  if (format == 0 && is_valid_text(value)) append_json_string(out, value);
  else if (format == 0 || !append_binary(out, value, type))
    out += "{\"base64\":\"" + base64_encode(value) + "\"}";
}

// Of a value of `full` bytes as much of its beginning as there is room for. False when that is next to
// nothing.
bool append_prefix(std::string& out, ByteView value, size_t full, uint16_t format, size_t bytes_max) {
  const std::string length = "\"bytes\":" + std::to_string(full);
  constexpr size_t around = sizeof("{,\"prefix\":\"\"}]");
  if (out.size() + length.size() + around + prefix_bytes_min > bytes_max) return false;
  size_t room = bytes_max - out.size() - length.size() - around;
  // Text, where its beginning is some: the last character may be cut.
  ByteView text = text_prefix(value, room);
  if (format == 0 && is_valid_text(text)) {
    for (size_t size = text.size();; size = size * 3 / 4) {
      std::string written;
      append_json_string(written, text_prefix(text, size));
      if (written.size() > room + 2) continue;  // Escapes take up to six bytes each.
      out.append("{").append(length).append(",\"prefix\":").append(written).append("}");
      return true;
    }
  }
  ByteView raw = value.substr(0, room / 4 * 3);
  out.append("{\"base64\":\"").append(base64_encode(raw)).append("\",").append(length).append("}");
  return true;
}

// Formats, then values, then (not read) result formats or format: the common middle of Bind and FunctionCall.
void encode(Reader in, const std::vector<uint32_t>* types, size_t bytes_max, std::string& out,
            bool& is_truncated, SecretPlaces places = {}) {
  uint16_t format_count = in.u16();
  ByteView formats = in.bytes(size_t{format_count} * 2);
  uint16_t count = in.u16();
  if (!in.ok()) {
    is_truncated = true;
    return;
  }
  if (count == 0) return;
  out.push_back('[');
  for (uint16_t i = 0; i < count; ++i) {
    size_t rollback = out.size();
    if (i > 0) out.push_back(',');
    int32_t size = in.i32();
    uint16_t format = 0;
    if (format_count == 1) format = detail::load_be<uint16_t>(formats.data());
    else if (format_count == count) format = detail::load_be<uint16_t>(formats.data() + 2 * size_t{i});
    if (!in.ok()) {
      out.resize(rollback);
      is_truncated = true;
      break;
    }
    if (size < 0) {
      out += "null";
    } else if (places.hides(i)) {
      in.bytes(std::min(static_cast<size_t>(size), in.remaining()));
      out += places.is_clear ? "null" : "\"***\"";
    } else {
      // A beginning of a message may end within a value.
      auto full = static_cast<size_t>(size);
      ByteView value = in.bytes(std::min(full, in.remaining()));
      size_t begin = out.size();
      // What surely is too long is not even tried.
      if (value.size() == full && full <= bytes_max) {
        append_value(out, value, format, types != nullptr && i < types->size() ? (*types)[i] : 0);
      }
      if (out.size() == begin || out.size() + 1 > bytes_max) {
        out.resize(begin);
        if (!append_prefix(out, value, full, format, bytes_max)) out.resize(rollback);
        is_truncated = true;
        break;
      }
    }
    if (out.size() + 1 > bytes_max) {
      out.resize(rollback);
      is_truncated = true;
      break;
    }
  }
  out.push_back(']');
}

}  // namespace

void encode_bind_parameters(ByteView body, bool is_whole, const std::vector<uint32_t>* types,
                            size_t bytes_max, std::string& out, bool& is_truncated, SecretPlaces places) {
  Reader in(body);
  in.cstr();
  in.cstr();
  encode(in, types, bytes_max, out, is_truncated, places);
  if (!is_whole && out.empty()) is_truncated = true;
}

void encode_call_parameters(ByteView body, size_t bytes_max, std::string& out, bool& is_truncated) {
  Reader in(body);
  in.u32();
  encode(in, nullptr, bytes_max, out, is_truncated);
}

}  // namespace ringfence::proxy
