#include "parameters.h"

#include <charconv>

#include "ringfence/audit/json.h"
#include "ringfence/base/base64.h"
#include "ringfence/base/utf8.h"
#include "ringfence/base/uuid.h"

namespace ringfence::proxy {

using audit::append_json_string;

namespace {

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

// Formats, then values, then (not read) result formats or format: the common middle of Bind and FunctionCall.
void encode(Reader in, const std::vector<uint32_t>* types, size_t bytes_max, std::string& out, bool& is_truncated) {
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
    bool fits = in.ok();
    if (fits && size < 0) {
      out += "null";
    } else if (fits) {
      // A text of n bytes takes at most 6n as JSON; what surely is too long is not even tried.
      fits = static_cast<size_t>(size) <= bytes_max;
      ByteView value = in.bytes(static_cast<size_t>(size));
      fits = fits && in.ok();
      if (fits) {
        uint32_t type = types != nullptr && i < types->size() ? (*types)[i] : 0;
        if (format == 0 && is_valid_text(value)) {
          append_json_string(out, value);
        } else if (format == 0 || !append_binary(out, value, type)) {
          out += "{\"base64\":\"" + base64_encode(value) + "\"}";
        }
      }
    }
    if (!fits || out.size() + 1 > bytes_max) {
      out.resize(rollback);
      is_truncated = true;
      break;
    }
  }
  out.push_back(']');
}

}  // namespace

void encode_bind_parameters(ByteView body, bool is_whole, const std::vector<uint32_t>* types, size_t bytes_max,
                            std::string& out, bool& is_truncated) {
  Reader in(body);
  in.cstr();
  in.cstr();
  encode(in, types, bytes_max, out, is_truncated);
  if (!is_whole && out.empty()) is_truncated = true;
}

void encode_call_parameters(ByteView body, size_t bytes_max, std::string& out, bool& is_truncated) {
  Reader in(body);
  in.u32();
  encode(in, nullptr, bytes_max, out, is_truncated);
}

}  // namespace ringfence::proxy
