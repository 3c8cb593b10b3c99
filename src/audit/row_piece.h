// Rows of a batch that are encoded together: what several of them share stands here once, with its salt, and
// each row gets its leaf.
#pragma once

#include <string>
#include <vector>

#include "audit/byte_dictionary.h"
#include "audit/row_buffer.h"
#include "ringfence/audit/chain.h"
#include "ringfence/crypto/digest_many.h"

namespace ringfence::audit {

class RowPiece {
 public:
  static constexpr uint32_t no_text = UINT32_MAX;
  struct Row {
    uint32_t facts = 0;
    uint32_t text = no_text;
    size_t message = 0;  // Where its leaf's message begins, and how long its own fields are.
    size_t own_bytes = 0;
  };

  void clear();
  // Of the fields' values the statement alone stays where it is while the piece is used.
  void add(const FieldSet& fields);
  // Leaves of the rows, of which the first has this place. False: the machine has no randomness to give.
  bool finish(const ChainPlace& first, crypto::Sha256Many& sha, std::vector<crypto::Digest>& leaves);

  size_t size() const { return rows_.size(); }
  const Row& row(size_t i) const { return rows_[i]; }
  // Canonical bytes of a row's fields, but for the session's facts and the statement.
  ByteView own_fields(size_t i) const {
    return messages_.view().substr(rows_[i].message, rows_[i].own_bytes);
  }
  const ByteDictionary& facts() const { return facts_; }  // Canonical bytes of sessions' facts.
  const ByteDictionary& texts() const { return texts_; }
  ByteView row_salts() const { return salts(0, rows_.size()); }
  ByteView facts_salts() const { return salts(rows_.size(), facts_.size()); }
  ByteView row_salt(size_t i) const { return salts(i, 1); }
  ByteView facts_salt(size_t number) const { return salts(rows_.size() + number, 1); }
  ByteView text_salt(size_t number) const { return salts(rows_.size() + facts_.size() + number, 1); }

 private:
  ByteView salts(size_t begin, size_t count) const {
    return ByteView(salts_).substr(begin * salt_bytes, count * salt_bytes);
  }
  void digest_shared(crypto::Sha256Many& sha);

  std::vector<Row> rows_;
  ByteDictionary facts_;
  ByteDictionary texts_;
  ByteArena kept_;
  RowBuffer scratch_;
  std::string salts_;   // Of the rows, of the facts, of the texts.
  RowBuffer messages_;  // Each row's own fields, with room for its proof.
  RowBuffer shared_;    // Salted facts and texts.
  std::vector<ByteView> views_;
  std::vector<crypto::Digest> digests_;  // Of the facts, of the texts.
};

}  // namespace ringfence::audit
