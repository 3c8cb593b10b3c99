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

char* write_integer(char* at, uint16_t tag, uint64_t value) {
  detail::store_be(at, tag);
  detail::store_be(at + 2, uint32_t{8});
  detail::store_be(at + FieldWriter::header_bytes, value);
  return at + FieldWriter::field_bytes(8);
}

}  // namespace

bool parse_fields(ByteView body, FieldSet& out) {
  constexpr size_t header = FieldWriter::header_bytes;
  const char* at = body.data();
  size_t left = body.size();
  uint64_t seen = 0;
  while (left >= header) {
    auto tag = detail::load_be<uint16_t>(at);
    size_t size = detail::load_be<uint32_t>(at + 2);
    if (tag == 0 || tag >= tag_end || size > left - header) break;
    if (sizes.of[tag] != 0 && size != sizes.of[tag]) break;
    out.at[tag] = ByteView(at + header, size);
    seen |= uint64_t{1} << tag;
    at += header + size;
    left -= header + size;
  }
  out.present |= seen;
  out.encoded |= seen;
  return left == 0;
}

size_t size_of(const FieldSet& fields, uint64_t mask) {
  size_t total = 0;
  for (uint64_t rest = mask & fields.present; rest != 0; rest &= rest - 1) {
    total += FieldWriter::field_bytes(fields.at[static_cast<size_t>(std::countr_zero(rest))].size());
  }
  return total;
}

char* write_fields(char* at, const FieldSet& fields, uint64_t mask) {
  constexpr size_t header = FieldWriter::header_bytes;
  uint64_t rest = mask & fields.present;
  while (rest != 0) {
    auto tag = static_cast<size_t>(std::countr_zero(rest));
    rest &= rest - 1;
    ByteView value = fields.at[tag];
    if ((fields.encoded >> tag & 1) == 0) {
      detail::store_be(at, static_cast<uint16_t>(tag));
      detail::store_be(at + 2, static_cast<uint32_t>(value.size()));
      if (!value.empty()) std::memcpy(at + header, value.data(), value.size());
      at += header + value.size();
      continue;
    }
    const char* from = value.data() - header;
    const char* end = value.data() + value.size();
    for (; (rest & fields.encoded) != 0; rest &= rest - 1) {
      auto next = static_cast<size_t>(std::countr_zero(rest));
      if ((fields.encoded >> next & 1) == 0 || fields.at[next].data() != end + header) break;
      end = fields.at[next].data() + fields.at[next].size();
    }
    auto size = static_cast<size_t>(end - from);
    std::memcpy(at, from, size);
    at += size;
  }
  return at;
}

char* write_canonical(char* at, const FieldSet& fields, const ChainPlace& place) {
  at = write_fields(at, fields, fields.present);
  at = write_integer(at, tag_chain_no, place.chain_no);
  at = write_integer(at, tag_recorded_at, place.recorded_at);
  at = write_integer(at, tag_hash_version, static_cast<uint64_t>(place.version));
  return write_integer(at, tag_retention_class, static_cast<uint64_t>(place.retention_class));
}

void append_canonical(std::string& out, const FieldSet& fields, const ChainPlace& place) {
  size_t begin = out.size();
  out.resize(begin + size_of(fields, fields.present) + chain_fields_bytes);
  write_canonical(out.data() + begin, fields, place);
}

crypto::Digest chain_hash(crypto::Sha256& context, const crypto::Digest& previous,
                          const crypto::Digest& leaf) {
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

std::string anchor_message(std::string_view node, uint64_t chain_no, ByteView hash, uint64_t signed_at,
                           uint64_t anchor_no, ByteView previous) {
  std::string out;
  ringfence::Writer(out)
      .cstr("ringfence anchor 2")
      .u32(static_cast<uint32_t>(node.size()))
      .bytes(node)
      .u64(chain_no)
      .bytes(hash)
      .u64(signed_at)
      .u64(anchor_no)
      .u32(static_cast<uint32_t>(previous.size()))
      .bytes(previous);
  return out;
}

std::string retention_message(std::string_view node, uint64_t first_chain_no, uint64_t last_chain_no,
                              uint64_t row_count, std::string_view partition, uint64_t dropped_at,
                              ByteView last_hash) {
  std::string out;
  ringfence::Writer(out)
      .cstr(last_hash.empty() ? "ringfence retention 1" : "ringfence retention 2")
      .u32(static_cast<uint32_t>(node.size()))
      .bytes(node)
      .u64(first_chain_no)
      .u64(last_chain_no)
      .u64(row_count)
      .u32(static_cast<uint32_t>(partition.size()))
      .bytes(partition)
      .u64(dropped_at)
      .bytes(last_hash);
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
