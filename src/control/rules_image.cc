#include "rules_image.h"

#include <nlohmann/json.hpp>

#include "ringfence/model/grant.h"
#include "ringfence/model/policy_record.h"

namespace ringfence::control {

using model::Json;

void RulesImage::put(const model::Noun& noun, const std::string& id, const Json& record) {
  unknown_.erase(model::record_key(noun, id));
  if (noun.name == "policy") {
    Json& kept = policies_[id];
    policies_changed_ = doubtful_policies_.erase(id) > 0 || kept != record || policies_changed_;
    kept = record;
    return;
  }
  const auto known = grants_.find(id);
  const bool is_same = known != grants_.end() && !known->second.grant.is_in_doubt &&
                       known->second.grant.version == record.at("version").get<int64_t>();
  if (is_same) return;
  remove(noun, id);
  grants_[id] = {model::grant_of(record), record.at("enabled").get<bool>(), 0};
  touched_.insert(id);
}

void RulesImage::remove(const model::Noun& noun, const std::string& id) {
  unknown_.erase(model::record_key(noun, id));
  if (noun.name == "policy") {
    doubtful_policies_.erase(id);
    policies_changed_ = policies_.erase(id) > 0 || policies_changed_;
    return;
  }
  const auto found = grants_.find(id);
  if (found == grants_.end()) return;
  changes_.erase({found->second.change_us, id});
  grants_.erase(found);
  touched_.insert(id);
}

void RulesImage::doubt(const model::Noun& noun, const std::string& id) {
  if (noun.name == "policy" && policies_.contains(id)) {
    policies_changed_ = doubtful_policies_.insert(id).second || policies_changed_;
    return;
  }
  if (const auto found = grants_.find(id); noun.name == "grant" && found != grants_.end()) {
    found->second.grant.is_in_doubt = true;
    touched_.insert(id);
    return;
  }
  unknown_.insert(model::record_key(noun, id));
}

void RulesImage::clear(bool was_there) {
  was_lost_ = was_there;
  policies_changed_ = true;
  policies_.clear();
  doubtful_policies_.clear();
  unknown_.clear();
  changes_.clear();
  for (const auto& [id, kept] : grants_) touched_.insert(id);
  grants_.clear();
}

void RulesImage::renew_policies(InForce& in) {
  auto out = std::make_shared<std::vector<policy::Policy>>();
  for (const auto& [id, record] : policies_) {
    if (!record.at("enabled").get<bool>()) continue;
    const std::string name = record.at("name").get<std::string>();
    out->push_back(doubtful_policies_.contains(id) ? model::closed_policy(&record, name)
                                                   : model::policy_of(record, model::PolicyPlaces::version));
  }
  in.policies = std::move(out);
}

void RulesImage::plan(const std::string& id, Kept& kept, uint64_t now_us) {
  changes_.erase({kept.change_us, id});
  kept.change_us = kept.is_enabled ? kept.grant.next_change_us(now_us) : 0;
  if (kept.change_us != 0) changes_.insert({kept.change_us, id});
}

void RulesImage::renew_grant(InForce& in, const std::string& id, uint64_t now_us) {
  const auto found = grants_.find(id);
  const model::Grant* known = in.grants.find(id);
  if (found != grants_.end()) plan(id, found->second, now_us);
  const bool holds =
      found != grants_.end() && found->second.is_enabled && found->second.grant.is_open(now_us);
  if (holds && known != nullptr && *known == found->second.grant) return;
  if (!holds && known == nullptr) return;
  in.changed_grants.push_back(known != nullptr ? *known : found->second.grant);
  if (holds) in.grants.set(id, found->second.grant);
  else in.grants.erase(id);
}

void RulesImage::renew(InForce& in, uint64_t now_us) {
  in.is_closed = was_lost_ || !unknown_.empty();
  if (policies_changed_) renew_policies(in);
  policies_changed_ = false;
  while (!changes_.empty() && changes_.begin()->first <= now_us) {
    const std::string id = changes_.begin()->second;
    changes_.erase(changes_.begin());
    grants_.at(id).change_us = 0;
    touched_.insert(id);
  }
  for (const std::string& id : touched_) renew_grant(in, id, now_us);
  touched_.clear();
}

}  // namespace ringfence::control
