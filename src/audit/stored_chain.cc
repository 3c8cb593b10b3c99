#include "audit/stored_chain.h"

#include <algorithm>

#include "audit/numbers.h"
#include "ringfence/audit/json.h"

namespace ringfence::audit {
namespace {}  // namespace

uint64_t unix_us(ByteView timestamp) {
  return static_cast<uint64_t>(static_cast<int64_t>(be<uint64_t>(timestamp)) + pg_epoch_us);
}

crypto::Digest digest_of(ByteView bytes) {
  crypto::Digest out{};
  if (bytes.size() == out.size()) std::memcpy(out.data(), bytes.data(), out.size());
  return out;
}

const std::string& StoredRow::columns() {
  static const std::string list = [] {
    std::string out;
    for (uint16_t tag = 1; tag < tag_end; ++tag) out.append(field_info(tag)->column).append(", ");
    return out + "chain_no, recorded_at, hash_version, retention_class, leaf, hash";
  }();
  return list;
}

void StoredRow::read(const store::Rows& row, crypto::Sha256& sha) {
  constexpr int extra = tag_end - 1;
  fields.clear();
  kept_.clear();
  kept_.reserve(tag_end);
  for (uint16_t tag = 1; tag < tag_end; ++tag) {
    if (row.is_null(0, tag - 1)) continue;
    ByteView value = row.get(0, tag - 1);
    const FieldInfo* info = field_info(tag);
    if (info->type == FieldType::timestamp) {
      std::string raw(8, '\0');
      detail::store_be(raw.data(), unix_us(value));
      value = kept_.emplace_back(std::move(raw));
    } else if (info->type == FieldType::json) {
      value =
          kept_.emplace_back(canonicalise_json(value.substr(std::min<size_t>(1, value.size()))).value_or(""));
    }
    fields.set(info->tag, value);
  }
  place.chain_no = be<uint64_t>(row.get(0, extra));
  place.recorded_at = unix_us(row.get(0, extra + 1));
  place.version = be<int16_t>(row.get(0, extra + 2));
  place.retention_class = be<int16_t>(row.get(0, extra + 3));
  own_leaf = row.get(0, extra + 4);
  own_hash = row.get(0, extra + 5);
  canonical_.clear();
  append_canonical(canonical_, fields, place);
  sha.update(canonical_);
  leaf = sha.finish();
}

Result<void> read_links(store::Connection& store, const std::string& node, uint64_t begin, uint64_t end,
                        std::vector<StoredLink>& out,
                        const std::function<void(uint64_t chain_no, bool is_second)>& doubtful) {
  out.clear();
  uint64_t next = begin;
  return store.stream(
      "SELECT first_chain_no, links FROM ringfence.audit_link_run WHERE node = $1 AND first_chain_no BETWEEN "
      "$2::bigint AND $3::bigint ORDER BY first_chain_no",
      {node, std::to_string(begin - std::min<uint64_t>(begin, link_run_max - 1)), std::to_string(end)},
      [&](store::Rows& row) {
        auto chain_no = be<uint64_t>(row.get(0, 0));
        ByteView links = row.get(0, 1);
        if (links.size() % link_bytes != 0 || links.size() > link_run_max * link_bytes)
          doubtful(chain_no, false);
        for (; links.size() >= link_bytes; links.remove_prefix(link_bytes), ++chain_no) {
          if (chain_no < begin || chain_no > end) continue;
          if (chain_no < next) {
            doubtful(chain_no, true);
            continue;
          }
          out.push_back({chain_no, digest_of(links.substr(0, 32)), digest_of(links.substr(32, 32))});
          next = chain_no + 1;
        }
        return true;
      });
}

}  // namespace ringfence::audit
