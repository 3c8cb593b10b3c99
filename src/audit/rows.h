// Rows on their way into the store: what a row is made of, and its encoding for COPY with its place in the
// chain.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "audit/block_encoder.h"
#include "audit/row_buffer.h"
#include "audit/row_copy.h"
#include "audit/row_piece.h"
#include "ringfence/audit/chain.h"
#include "ringfence/audit/writer.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/digest_many.h"

namespace ringfence::audit {

enum class RowShape : uint8_t {
  event,         // `first` as it is.
  joined,        // Start `first` with outcome `second`: one row.
  running,       // Start `first` alone; its outcome comes later.
  late_outcome,  // Outcome `second` of start `first`, whose row is written.
  orphan,        // Outcome `second`; its start is not known.
  died,          // Start `first` of a dead life, not written yet: one row, outcome unknown.
  died_late,     // The end of start `first`, whose row is written: outcome unknown.
};

// How much of a row goes into its columns. What is refused in one form is tried in the next.
enum class RowForm : uint8_t {
  whole,
  as_bytes,  // The record goes whole into statement_raw; what cannot be wrong by itself stays, and short
             // texts.
  bare,      // The same without any text of the record's: it was one of those.
};

struct PendingRow {
  ByteView first;
  ByteView second;
  uint64_t seq = 0;
  uint64_t outcome_seq = 0;  // Of `second`, when the row is joined.
  uint64_t start_seq = 0;
  uint32_t shard = 0;
  RowShape shape = RowShape::event;
  RowForm form = RowForm::whole;
};

// The fields of a start that its late outcome repeats, and those needed to end it (id, ts).
uint64_t session_fields_mask();

// Rows of a block, together, and each of them, in bytes of their records.
inline constexpr size_t block_bytes_max = 512 * 1024;
inline constexpr size_t block_row_bytes_max = 16 * 1024;

// Encodes a batch piece by piece: the rows of audit_block, audit_row and audit_link_run in COPY's binary
// format, chained. While one piece is with the store the next one is encoded.
class RowEncoder {
 public:
  // Rows of a piece: enough that digests are computed side by side, small enough to stay in the processor's
  // cache.
  static constexpr size_t piece_rows = 128;

  // `block_rows`: so many rows that follow each other are stored as a block; fewer, and with 0 all, as rows.
  explicit RowEncoder(std::string node, size_t block_rows = 0)
      : node_(std::move(node)), block_rows_(block_rows) {}

  struct Head {
    uint64_t chain_no = 0;
    uint64_t recorded_at = 0;
    crypto::Digest hash{};
  };

  struct Piece {
    size_t begin = 0;
    size_t end = 0;
    bool is_block = false;
  };
  enum class Encoded : uint8_t {
    done,
    has_more_columns,  // Than row_copy_sql() had: nothing was encoded; a COPY under way has to end, the next
                       // call for the same piece has a new command.
    no_randomness,     // The machine has none to give.
  };

  // A new batch behind `head`: its rows are recorded at `now_us`, or at the head's time where that is later.
  void begin(const Head& head, uint64_t now_us, bool keep_canonical, bool with_blocks);
  // The piece of rows [at, end) that comes next.
  Piece next_piece(const std::vector<PendingRow>& rows, size_t at, size_t end) const;
  // Encodes a piece, continuing the chain. Its rows are in row_copy() or block_copy(), its links are added to
  // link_copy().
  Encoded encode(const std::vector<PendingRow>& rows, const Piece& piece);

  // Behind the last row encoded.
  const Head& head() const { return head_; }
  // Without COPY's header and trailer.
  ByteView row_copy() const { return row_copy_.rows(); }
  ByteView block_copy() const { return block_; }
  // The batch's links, in runs; whole but for the trailer.
  const std::string& link_copy() const { return links_; }
  std::string row_copy_sql() const { return row_copy_.sql(); }
  static std::string link_copy_sql();
  // Canonical fields of each row of the batch, when they are kept.
  const std::vector<CommittedRow>& canonical_rows();

 private:
  void compose(const PendingRow& row, FieldSet& fields);
  void compose_late(const PendingRow& row, FieldSet& fields);
  void compose_poisoned(FieldSet& fields, RowForm form, ByteView first, ByteView second,
                        std::string_view why);
  void fix_values(FieldSet& fields);
  void join_redaction(ByteView redacted, ByteView second, FieldSet& fields);
  ByteView keep(std::string bytes);
  ByteView keep_integer(uint64_t value);
  uint64_t compose_piece(const std::vector<PendingRow>& rows, const Piece& piece);
  void append_piece(bool is_block, const ChainPlace& first, size_t first_row, size_t first_byte);
  void append_link(uint64_t chain_no, const crypto::Digest& leaf, const crypto::Digest& hash);

  std::string node_;
  Head head_;
  crypto::Sha256 sha_;
  crypto::Sha256Many leaf_sha_;
  const size_t block_rows_;
  bool with_blocks_ = false;
  RowPiece piece_;
  RowCopy row_copy_;
  BlockEncoder block_encoder_;
  std::string block_;
  std::string links_;
  size_t run_at_ = 0;  // Where in links_ the length of the last run stands; 0: there is none.
  RowBuffer canonical_;
  bool keep_canonical_ = false;
  std::vector<size_t> canonical_ends_;  // Of the piece; of the batch where they are kept.
  std::vector<crypto::Digest> leaves_;
  std::vector<CommittedRow> canonical_rows_;
  std::deque<std::string> kept_;  // Values made here; per row.
  std::array<std::array<char, 8>, 8> integers_;
  size_t integers_used_ = 0;
};

}  // namespace ringfence::audit
