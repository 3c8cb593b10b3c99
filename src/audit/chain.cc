#include "ringfence/audit/chain.h"

namespace ringfence::audit {
namespace {

// 0: any length.
constexpr uint8_t size_of(FieldType type) {
  switch (type) {
    case FieldType::integer:
    case FieldType::timestamp: return 8;
    case FieldType::uuid: return 16;
    case FieldType::boolean: return 1;
    default: return 0;
  }
}

struct Sizes {
  std::array<uint8_t, tag_end> of{};
  Sizes() {
    for (uint16_t tag = 1; tag < tag_end; ++tag) of[tag] = size_of(field_info(tag)->type);
  }
};
const Sizes sizes;

void append_integer(std::string& out, uint16_t tag, uint64_t value) {
  char raw[14];
  detail::store_be(raw, tag);
  detail::store_be(raw + 2, uint32_t{8});
  detail::store_be(raw + 6, value);
  out.append(raw, sizeof raw);
}

}  // namespace

bool parse_fields(ByteView body, FieldSet& out) {
  const char* at = body.data();
  const char* end = at + body.size();
  while (at != end) {
    if (end - at < static_cast<std::ptrdiff_t>(FieldWriter::header_bytes)) return false;
    auto tag = detail::load_be<uint16_t>(at);
    auto size = detail::load_be<uint32_t>(at + 2);
    at += FieldWriter::header_bytes;
    if (tag == 0 || tag >= tag_end || size > static_cast<size_t>(end - at)) return false;
    if (sizes.of[tag] != 0 && size != sizes.of[tag]) return false;
    out.at[tag] = ByteView(at, size);
    out.present |= uint64_t{1} << tag;
    at += size;
  }
  return true;
}

bool scan_fields(ByteView body, uint64_t& present) {
  const char* at = body.data();
  const char* end = at + body.size();
  while (at != end) {
    if (end - at < static_cast<std::ptrdiff_t>(FieldWriter::header_bytes)) return false;
    auto tag = detail::load_be<uint16_t>(at);
    auto size = detail::load_be<uint32_t>(at + 2);
    at += FieldWriter::header_bytes;
    if (tag == 0 || tag >= tag_end || size > static_cast<size_t>(end - at)) return false;
    if (sizes.of[tag] != 0 && size != sizes.of[tag]) return false;
    present |= uint64_t{1} << tag;
    at += size;
  }
  return true;
}

void append_fields(std::string& out, const FieldSet& fields, uint64_t mask) {
  size_t total = 0;
  mask &= fields.present;
  for (uint64_t rest = mask; rest != 0; rest &= rest - 1) {
    total += FieldWriter::field_bytes(fields.at[static_cast<size_t>(std::countr_zero(rest))].size());
  }
  size_t begin = out.size();
  out.resize(begin + total);
  char* at = out.data() + begin;
  for (uint64_t rest = mask; rest != 0; rest &= rest - 1) {
    auto tag = static_cast<uint16_t>(std::countr_zero(rest));
    ByteView value = fields.at[tag];
    detail::store_be(at, tag);
    detail::store_be(at + 2, static_cast<uint32_t>(value.size()));
    at += FieldWriter::header_bytes;
    if (!value.empty()) std::memcpy(at, value.data(), value.size());
    at += value.size();
  }
}

void append_canonical(std::string& out, const FieldSet& fields, const ChainPlace& place) {
  append_fields(out, fields, fields.present);
  append_integer(out, tag_chain_no, place.chain_no);
  append_integer(out, tag_recorded_at, place.recorded_at);
  append_integer(out, tag_hash_version, static_cast<uint64_t>(place.version));
  append_integer(out, tag_retention_class, static_cast<uint64_t>(place.retention_class));
}

crypto::Digest chain_hash(crypto::Sha256& context, const crypto::Digest& previous, const crypto::Digest& leaf) {
  context.update(crypto::view_of(previous));
  context.update(crypto::view_of(leaf));
  return context.finish();
}

std::string anchor_message(std::string_view node, uint64_t chain_no, ByteView hash, uint64_t signed_at) {
  std::string out;
  ringfence::Writer(out)
      .cstr("ringfence anchor 1")
      .u32(static_cast<uint32_t>(node.size()))
      .bytes(node)
      .u64(chain_no)
      .bytes(hash)
      .u64(signed_at);
  return out;
}

std::string retention_message(std::string_view node, uint64_t first_chain_no, uint64_t last_chain_no,
                              uint64_t row_count, std::string_view partition, uint64_t dropped_at) {
  std::string out;
  ringfence::Writer(out)
      .cstr("ringfence retention 1")
      .u32(static_cast<uint32_t>(node.size()))
      .bytes(node)
      .u64(first_chain_no)
      .u64(last_chain_no)
      .u64(row_count)
      .u32(static_cast<uint32_t>(partition.size()))
      .bytes(partition)
      .u64(dropped_at);
  return out;
}

std::string key_id_of(ByteView public_key) {
  static constexpr char digits[] = "0123456789abcdef";
  crypto::Digest digest = crypto::sha256(public_key);
  std::string out;
  for (size_t i = 0; i < 8; ++i) {
    out.push_back(digits[digest[i] >> 4]);
    out.push_back(digits[digest[i] & 15]);
  }
  return out;
}

}  // namespace ringfence::audit
