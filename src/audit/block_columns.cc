#include "audit/block_columns.h"

namespace ringfence::audit {
namespace {

// PostgreSQL: catalog/pg_type.dat.
constexpr uint32_t type_boolean = 16;
constexpr uint32_t type_bytea = 17;
constexpr uint32_t type_bigint = 20;
constexpr uint32_t type_timestamptz = 1184;

}  // namespace

const std::vector<BlockArray>& block_arrays() {
  static const std::vector<BlockArray> arrays = [] {
    std::vector<BlockArray> out;
    for_each_tag(session_group, [&](Tag tag) { out.push_back({'s', tag}); });
    for_each_tag(kind_group | bit_of(Tag::statement), [&](Tag tag) { out.push_back({'k', tag}); });
    for_each_tag(row_group | bit_of(Tag::statement), [&](Tag tag) { out.push_back({'r', tag}); });
    return out;
  }();
  return arrays;
}

const std::string& block_columns() {
  static const std::string columns = [] {
    std::string out =
        "node, first_chain_no, row_count, recorded_at, hash_version, retention_class, last_hash, first_ts, "
        "last_ts, first_id, last_id, keys, sessions, row_salts, s_salts, k_text_salts, r_text_salts, r_s, "
        "r_k";
    for (const BlockArray& array : block_arrays())
      out.append(", ")
          .append(1, array.group)
          .append("_")
          .append(field_info(static_cast<uint16_t>(array.tag))->column);
    return out;
  }();
  return columns;
}

const std::string& block_elements() {
  static const std::string sum = [] {
    std::string out =
        "(cardinality(keys)::bigint + cardinality(sessions) + cardinality(r_s) + cardinality(r_k)";
    for (const BlockArray& array : block_arrays())
      out.append(" + coalesce(cardinality(")
          .append(1, array.group)
          .append("_")
          .append(field_info(static_cast<uint16_t>(array.tag))->column)
          .append("), 0)");
    return out + ")";
  }();
  return sum;
}

uint32_t block_element_type(Tag tag) {
  switch (field_info(static_cast<uint16_t>(tag))->type) {
    case FieldType::integer: return type_bigint;
    case FieldType::timestamp: return type_timestamptz;
    case FieldType::uuid: return type_uuid;
    case FieldType::boolean: return type_boolean;
    case FieldType::bytes: return type_bytea;
    case FieldType::json: return type_jsonb;
    case FieldType::text: break;
  }
  return type_text;
}

}  // namespace ringfence::audit
