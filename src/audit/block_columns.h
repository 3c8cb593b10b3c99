// The columns of audit_block: their names, and the types of their elements.
#pragma once

#include <string>
#include <vector>

#include "audit/row_groups.h"

namespace ringfence::audit {

// In front of the arrays of the groups, in this order.
enum class BlockColumn : uint8_t {
  node,
  first_chain_no,
  row_count,
  recorded_at,
  version,
  retention_class,
  last_hash,
  first_ts,
  last_ts,
  first_id,
  last_id,
  keys,
  sessions,
  row_salts,
  s_salts,
  k_text_salts,
  r_text_salts,
  r_s,
  r_k,
  end,
};

// Tags of the arrays behind them: s_*, k_*, r_*, each ascending. The statement is in the last two.
struct BlockArray {
  char group;  // 's', 'k' or 'r'.
  Tag tag;
};
const std::vector<BlockArray>& block_arrays();
// All columns, as a list for COPY and SELECT.
const std::string& block_columns();

// SQL: how many elements all arrays of a block have together. A writer's have block_elements_max at most.
const std::string& block_elements();
inline constexpr uint64_t block_elements_max = 64 * block_rows_max;

// The object identifier of the type of an array's elements.
uint32_t block_element_type(Tag tag);
inline constexpr uint32_t type_smallint = 21;
inline constexpr uint32_t type_text = 25;
inline constexpr uint32_t type_uuid = 2950;
inline constexpr uint32_t type_jsonb = 3802;

}  // namespace ringfence::audit
