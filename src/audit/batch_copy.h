// The COPY commands that a batch's rows go through: blocks as they come, rows between them at the end, so
// that few commands suffice.
#pragma once

#include <optional>
#include <string>

#include "ringfence/store/connection.h"

namespace ringfence::audit {

class BatchCopy {
 public:
  // `sent` counts the bytes.
  BatchCopy(store::Connection& connection, uint64_t& sent) : connection_(connection), sent_(sent) {}

  // A piece of rows, of which the first is the batch's row number `index`.
  Result<void> put_rows(const std::string& sql, ByteView bytes, size_t index);
  Result<void> put_block(ByteView bytes);
  Result<void> end();

  // Of the COPY of rows that was under way last: the batch's row that is its first; none, it is not known.
  std::optional<size_t> first_row() const { return first_row_; }
  bool has_blocks() const { return has_blocks_; }

  // libpq copies what it is given into its own buffer: pieces keep that buffer small.
  static Result<void> put(store::Connection& connection, ByteView bytes, uint64_t& sent);

 private:
  Result<void> begin(const std::string& sql);
  Result<void> put(ByteView bytes);
  Result<void> end_current();

  store::Connection& connection_;
  uint64_t& sent_;
  std::string current_;  // The command under way; empty: none.
  std::string held_sql_;
  std::string held_;  // Rows that wait until the blocks are through.
  std::optional<size_t> first_row_;
  bool has_blocks_ = false;
};

}  // namespace ringfence::audit
