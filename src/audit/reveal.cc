#include "ringfence/audit/reveal.h"

namespace ringfence::audit {
namespace {

// The outcome's box is bound to the start's place, which is the row's own where both are in one row. Blocks
// are found by the identifiers between which theirs lie.
constexpr const char* rows_sql =
    "WITH wanted AS (SELECT $1::uuid AS id UNION SELECT parent_id FROM ringfence.audit_row WHERE id = $1 AND "
    "parent_id IS NOT NULL), found AS ("
    "SELECT node, shard, seq, id, sealed, outcome_sealed, parent_id, chain_no FROM ringfence.audit_row "
    "WHERE id IN (SELECT id FROM wanted) OR parent_id = $1 UNION ALL "
    "SELECT node, shard, seq, id, sealed, outcome_sealed, parent_id, chain_no FROM ringfence.audit_block_row "
    "WHERE id IN (SELECT id FROM wanted) AND block_no IN (SELECT b.first_chain_no FROM ringfence.audit_block "
    "b, "
    "wanted w WHERE b.first_id <= w.id AND b.last_id >= w.id)) "
    "SELECT e.node, e.shard, e.seq, e.id, e.sealed, e.outcome_sealed, e.parent_id, p.shard, p.seq"
    " FROM found e LEFT JOIN found p ON p.id = e.parent_id AND p.node = e.node"
    " WHERE e.id = $1 OR (e.parent_id = $1 AND e.outcome_sealed IS NOT NULL) ORDER BY e.chain_no";

template <typename T>
T number_at(const store::Rows& rows, int row, int column) {
  const ByteView value = rows.get(row, column);
  if (value.size() == 8) return static_cast<T>(detail::load_be<uint64_t>(value.data()));
  if (value.size() == 4) return static_cast<T>(detail::load_be<uint32_t>(value.data()));
  if (value.size() == 2) return static_cast<T>(detail::load_be<uint16_t>(value.data()));
  return 0;
}

void append(std::vector<OpenedText>& out, std::vector<OpenedText> more) {
  for (OpenedText& one : more) out.push_back(std::move(one));
}

}  // namespace

Result<std::vector<OpenedText>> reveal(store::Connection& store, const DataKeys& keys, const Uuid& event) {
  auto rows = store.exec_params(rows_sql, {to_string(event)}, true);
  if (!rows) return unexpected(std::move(rows).error());
  std::vector<OpenedText> out;
  for (int row = 0; row < rows->size(); ++row) {
    const std::string node = rows->text(row, 0);
    if (!rows->is_null(row, 4)) {
      Uuid id;
      const ByteView bytes = rows->get(row, 3);
      std::copy_n(bytes.begin(), std::min(bytes.size(), id.bytes.size()), id.bytes.begin());
      auto texts = open_sealed(keys, event_context(node, id), rows->get(row, 4));
      if (!texts) return unexpected(std::move(texts).error());
      append(out, std::move(*texts));
    }
    if (rows->is_null(row, 5)) continue;
    const bool is_late = !rows->is_null(row, 6);
    if (is_late && rows->is_null(row, 8)) {
      return fail(Fault::not_found,
                  "the start of the statement is not in the store, and its outcome's text is bound to that");
    }
    const int place = is_late ? 7 : 1;
    auto texts = open_sealed(keys,
                             outcome_context(node, number_at<uint32_t>(*rows, row, place),
                                             number_at<uint64_t>(*rows, row, place + 1)),
                             rows->get(row, 5));
    if (!texts) return unexpected(std::move(texts).error());
    append(out, std::move(*texts));
  }
  if (rows->size() == 0)
    return fail(Fault::not_found, "there is no event " + to_string(event) + " in the store");
  if (out.empty())
    return fail(Fault::not_found,
                "nothing is sealed in the event " + to_string(event) + ": it is recorded as it was");
  return out;
}

Result<bool> has_event(store::Connection& store, const Uuid& event, std::string_view action) {
  auto rows = store.exec_params(
      "SELECT 1 FROM ringfence.audit_row WHERE id = $1::uuid AND action = $2 UNION ALL "
      "SELECT 1 FROM ringfence.audit_block_row WHERE id = $1::uuid AND action = $2 AND block_no IN (SELECT "
      "first_chain_no FROM ringfence.audit_block WHERE first_id <= $1::uuid AND last_id >= $1::uuid)",
      {to_string(event), action});
  if (!rows) return unexpected(std::move(rows).error());
  return rows->size() > 0;
}

}  // namespace ringfence::audit
