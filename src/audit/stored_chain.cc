#include "audit/stored_chain.h"

#include <algorithm>

#include "audit/numbers.h"
#include "ringfence/audit/json.h"

namespace ringfence::audit {
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
    return out + "chain_no, recorded_at, hash_version, retention_class, leaf, hash, salts";
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
  block_hash = ByteView();
  const ByteView salts = row.get(0, extra + 6);
  auto salt = [&](size_t i) { return salts.substr(std::min(salts.size(), i * salt_bytes), salt_bytes); };
  leaf = salts.size() > 3 * salt_bytes ? crypto::Digest{}
                                       : leaf_of(sha, fields, place, {salt(0), salt(1), salt(2)});
}

void StoredRow::read(const StoredBlock& block, size_t i, crypto::Sha256& sha) {
  const bool is_whole = block.fields_of(i, fields);
  place = block.place_of(i);
  own_leaf = own_hash = ByteView();
  block_hash = i + 1 == block.size() ? block.last_hash() : ByteView();
  const bool is_known = is_whole && place.version == hash_version;
  leaf = is_known ? leaf_of(sha, fields, place, block.proof_of(i, fields)) : crypto::Digest{};
}

namespace {

// Rows of blocks between those of audit_row.
class RowMerge {
 public:
  RowMerge(uint64_t begin, uint64_t end, const std::function<bool(StoredRow&)>& each)
      : begin_(begin), end_(end), each_(each) {}

  // Also those that say of themselves that they end before: a reader is shown what is in their arrays.
  Result<void> read_blocks(store::Connection& store, const std::string& table, const std::string& node,
                           const std::function<void(const StoredBlock&)>& on_block) {
    auto rows = store.exec_params(
        "SELECT " + block_columns() + " FROM " + table +
            " WHERE node = $1 AND first_chain_no BETWEEN $2::bigint AND $3::bigint AND " + block_elements() +
            " <= " + std::to_string(block_elements_max) + " ORDER BY first_chain_no",
        {node, from(), number(end_)}, true);
    if (!rows) return unexpected(std::move(rows.error()));
    answer_ = std::move(*rows);
    blocks_.resize(static_cast<size_t>(answer_.size()));
    for (size_t i = 0; i < blocks_.size(); ++i) {
      blocks_[i].read(answer_, static_cast<int>(i), sha_);
      on_block(blocks_[i]);
    }
    return look_for_large(store, table, node, on_block);
  }
  bool take(const store::Rows& row) {
    row_.read(row, sha_);
    return pass_to(row_.place.chain_no) && each_(row_);
  }
  // The blocks' rows before this number. False: nobody wants more.
  bool pass_to(uint64_t chain_no) {
    for (; block_ < blocks_.size(); ++block_, at_ = 0) {
      const StoredBlock& block = blocks_[block_];
      for (; at_ < block.size(); ++at_) {
        const uint64_t next = block.first_chain_no() + at_;
        if (next >= chain_no) return true;
        if (next < begin_ || next > end_) continue;
        of_block_.read(block, at_, sha_);
        if (!each_(of_block_)) return false;
      }
    }
    return true;
  }

 private:
  std::string from() const { return number(begin_ - std::min<uint64_t>(begin_, block_rows_max - 1)); }
  // Blocks with more than a writer stores are told of and not read: an array of nothing takes no room in the
  // store, and much here.
  Result<void> look_for_large(store::Connection& store, const std::string& table, const std::string& node,
                              const std::function<void(const StoredBlock&)>& on_block) {
    auto large = store.exec_params(
        "SELECT first_chain_no FROM " + table +
            " WHERE node = $1 AND first_chain_no BETWEEN $2::bigint AND $3::bigint AND NOT " +
            block_elements() + " <= " + std::to_string(block_elements_max) +
            " ORDER BY first_chain_no LIMIT 1000",
        {node, from(), number(end_)});
    if (!large) return unexpected(std::move(large.error()));
    for (int i = 0; i < large->size(); ++i)
      on_block(StoredBlock::too_large(static_cast<uint64_t>(large->integer(i, 0))));
    return {};
  }

  const uint64_t begin_;
  const uint64_t end_;
  const std::function<bool(StoredRow&)>& each_;
  store::Rows answer_;
  std::vector<StoredBlock> blocks_;
  size_t block_ = 0;
  size_t at_ = 0;
  StoredRow row_;
  StoredRow of_block_;
  crypto::Sha256 sha_;
};

}  // namespace

Result<void> stream_rows(store::Connection& store, const StoredTables& tables, const std::string& node,
                         uint64_t begin, uint64_t end,
                         const std::function<void(const StoredBlock&)>& on_block,
                         const std::function<bool(StoredRow&)>& each) {
  RowMerge merge(begin, end, each);
  if (!tables.blocks.empty()) {
    if (auto done = merge.read_blocks(store, tables.blocks, node, on_block); !done) return done;
  }
  bool is_wanted = true;
  auto streamed =
      store.stream("SELECT " + StoredRow::columns() + " FROM " + tables.rows +
                       " WHERE node = $1 AND chain_no BETWEEN $2::bigint AND $3::bigint ORDER BY chain_no",
                   {node, number(begin), number(end)}, [&](store::Rows& row) {
                     is_wanted = merge.take(row);
                     return is_wanted;
                   });
  if (!streamed) return streamed;
  if (is_wanted) (void)merge.pass_to(UINT64_MAX);
  return {};
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
