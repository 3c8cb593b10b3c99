// Rows as one row of audit_block, in COPY's binary form.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "audit/array_column.h"
#include "audit/block_columns.h"
#include "audit/block_keys.h"
#include "audit/row_piece.h"

namespace ringfence::audit {

class BlockEncoder {
 public:
  // Appends the piece, whose leaves are made; `first` is its first row's place, `last_hash` the chain's hash
  // of its last row. Each row has an id and a time.
  void append(std::string& out, ByteView node, const RowPiece& piece, const ChainPlace& first,
              const crypto::Digest& last_hash);
  static std::string copy_sql() {
    return "COPY ringfence.audit_block (" + block_columns() + ") FROM STDIN (FORMAT binary)";
  }

 private:
  void clear();
  void take_row(const RowPiece& piece, size_t i);
  void take_field(size_t i, Tag tag, ByteView value);
  void take_shared(const RowPiece& piece);
  void put(ArrayColumn& column, size_t index, Tag tag, ByteView value);
  void append_head(std::string& out, ByteView node, const RowPiece& piece, const ChainPlace& first,
                   const crypto::Digest& last_hash);

  std::array<ArrayColumn, tag_end> shared_;  // s_* and k_*.
  std::array<ArrayColumn, tag_end> own_;     // r_*.
  ArrayColumn sessions_of_;                  // r_s.
  ArrayColumn kinds_of_;                     // r_k.
  ByteDictionary kinds_;
  std::vector<uint32_t> texts_;  // Of each kind: its text, where it has one.
  ByteArena kept_;
  std::string scratch_;
  std::string own_text_salts_;
  std::string kind_text_salts_;
  BlockKeys keys_;
  uint64_t first_ts_ = 0;  // As the store counts.
  uint64_t last_ts_ = 0;
  ByteView first_id_;
  ByteView last_id_;
};

}  // namespace ringfence::audit
