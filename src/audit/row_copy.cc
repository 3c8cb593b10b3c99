#include "audit/row_copy.h"

#include <array>
#include <bit>

#include "audit/copy_form.h"

namespace ringfence::audit {
namespace {

struct Types {
  std::array<FieldType, tag_end> of{};
  std::array<bool, tag_end> are_json{};
  Types() {
    for (uint16_t tag = 1; tag < tag_end; ++tag) {
      of[tag] = field_info(tag)->type;
      are_json[tag] = of[tag] == FieldType::json;
    }
  }
};
const Types types;

// Of values as short as this copy() moves so many bytes whatever their length.
constexpr size_t short_value = 16;
// What may be read behind a value in canonical bytes: there always stand the fields of the chain.
static_assert(chain_fields_bytes >= short_value);

// Most values are short: for those neither a call nor a branch on the length.
void copy(char* at, const char* from, size_t size) {
  if (size <= short_value) std::memcpy(at, from, short_value);
  else std::memcpy(at, from, size);
}

}  // namespace

// The canonical bytes hold the fields in the order of the columns: both are walked side by side.
void RowCopy::append(ByteView canonical, const ChainPlace& place, const crypto::Digest& leaf,
                     const crypto::Digest& hash, const RowSalts& salts) {
  auto columns = static_cast<size_t>(std::popcount(columns_));
  // A column takes four bytes of length where its field takes six of header; jsonb has one byte more.
  char* at =
      rows_.room(2 + 6 * 16 + 2 * 40 + 4 + 3 * salt_bytes + canonical.size() + 5 * columns + short_value);
  detail::store_be(at, static_cast<uint16_t>(columns + 7));
  at += 2;
  const char* field = canonical.data();
  for (uint64_t rest = columns_; rest != 0; rest &= rest - 1) {
    auto tag = static_cast<uint16_t>(std::countr_zero(rest));
    // Behind the last field stand those of the chain, whose tags are larger than any column's.
    if (detail::load_be<uint16_t>(field) != tag) {
      detail::store_be(at, uint32_t{0xffffffff});
      at += 4;
      continue;
    }
    const char* value = field + FieldWriter::header_bytes;
    size_t size = detail::load_be<uint32_t>(field + 2);
    size_t version = types.are_json[tag] ? 1 : 0;  // jsonb's, which is 1.
    detail::store_be(at, static_cast<uint32_t>(size + version));
    at[4] = 1;
    at += 4 + version;
    if (types.of[tag] == FieldType::timestamp)
      detail::store_be(at, stored_us(detail::load_be<uint64_t>(value)));
    else copy(at, value, size);
    at += size;
    field = value + size;
  }
  at = put_integer(at, place.chain_no);
  at = put_integer(at, stored_us(place.recorded_at));
  for (int64_t small : {place.version, place.retention_class}) {
    detail::store_be(at, uint32_t{2});
    detail::store_be(at + 4, static_cast<uint16_t>(small));
    at += 6;
  }
  at = put_value(at, crypto::view_of(leaf));
  at = put_value(at, crypto::view_of(hash));
  detail::store_be(at, static_cast<uint32_t>(salts.row.size() + salts.facts.size() + salts.text.size()));
  at += 4;
  for (ByteView salt : {salts.row, salts.facts, salts.text}) {
    if (!salt.empty()) std::memcpy(at, salt.data(), salt.size());
    at += salt.size();
  }
  rows_.end_at(at);
}

std::string RowCopy::sql() const {
  std::string out = "COPY ringfence.audit_row (";
  for (uint64_t rest = columns_; rest != 0; rest &= rest - 1) {
    out.append(field_info(static_cast<uint16_t>(std::countr_zero(rest)))->column).append(", ");
  }
  return out +
         "chain_no, recorded_at, hash_version, retention_class, leaf, hash, salts) FROM STDIN (FORMAT "
         "binary)";
}

}  // namespace ringfence::audit
