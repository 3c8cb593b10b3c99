// What is told of keys.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "key_question.h"
#include "ringfence/base/clock.h"

namespace ringfence::control {

using model::Json;

namespace {

Json time_or_nothing(uint64_t at_us) { return at_us == 0 ? Json() : Json(rfc3339(at_us)); }
Json text_or_nothing(const std::string& text) { return text.empty() ? Json() : Json(text); }

int progress_of(const store::KeyRotation& rotation) {
  constexpr int64_t all = 100;
  if (rotation.state == "completed") return all;
  if (rotation.total <= 0) return 0;
  return static_cast<int>(std::min(all - 1, (rotation.moved + rotation.left_out) * all / rotation.total));
}

}  // namespace

Json rotation_json(const store::KeyRotation& rotation) {
  if (rotation.id.empty()) return {};
  return {{"id", rotation.id},
          {"to_key", rotation.to_key},
          {"node", rotation.node},
          {"state", rotation.state},
          {"rotation_progress", progress_of(rotation)},
          {"total", rotation.total},
          {"moved", rotation.moved},
          {"left_out", rotation.left_out},
          {"started_by", rotation.started_by},
          {"started_at", text_or_nothing(rotation.started_at)},
          {"ended_at", text_or_nothing(rotation.ended_at)},
          {"message", text_or_nothing(rotation.message)}};
}

Json KeyQuestion::shown(const RingKey& key, const std::vector<store::KeyUse>& uses) const {
  const auto use =
      std::find_if(uses.begin(), uses.end(), [&](const store::KeyUse& one) { return one.key_id == key.id; });
  const store::KeyUse none;
  const store::KeyUse& of_key = use == uses.end() ? none : *use;
  const bool is_expired = key.expires_us != 0 && key.expires_us <= wall_us();
  return {{"key_id", key.id},
          {"key_type", key_type},
          {"algorithm", key_algorithm},
          {"state", name(key.state)},
          {"is_expired", is_expired},
          {"created_at", time_or_nothing(key.created_us)},
          {"since", time_or_nothing(key.since_us)},
          {"expires_at", time_or_nothing(key.expires_us)},
          {"records", of_key.records},
          {"tombstones", of_key.tombstones},
          {"credentials", of_key.credentials}};
}

Answer KeyQuestion::list() {
  auto uses = moves_.uses();
  if (!uses) return store_away(uses.error());
  const KeyRingPtr ring = keeper_.ring();
  Answer out;
  out.body = {{"keys", Json::array()}, {"current_key_id", ring->current_id()}};
  for (const RingKey& key : ring->keys()) {
    Json one = shown(key, *uses);
    one["key_version"] = out.body["keys"].size() + 1;
    out.body["keys"].push_back(std::move(one));
  }
  return out;
}

Answer KeyQuestion::show(const std::string& which) {
  Answer all = list();
  if (all.kind != Answer::Kind::ok) return all;
  for (const Json& key : all.body["keys"]) {
    if (key["key_id"] != which) continue;
    Answer out;
    out.body = key;
    return out;
  }
  return refusal(Answer::Kind::not_found, "the key ring has no such key");
}

Answer KeyQuestion::status() {
  auto uses = moves_.uses();
  if (!uses) return store_away(uses.error());
  auto latest = moves_.latest();
  if (!latest) return store_away(latest.error());
  const KeyRingPtr ring = keeper_.ring();
  int64_t records = 0, credentials = 0, stray = 0;
  for (const store::KeyUse& use : *uses) {
    records += use.records + use.tombstones;
    credentials += use.credentials;
    if (ring->find(use.key_id) == nullptr) stray += use.records + use.tombstones;
  }
  const std::string why = keeper_.why_fixed();
  Answer out;
  out.body = {{"encryption_enabled", true},
              {"algorithm", key_algorithm},
              {"current_key_id", ring->current_id()},
              {"key_source",
               {{"kind", keeper_.kind()},
                {"place", keeper_.place()},
                {"is_writable", why.empty()},
                {"reason", text_or_nothing(why)}}},
              {"keys", ring->keys().size()},
              {"records", records},
              {"credentials", credentials},
              {"records_of_unknown_keys", stray},
              {"rotation", rotation_json(*latest)},
              {"problem", text_or_nothing(problem_)},
              {"sealed", {"credentials", "redacted_texts"}}};
  return out;
}

}  // namespace ringfence::control
