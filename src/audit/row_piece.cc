#include "audit/row_piece.h"

#include <functional>

#include "ringfence/crypto/secret.h"

namespace ringfence::audit {
void RowPiece::clear() {
  rows_.clear();
  facts_.clear();
  texts_.clear();
  kept_.clear();
  messages_.clear();
}

void RowPiece::add(const FieldSet& fields) {
  Row& row = rows_.emplace_back();
  row.message = messages_.size();
  const uint64_t own = fields.present & ~(facts_mask | bit_of(Tag::statement));
  char* const at = messages_.room(size_of(fields, own) + proof_bytes_max);
  char* const end = write_fields(at, fields, own);
  row.own_bytes = static_cast<size_t>(end - at);
  messages_.end_at(end + proof_bytes_max);

  char* const facts = scratch_.room(size_of(fields, facts_mask));
  const ByteView facts_view(facts, static_cast<size_t>(write_fields(facts, fields, facts_mask) - facts));
  const ByteView session = fields.get(Tag::session_id);
  // An identifier's last bytes are random.
  uint64_t hash = session.size() == 16 ? detail::load_be<uint64_t>(session.data() + 8) : 0;
  if (hash == 0) hash = std::hash<std::string_view>()(facts_view);
  row.facts = facts_.add(facts_view, hash, [this](ByteView bytes) { return kept_.keep(bytes); });

  if (!fields.has(Tag::statement)) return;
  const ByteView text = fields.get(Tag::statement);
  row.text = texts_.add(text, std::hash<std::string_view>()(text), [](ByteView bytes) { return bytes; });
}

void RowPiece::digest_shared(crypto::Sha256Many& sha) {
  shared_.clear();
  std::vector<size_t> ends;
  auto put = [&](ByteView salt, ByteView bytes) {
    char* at = shared_.room(salt_bytes + bytes.size());
    std::memcpy(at, salt.data(), salt_bytes);
    if (!bytes.empty()) std::memcpy(at + salt_bytes, bytes.data(), bytes.size());
    shared_.end_at(at + salt_bytes + bytes.size());
    ends.push_back(shared_.size());
  };
  for (size_t i = 0; i < facts_.size(); ++i) put(facts_salt(i), facts_[i].bytes);
  for (size_t i = 0; i < texts_.size(); ++i) put(text_salt(i), texts_[i].bytes);
  views_.clear();
  size_t from = 0;
  for (size_t end : ends) {
    views_.push_back(shared_.view().substr(from, end - from));
    from = end;
  }
  digests_.resize(views_.size());
  sha.digest(views_, digests_.data());
}

bool RowPiece::finish(const ChainPlace& first, crypto::Sha256Many& sha, std::vector<crypto::Digest>& leaves) {
  salts_.resize((rows_.size() + facts_.size() + texts_.size()) * salt_bytes);
  if (!crypto::random_fill(salts_.data(), salts_.size())) return false;
  digest_shared(sha);
  views_.clear();
  ChainPlace place = first;
  char* const messages = messages_.bytes();
  for (size_t i = 0; i < rows_.size(); ++i, ++place.chain_no) {
    const Row& row = rows_[i];
    ByteView text;
    if (row.text != no_text) text = crypto::view_of(digests_[facts_.size() + row.text]);
    char* const begin = messages + row.message;
    const char* end = write_proof(begin + row.own_bytes, place, row_salt(i),
                                  crypto::view_of(digests_[row.facts]), text.empty() ? nullptr : &text);
    views_.emplace_back(begin, static_cast<size_t>(end - begin));
  }
  leaves.resize(views_.size());
  sha.digest(views_, leaves.data());
  return true;
}

}  // namespace ringfence::audit
