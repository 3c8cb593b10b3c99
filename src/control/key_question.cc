#include "key_question.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ringfence/audit/data_keys.h"
#include "ringfence/base/clock.h"
#include "ringfence/control/events.h"
#include "ringfence/model/timestamp.h"

namespace ringfence::control {

using audit::Outcome;
using model::Json;
using Kind = Answer::Kind;

namespace {

// A node that was not heard of for so long does not count.
constexpr int node_there_s = 120;

// The members that a body may have; `expires_us` where it is given.
model::Defects check_new_key(const Json& given, uint64_t& expires_us) {
  model::Defects out;
  for (const auto& [member, value] : given.items()) {
    if (member == "expires_at") {
      if (value.is_null()) continue;
      auto at = value.is_string() ? model::parse_rfc3339(value.get_ref<const std::string&>())
                                  : fail(Fault::malformed, "");
      if (!at || *at <= wall_us())
        out.push_back({member, "is no time to come; write it as 2027-01-02T03:04:05Z"});
      else expires_us = *at;
    } else if (member == "algorithm") {
      if (value != key_algorithm) out.push_back({member, "must be AES-256-GCM, or left out"});
    } else if (member == "key_type") {
      if (value != key_type) out.push_back({member, "must be \"control\", or left out"});
    } else {
      out.push_back({member, "is no member here; expires_at, algorithm and key_type are"});
    }
  }
  return out;
}

std::string names_of(const std::vector<std::string>& nodes) {
  std::string out;
  for (const std::string& node : nodes) out += (out.empty() ? "\"" : ", \"") + node + "\"";
  return out;
}

}  // namespace

Answer KeyQuestion::answer(KeyAction action, const std::string& which, const Json& given) {
  const std::string id = which == "current" ? keeper_.ring()->current_id() : which;
  switch (action) {
    case KeyAction::status: return status();
    case KeyAction::list: return list();
    case KeyAction::show: return show(id);
    case KeyAction::generate: return generate(given);
    case KeyAction::rotate: return rotate(id, given);
    case KeyAction::destroy: return destroy(id);
    case KeyAction::enable: return enable(given);
    case KeyAction::column: break;
  }
  return column(given);
}

Answer KeyQuestion::store_away(const Error& error) const { return unavailable(error.message); }

Answer KeyQuestion::refuse(std::string_view action, const std::string& key_id, Answer answer) {
  trail_.tell({.action = action,
               .key_id = key_id,
               .target = "",
               .target_type = "control_store",
               .severity = audit::Severity::warning,
               .outcome = Outcome::denied,
               .message = answer.message},
              actor_);
  return answer;
}

// The contract's KeyResult.
Json KeyQuestion::key_result(const std::string& id) const {
  const KeyRingPtr ring = keeper_.ring();
  const RingKey* key = ring->key(id);
  if (key == nullptr) return Json::object();
  return {{"success", true},
          {"key_id", id},
          {"key_version", key - ring->keys().data() + 1},
          {"algorithm", key_algorithm},
          {"state", name(key->state)},
          {"created_at", key->created_us == 0 ? Json() : Json(rfc3339(key->created_us))},
          {"expires_at", key->expires_us == 0 ? Json() : Json(rfc3339(key->expires_us))}};
}

// ---------------------------------------------------------------- generate

Answer KeyQuestion::generate(const Json& given) {
  uint64_t expires_us = 0;
  if (model::Defects wrong = check_new_key(given, expires_us); !wrong.empty())
    return invalid(std::move(wrong), "the key cannot be made like this");
  std::string id;
  if (auto refused = prepare_key(expires_us, id)) return *refused;
  Answer out;
  out.kind = Kind::created;
  out.body = key_result(id);
  return out;
}

std::optional<Answer> KeyQuestion::prepare_key(uint64_t expires_us, std::string& id) {
  constexpr std::string_view action = "key_generated";
  if (std::string why = keeper_.why_fixed(); !why.empty())
    return refuse(action, "", refusal(Kind::conflict, std::move(why)));
  if (!trail_.begin({.action = action, .key_id = "", .target = "", .target_type = "control_store"}, actor_))
    return unavailable("the trail takes no record of the key; it was not made");
  auto made = keeper_.change([&](KeyRing& ring) -> Result<void> {
    auto added = ring.add(wall_us(), expires_us);
    if (!added) return unexpected(std::move(added.error()));
    id = *added;
    return {};
  });
  if (made) {
    trail_.end(Outcome::success, "key " + id);
    return std::nullopt;
  }
  trail_.end(Outcome::failure, made.error().message);
  return refusal(Kind::conflict, made.error().message);
}

// ---------------------------------------------------------------- rotate

std::optional<Answer> KeyQuestion::check_rotation(const RingKey& from, const store::KeyRotation& latest) {
  const auto no = [](std::string why) { return refusal(Kind::conflict, std::move(why)); };
  if (std::string why = keeper_.why_fixed(); !why.empty()) return no(std::move(why));
  if (!problem_.empty()) return no(problem_);
  const bool is_old = from.state == KeyState::active || from.state == KeyState::retiring;
  if (!is_old)
    return no("the key is " + std::string(name(from.state)) + "; the active one is rotated, \"" +
              keeper_.ring()->current_id() + "\"");
  const bool is_open = latest.state == "running";
  if (is_open && latest.node != keys_.options_.node) {
    auto is_there = moves_.is_there(latest.node, node_there_s);
    if (!is_there) return store_away(is_there.error());
    if (*is_there) return no("node \"" + latest.node + "\" moves everything to " + latest.to_key + " now");
  }
  const std::lock_guard guard(keys_.lock_);
  if (keys_.rotation_ && !keys_.rotation_->has_ended())
    return no("a rotation is under way; see GET /api/v1/security/encryption/status");
  return std::nullopt;
}

Result<void> KeyQuestion::commit_rotation(store::KeyRotation& rotation, bool is_new) {
  store::ControlRecords records(connection_);
  auto begun = records.begin();
  if (!begun) return unexpected(std::move(begun.error()));
  const auto write = [&]() -> Result<void> {
    auto total = moves_.count_other(rotation.to_key);
    if (!total) return unexpected(std::move(total.error()));
    if (auto set = moves_.set_current_key(rotation.to_key); !set) return set;
    if (!is_new) return moves_.keep(rotation);
    rotation.total = *total;
    return moves_.begin(rotation);
  };
  if (auto written = write(); !written) {
    records.roll_back();
    return written;
  }
  return records.commit();
}

Answer KeyQuestion::rotate(const std::string& which, const Json& given) {
  constexpr std::string_view action = "key_rotation_started";
  uint64_t expires_us = 0;
  if (model::Defects wrong = check_new_key(given, expires_us); !wrong.empty())
    return invalid(std::move(wrong), "the key cannot be made like this");
  const KeyRingPtr ring = keeper_.ring();
  const RingKey* from = ring->key(which);
  if (from == nullptr) return refusal(Kind::not_found, "the key ring has no such key");
  auto latest = moves_.latest();
  if (!latest) return store_away(latest.error());
  if (auto refused = check_rotation(*from, *latest)) return refuse(action, which, std::move(*refused));
  // One that was given up goes on, to the same key.
  const bool is_new =
      latest->id.empty() || latest->state == "completed" || ring->find(latest->to_key) == nullptr;
  const RingKey* prepared = ring->prepared();
  std::string to = !is_new ? latest->to_key : prepared != nullptr ? prepared->id : "";
  auto without = moves_.nodes_without(to, node_there_s);
  if (!without) return store_away(without.error());
  std::erase(*without, keys_.options_.node);
  if (!without->empty())
    return refuse(action, which,
                  refusal(Kind::conflict,
                          "not every node of the store has the next key: " + names_of(*without) +
                              "; generate one (POST /api/v1/security/keys/generate), bring this node's key "
                              "ring to the others, and rotate a few seconds later"));
  if (to.empty()) {
    if (auto refused = prepare_key(expires_us, to)) return *refused;
  }
  store::KeyRotation rotation = is_new ? store::KeyRotation() : std::move(*latest);
  if (is_new) rotation.id = to_string(new_event_id(wall_us()));
  rotation.to_key = to;
  rotation.node = keys_.options_.node;
  rotation.started_by = actor_.text();
  rotation.state = "running";
  rotation.message.clear();
  if (!trail_.begin({.action = action,
                     .key_id = to,
                     .target = "",
                     .target_type = "control_store",
                     .progress = 0,
                     .message = "from key " + which},
                    actor_))
    return unavailable("the trail takes no record of the rotation; it was not begun");
  if (auto committed = commit_rotation(rotation, is_new); !committed) {
    const bool is_open = committed.error().fault == Fault::unavailable;
    trail_.end(is_open ? Outcome::unknown : Outcome::failure, committed.error().message);
    return store_away(committed.error());
  }
  keys_.begin(rotation);
  trail_.end(Outcome::success, "");
  Answer out;
  out.kind = Kind::accepted;
  out.body = key_result(to);
  out.body["rotation"] = rotation_json(rotation);
  return out;
}

// ---------------------------------------------------------------- destroy

Answer KeyQuestion::destroy(const std::string& which) {
  constexpr std::string_view action = "key_destroyed";
  const KeyRingPtr ring = keeper_.ring();
  const RingKey* key = ring->key(which);
  if (key == nullptr) return refusal(Kind::not_found, "the key ring has no such key");
  if (key->state == KeyState::destroyed) return refusal(Kind::conflict, "the key is destroyed already");
  const auto no = [&](std::string why) {
    return refuse(action, which, refusal(Kind::conflict, std::move(why)));
  };
  if (std::string why = keeper_.why_fixed(); !why.empty()) return no(std::move(why));
  auto uses = moves_.uses();
  if (!uses) return store_away(uses.error());
  const auto use =
      std::find_if(uses->begin(), uses->end(), [&](const store::KeyUse& one) { return one.key_id == which; });
  if (key->is_usable() && use != uses->end())
    return no("records of the store are by the key; rotate to another one first");
  if (audit::DataKeys::is_wrapped_by(keeper_.state_directory(), which))
    return no(
        "data keys of the trail are wrapped by the key; rotate to another one, or start the appliance anew");
  const KeyEvent event{.action = action,
                       .key_id = which,
                       .target = "",
                       .target_type = "control_store",
                       .severity = audit::Severity::warning};
  if (!trail_.begin(event, actor_))
    return unavailable("the trail takes no record of the key's end; it is still there");
  auto gone = keeper_.change([&](KeyRing& changed) { return changed.destroy(which, wall_us()); });
  if (!gone) {
    trail_.end(Outcome::failure, gone.error().message);
    return refusal(Kind::conflict, gone.error().message);
  }
  trail_.end(Outcome::success, "");
  return refusal(Kind::deleted, "");
}

}  // namespace ringfence::control
