// Rows on their way into the store: what a row is made of, and its encoding for COPY with its place in the chain.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "ringfence/audit/chain.h"
#include "ringfence/audit/writer.h"
#include "ringfence/crypto/digest.h"

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

struct PendingRow {
  ByteView first;
  ByteView second;
  uint64_t seq = 0;
  uint64_t outcome_seq = 0;  // Of `second`, when the row is joined.
  uint64_t start_seq = 0;
  uint32_t shard = 0;
  RowShape shape = RowShape::event;
  bool is_poisoned = false;  // The store refused its content: goes in as bytes.
};

// The fields of a start that its late outcome repeats, and those needed to end it (id, ts).
uint64_t session_fields_mask();

// Encodes a batch: the rows of audit_event and audit_link in COPY's binary format, chained.
class RowEncoder {
 public:
  explicit RowEncoder(std::string node) : node_(std::move(node)) {}

  struct Head {
    uint64_t chain_no = 0;
    uint64_t recorded_at = 0;
    crypto::Digest hash{};
  };

  // Encodes rows [begin, end), continuing from `head`, which moves to the last row. `now_us`: rows are recorded at
  // this time, or at the head's where that is later.
  void encode(const std::vector<PendingRow>& rows, size_t begin, size_t end, Head& head, uint64_t now_us,
              bool keep_canonical);

  const std::string& event_copy() const { return events_; }
  const std::string& link_copy() const { return links_; }
  // "COPY ringfence.audit_event (…) FROM STDIN (FORMAT binary)" for the columns that this batch has.
  std::string event_copy_sql() const;
  static std::string link_copy_sql();
  // Canonical fields of each row, when they were kept.
  const std::vector<CommittedRow>& canonical_rows() const { return canonical_rows_; }

 private:
  void compose(const PendingRow& row, FieldSet& fields);
  void compose_late(const PendingRow& row, FieldSet& fields);
  void compose_poisoned(FieldSet& fields, ByteView first, ByteView second, std::string_view why);
  void fix_values(FieldSet& fields);
  ByteView keep(std::string bytes);
  ByteView keep_integer(uint64_t value);
  void append_event_row(const FieldSet& fields, const ChainPlace& place, const crypto::Digest& leaf,
                        const crypto::Digest& hash);

  std::string node_;
  crypto::Sha256 sha_;
  uint64_t columns_ = 0;
  std::string events_;
  std::string links_;
  std::string canonical_;
  std::vector<size_t> canonical_ends_;
  std::vector<CommittedRow> canonical_rows_;
  std::deque<std::string> kept_;  // Values made here; per row.
  std::array<std::array<char, 8>, 8> integers_;
  size_t integers_used_ = 0;
};

}  // namespace ringfence::audit
