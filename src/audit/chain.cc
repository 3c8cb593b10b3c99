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

char* write_bytes(char* at, uint16_t tag, ByteView value) {
  detail::store_be(at, tag);
  detail::store_be(at + 2, static_cast<uint32_t>(value.size()));
  std::memcpy(at + FieldWriter::header_bytes, value.data(), value.size());
  return at + FieldWriter::field_bytes(value.size());
}

char* write_integer(char* at, uint16_t tag, uint64_t value) {
  detail::store_be(at, tag);
  detail::store_be(at + 2, uint32_t{8});
  detail::store_be(at + FieldWriter::header_bytes, value);
  return at + FieldWriter::field_bytes(8);
}

char* write_place(char* at, const ChainPlace& place) {
  at = write_integer(at, tag_chain_no, place.chain_no);
  at = write_integer(at, tag_recorded_at, place.recorded_at);
  at = write_integer(at, tag_hash_version, static_cast<uint64_t>(place.version));
  return write_integer(at, tag_retention_class, static_cast<uint64_t>(place.retention_class));
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
  return write_place(write_fields(at, fields, fields.present), place);
}

void append_canonical(std::string& out, const FieldSet& fields, const ChainPlace& place) {
  size_t begin = out.size();
  out.resize(begin + size_of(fields, fields.present) + chain_fields_bytes);
  write_canonical(out.data() + begin, fields, place);
}

crypto::Digest salted_digest(crypto::Sha256& context, ByteView salt, ByteView bytes) {
  context.update(salt);
  context.update(bytes);
  return context.finish();
}

char* write_proof(char* at, const ChainPlace& place, ByteView salt, ByteView facts, const ByteView* text) {
  at = write_place(at, place);
  at = write_bytes(at, tag_salt, salt);
  at = write_bytes(at, tag_facts_digest, facts);
  return text == nullptr ? at : write_bytes(at, tag_text_digest, *text);
}

crypto::Digest leaf_of(crypto::Sha256& context, const FieldSet& fields, const ChainPlace& place,
                       const RowProof& proof) {
  const uint64_t own = fields.present & ~(facts_mask | bit_of(Tag::statement));
  std::string bytes(size_of(fields, own) + proof_bytes_max + proof.salt.size(), '\0');
  const ByteView text = crypto::view_of(proof.text);
  char* end = write_proof(write_fields(bytes.data(), fields, own), place, proof.salt,
                          crypto::view_of(proof.facts), fields.has(Tag::statement) ? &text : nullptr);
  context.update(ByteView(bytes.data(), static_cast<size_t>(end - bytes.data())));
  return context.finish();
}

crypto::Digest leaf_of(crypto::Sha256& context, const FieldSet& fields, const ChainPlace& place,
                       const RowSalts& salts) {
  std::string bytes;
  if (place.version == hash_version_unsalted) {
    append_canonical(bytes, fields, place);
    context.update(bytes);
    return context.finish();
  }
  const bool has_text = fields.has(Tag::statement);
  if (salts.row.size() != salt_bytes || salts.facts.size() != salt_bytes ||
      salts.text.size() != (has_text ? salt_bytes : 0)) {
    return {};
  }
  bytes.resize(size_of(fields, facts_mask));
  write_fields(bytes.data(), fields, facts_mask);
  RowProof proof;
  proof.salt = salts.row;
  proof.facts = salted_digest(context, salts.facts, bytes);
  if (has_text) proof.text = salted_digest(context, salts.text, fields.get(Tag::statement));
  return leaf_of(context, fields, place, proof);
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
