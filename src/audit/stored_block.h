// A block as the store holds it: its rows, and what is wrong with how it stands there.
#pragma once

#include <array>
#include <deque>
#include <string>
#include <vector>

#include "audit/block_columns.h"
#include "ringfence/audit/chain.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

// Views into what it was read from.
class StoredBlock {
 public:
  // One that is told of by its number alone.
  static StoredBlock too_large(uint64_t first_chain_no);
  // Reads row `row` of an answer whose columns are block_columns(), in binary form.
  void read(const store::Rows& rows, int row, crypto::Sha256& sha);

  uint64_t first_chain_no() const { return place_.chain_no; }
  // As many as the longest array has: what a reader is shown.
  size_t size() const { return size_; }
  ByteView node() const { return node_; }
  ByteView last_hash() const { return last_hash_; }
  // What no writer stores; empty: nothing. The rows' own content is for the chain to prove.
  const std::string& defect() const { return defect_; }

  ChainPlace place_of(size_t i) const {
    ChainPlace place = place_;
    place.chain_no += i;
    return place;
  }
  // A row's fields. False: it refers to what is not there.
  bool fields_of(size_t i, FieldSet& out) const;
  // Of a row with these fields.
  RowProof proof_of(size_t i, const FieldSet& fields) const;
  RowSalts salts_of(size_t i) const;

 private:
  using Elements = std::vector<ByteView>;  // data() is null where the element is.
  struct Group {
    std::array<Elements, tag_end> of;
    size_t size = 0;
  };

  void complain(const char* what) {
    if (defect_.empty()) defect_ = what;
  }
  bool read_array(const store::Rows& rows, int row, int column, Elements& out);
  void read_place(const store::Rows& rows, int row);
  void read_groups(const store::Rows& rows, int row);
  void convert_times();
  void convert_json(Elements& elements);
  void read_salts(const store::Rows& rows, int row, crypto::Sha256& sha);
  void check_references();
  void check_outcomes();
  void check_summary(const store::Rows& rows, int row);
  static void take(const Group& group, size_t index, FieldSet& out);
  size_t session_at(size_t i) const { return number_at(sessions_of_, i); }
  size_t kind_at(size_t i) const { return number_at(kinds_of_, i); }
  // From 0; SIZE_MAX: none.
  static size_t number_at(const Elements& numbers, size_t i);
  static ByteView at(const Elements& elements, size_t i) {
    return i < elements.size() ? elements[i] : ByteView();
  }

  ByteView node_;
  ChainPlace place_;
  uint64_t row_count_ = 0;
  ByteView last_hash_;
  size_t size_ = 0;
  std::string defect_;
  Elements sessions_of_;
  Elements kinds_of_;
  Group sessions_;
  Group kinds_;
  Group own_;
  std::vector<std::array<char, 8>> times_;
  std::deque<std::string> json_;  // Canonical.
  ByteView row_salts_;
  ByteView facts_salts_;
  Elements text_salts_of_kinds_;
  Elements text_salts_;  // Of rows with a text of their own.
  std::vector<crypto::Digest> facts_digests_;
  std::vector<crypto::Digest> kind_text_digests_;
  mutable crypto::Sha256 sha_;
};

}  // namespace ringfence::audit
