// Rows of audit_row in COPY's binary format: one by one, with the columns that have been seen so far.
#pragma once

#include <string>

#include "audit/row_buffer.h"
#include "ringfence/audit/chain.h"

namespace ringfence::audit {

class RowCopy {
 public:
  // Columns only become more: what one batch has the next one will have.
  uint64_t columns() const { return columns_; }
  void add_columns(uint64_t columns) { columns_ |= columns; }
  // "COPY ringfence.audit_row (…) FROM STDIN (FORMAT binary)" for the columns seen so far.
  std::string sql() const;

  // `canonical` is what write_canonical() gives for the row, in memory that can be read 16 bytes beyond any
  // of its values. The row has no column that was not added.
  void append(ByteView canonical, const ChainPlace& place, const crypto::Digest& leaf,
              const crypto::Digest& hash, const RowSalts& salts);
  ByteView rows() const { return rows_.view(); }
  void clear() { rows_.clear(); }

 private:
  uint64_t columns_ = 0;
  RowBuffer rows_;
};

}  // namespace ringfence::audit
