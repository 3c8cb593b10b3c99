#include "ringfence/control/authority.h"

#include <nlohmann/json.hpp>

#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::control {

namespace {

// What the code is made over. The kind and the noun stand in front, so that a code of one serves no other.
std::string text_of(std::string_view kind, const model::Noun& noun, const model::Json& body) {
  std::string out = "ringfence control " + std::string(kind) + " 1";
  out.push_back('\0');
  out.append(noun.name);
  out.push_back('\0');
  return out + model::canonical_json(body);
}
// Fields without a value are left out, so that a record keeps its code when the noun gets another field. A
// field has one form of no value: two records that differ have two texts. Of a list that may be null that is
// null alone.
std::string text_of(const store::ControlRecord& record) {
  model::Json given = model::Json::object();
  for (const auto& [name, value] : record.body.items()) {
    const model::Field* field = record.noun->find(name);
    const bool may_be_empty = field == nullptr || !field->is_nullable;
    const bool is_nothing = value.is_null() || (may_be_empty && value.is_structured() && value.empty());
    if (!is_nothing) given[name] = value;
  }
  return text_of("record", *record.noun, given);
}
std::string text_of(const store::Tombstone& stone) { return text_of("tombstone", *stone.noun, stone.body); }

// The ring's keys serve other purposes, too: each has a key of its own.
std::string mac_of(const model::Secret& key, const std::string& text) {
  crypto::Digest own = crypto::hmac_sha256(key.reveal(), "ringfence control mac");
  const crypto::Digest mac = crypto::hmac_sha256(crypto::view_of(own), text);
  crypto::secure_zero(own);
  return std::string(crypto::view_of(mac));
}

}  // namespace

void Authority::seal(store::ControlRecord& record, const KeyRing& ring, const std::string& key_id) {
  const model::Secret* key = ring.find(key_id);
  RINGFENCE_ASSERT(key != nullptr);
  record.key_id = key_id;
  record.mac = mac_of(*key, text_of(record));
}

void Authority::seal(store::Tombstone& stone, const KeyRing& ring, const std::string& key_id) {
  const model::Secret* key = ring.find(key_id);
  RINGFENCE_ASSERT(key != nullptr);
  stone.key_id = key_id;
  stone.mac = mac_of(*key, text_of(stone));
}

std::string Authority::code(const model::Secret& key, std::string_view kind, const std::string& text) {
  std::string whole = "ringfence control " + std::string(kind) + " 1";
  whole.push_back('\0');
  return mac_of(key, whole + text);
}

Authority::Verdict Authority::check(const std::string& text, const std::string& key_id,
                                    const std::string& mac) const {
  const KeyRingPtr ring = this->ring();
  const model::Secret* key = ring->find(key_id);
  if (key == nullptr) return Verdict::unknown_key;
  return crypto::constant_time_equal(mac_of(*key, text), mac) ? Verdict::authentic : Verdict::forged;
}

Authority::Verdict Authority::check(const store::ControlRecord& record) const {
  return check(text_of(record), record.key_id, record.mac);
}

Authority::Verdict Authority::check(const store::Tombstone& stone) const {
  return check(text_of(stone), stone.key_id, stone.mac);
}

}  // namespace ringfence::control
