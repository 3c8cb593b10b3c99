#include "audit/row_piece.h"

#include <functional>

#include "ringfence/crypto/secret.h"

namespace ringfence::audit {
namespace {

// Where a field goes that stands in front of a row's fields.
enum class Part : uint8_t { own, facts, text };

Part part_of(uint16_t tag) {
  const uint64_t bit = uint64_t{1} << tag;
  if ((facts_mask & bit) != 0) return Part::facts;
  return tag == static_cast<uint16_t>(Tag::statement) ? Part::text : Part::own;
}

}  // namespace

void RowPiece::clear() {
  rows_.clear();
  facts_.clear();
  texts_.clear();
  kept_.clear();
  messages_.clear();
}

void RowPiece::add(ByteView fields) {
  Row& row = rows_.emplace_back();
  row.fields = fields;
  row.message = messages_.size();
  char* own = messages_.room(fields.size() + proof_bytes_max);
  const char* const begin = own;
  scratch_.clear();
  uint64_t hash = 0;
  ByteView text;
  bool has_text = false;
  const char* at = fields.data();
  const char* const end = at + fields.size();
  // Fields that go to one place are moved together.
  for (const char* run = at; at != end;) {
    const Part part = part_of(detail::load_be<uint16_t>(at));
    while (at != end && part_of(detail::load_be<uint16_t>(at)) == part) {
      const auto tag = static_cast<Tag>(detail::load_be<uint16_t>(at));
      const ByteView value(at + FieldWriter::header_bytes, detail::load_be<uint32_t>(at + 2));
      if (tag == Tag::session_id && value.size() == 16) hash = detail::load_be<uint64_t>(value.data() + 8);
      if (part == Part::text) text = value;
      at = value.data() + value.size();
    }
    const auto size = static_cast<size_t>(at - run);
    if (part == Part::facts) {
      scratch_.append(run, size);
    } else if (part == Part::own) {
      std::memcpy(own, run, size);
      own += size;
    } else {
      has_text = true;
    }
    run = at;
  }
  row.own_bytes = static_cast<size_t>(own - begin);
  messages_.end_at(own + proof_bytes_max);
  if (hash == 0) hash = std::hash<std::string_view>()(scratch_);
  row.facts = facts_.add(scratch_, hash, [this](ByteView bytes) { return kept_.keep(bytes); });
  if (has_text)
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
