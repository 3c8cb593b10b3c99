#include "ringfence/audit/sealing.h"
#include "ringfence/base/hex.h"

#include <algorithm>

#include "ringfence/audit/json.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::audit {
namespace {

constexpr char sealed_version = 1;

std::string context_of(Tag column, ByteView node) {
  std::string out = "ringfence sealed 1";
  ringfence::Writer(out)
      .u16(static_cast<uint16_t>(column))
      .u16(static_cast<uint16_t>(node.size()))
      .bytes(node);
  return out;
}

std::string_view column_of(Tag tag) { return field_info(static_cast<uint16_t>(tag))->column; }

}  // namespace

ClearTexts::~ClearTexts() { crypto::secure_zero(fields_); }

void ClearTexts::add(Tag field, ByteView text, ByteView digested) {
  ringfence::Writer(fields_)
      .u16(static_cast<uint16_t>(field))
      .u32(static_cast<uint32_t>(text.size()))
      .bytes(text);
  crypto::Digest digest{};
  std::copy_n(digested.begin(), std::min(digested.size(), digest.size()), digest.begin());
  const auto place = std::find_if(digested_.begin(), digested_.end(),
                                  [&](const auto& one) { return column_of(one.first) > column_of(field); });
  digested_.insert(place, {field, digest});
}

std::string ClearTexts::names() const {
  std::vector<std::string_view> names;
  for (const auto& [tag, digest] : digested_) names.push_back(column_of(tag));
  std::string out;
  append_json_strings(out, names);
  return out;
}

TextSealer::TextSealer(DataKeys keys, std::string node)
    : keys_(std::move(keys)), digest_key_(keys_.digest_key()), node_(std::move(node)) {}

std::string TextSealer::digest(ByteView digested) const {
  return hex_of(crypto::view_of(crypto::hmac_sha256(crypto::view_of(digest_key_), digested)));
}

SealedTexts TextSealer::seal(const ClearTexts& texts, ByteView context) const {
  SealedTexts out;
  for (const auto& [tag, digested] : texts.digested_) {
    out.digests += out.digests.empty() ? '{' : ',';
    append_json_string(out.digests, column_of(tag));
    out.digests += ":\"" + digest(crypto::view_of(digested)) + '"';
  }
  if (out.digests.empty()) return out;
  out.digests += '}';
  const DataKey& key = keys_.newest();
  auto box = crypto::seal_box(key.key, context, texts.fields_);
  if (!box) return out;
  out.sealed.reserve(sealed_header_bytes + box->size());
  out.sealed.push_back(sealed_version);
  out.sealed.append(crypto::view_of(key.id)).append(*box);
  return out;
}

SealedTexts TextSealer::for_event(const ClearTexts& texts, const Uuid& event) const {
  return seal(texts, event_context(node_, event));
}

SealedTexts TextSealer::for_outcome(const ClearTexts& texts, uint32_t shard, uint64_t start_seq) const {
  return seal(texts, outcome_context(node_, shard, start_seq));
}

std::string event_context(ByteView node, const Uuid& event) {
  std::string out = context_of(Tag::sealed, node);
  out.append(reinterpret_cast<const char*>(event.bytes.data()), event.bytes.size());
  return out;
}

std::string outcome_context(ByteView node, uint32_t shard, uint64_t start_seq) {
  std::string out = context_of(Tag::outcome_sealed, node);
  ringfence::Writer(out).u32(shard).u64(start_seq);
  return out;
}

Result<std::vector<OpenedText>> open_sealed(const DataKeys& keys, ByteView context, ByteView sealed) {
  if (sealed.size() < sealed_header_bytes || sealed[0] != sealed_version) {
    return fail(Fault::malformed, "the value is no sealed text of a form that this version knows");
  }
  const ByteView id = sealed.substr(1, sealed_header_bytes - 1);
  const DataKey* key = keys.find(id);
  if (key == nullptr) {
    return fail(Fault::not_found,
                "it was sealed with the data key " + hex_of(id) + ", which is not in data.key");
  }
  auto fields = crypto::open_box(key->key, context, sealed.substr(sealed_header_bytes));
  if (!fields) {
    return fail(Fault::denied, "the sealed text is not what was sealed for this record with the data key " +
                                   hex_of(id) + ": it, its record or the key was changed");
  }
  std::vector<OpenedText> out;
  Reader in(*fields);
  while (in.remaining() > 0) {
    const FieldInfo* field = field_info(in.u16());
    const ByteView text = in.bytes(in.u32());
    if (!in.ok() || field == nullptr)
      return fail(Fault::malformed, "the sealed text holds a field that this version does not know");
    out.push_back({std::string(field->column), std::string(text)});
  }
  crypto::secure_zero(*fields);
  return out;
}

}  // namespace ringfence::audit
