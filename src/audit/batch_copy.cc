#include "audit/batch_copy.h"

#include "audit/block_encoder.h"
#include "audit/copy_form.h"

namespace ringfence::audit {
namespace {

constexpr size_t copy_piece = 64 * 1024;

const std::string& block_sql() {
  static const std::string sql = BlockEncoder::copy_sql();
  return sql;
}

}  // namespace

Result<void> BatchCopy::put(store::Connection& connection, ByteView bytes, uint64_t& sent) {
  sent += bytes.size();
  for (size_t at = 0; at < bytes.size(); at += copy_piece) {
    if (auto done = connection.put_copy(bytes.substr(at, copy_piece)); !done) return done;
  }
  return {};
}

Result<void> BatchCopy::begin(const std::string& sql) {
  if (auto begun = connection_.begin_copy(sql); !begun) return begun;
  current_ = sql;
  return put(copy_header);
}

// Where the store has refused what came before, the reason comes with the end of the COPY.
Result<void> BatchCopy::put(ByteView bytes) {
  auto done = put(connection_, bytes, sent_);
  if (done || !connection_.is_open()) return done;
  auto ended = connection_.end_copy();
  return ended ? std::move(done) : unexpected(std::move(ended.error()));
}

Result<void> BatchCopy::end_current() {
  if (current_.empty()) return {};
  current_.clear();
  (void)put(connection_, copy_trailer, sent_);
  auto ended = connection_.end_copy();
  if (!ended) return unexpected(std::move(ended.error()));
  return {};
}

Result<void> BatchCopy::put_rows(const std::string& sql, ByteView bytes, size_t index) {
  if (current_ == block_sql()) {
    if (held_.empty()) held_sql_ = sql;
    if (held_sql_ == sql) {
      held_.append(bytes);
      return {};
    }
    // With other columns: those that were held go first.
    if (auto done = end(); !done) return done;
  }
  if (current_ != sql) {
    if (auto done = end_current(); !done) return done;
    first_row_ = index;
    if (auto done = begin(sql); !done) return done;
  }
  return put(bytes);
}

Result<void> BatchCopy::put_block(ByteView bytes) {
  has_blocks_ = true;
  if (current_ != block_sql()) {
    if (auto done = end_current(); !done) return done;
    first_row_.reset();
    if (auto done = begin(block_sql()); !done) return done;
  }
  return put(bytes);
}

Result<void> BatchCopy::end() {
  if (auto done = end_current(); !done) return done;
  if (held_.empty()) return {};
  first_row_.reset();
  const std::string rows = std::move(held_);
  held_.clear();
  if (auto done = begin(held_sql_); !done) return done;
  if (auto done = put(rows); !done) return done;
  return end_current();
}

}  // namespace ringfence::audit
