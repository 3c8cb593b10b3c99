// The authentic records of the store as this node has last seen them, and what holds by them.
//
// A record holds when it and all that it refers to are authentic and there. A change costs as much as what it
// changes. Of the follower's thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ringfence/control/in_force.h"
#include "ringfence/store/control_records.h"
#include "rules_image.h"
#include "target_facts.h"

namespace ringfence::control {

class Image {
 public:
  // `opener`: a target whose secret cannot be opened is there for nobody.
  explicit Image(SecretOpener opener) : opener_(std::move(opener)) {}

  // The record as it is now.
  void put(const store::ControlRecord& record);
  void remove(const model::Noun& noun, const std::string& id);
  // There was one, and what the store has of it is not as an appliance wrote it.
  void doubt(const model::Noun& noun, const std::string& id);
  // `had_rules`: there were policies or grants, whether this has them or not.
  void clear(bool had_rules);

  // What holds at that time; `before` is what this gave the last time.
  InForcePtr in_force(uint64_t now_us, const InForcePtr& before, int64_t revision);
  // The next time at which something expires; 0: nothing does.
  uint64_t next_expiry_us() const {
    const uint64_t rule = rules_.next_change_us();
    const uint64_t record = expiries_.empty() ? 0 : expiries_.begin()->first;
    return rule == 0 || record == 0 ? std::max(rule, record) : std::min(rule, record);
  }

 private:
  using Records = std::map<std::string, model::Json>;  // By id.
  using Place = std::pair<std::string, std::string>;   // Noun and id.

  const model::Json* find(std::string_view noun, const std::string& id) const;
  void touch(std::string_view noun, const std::string& id, const model::Json& record);
  // Users, keys and targets that depend on what has changed are looked at, too.
  void spread();
  void expire(uint64_t now_us);
  void renew_user(InForce& in, const std::string& id, uint64_t now_us);
  void renew_key(InForce& in, const std::string& id, uint64_t now_us);
  void renew_target(InForce& in, const std::string& id);
  // A role, its parents, theirs, and so on; false: one of them is not there, or they are too deep.
  bool add_role(const std::string& id, std::map<std::string, const model::Json*>& to, int depth) const;
  std::shared_ptr<UserFacts> user(const model::Json& record, uint64_t now_us) const;
  void add_login_keys(UserFacts& to, uint64_t now_us) const;
  std::shared_ptr<TargetFacts> target(const model::Json& record) const;
  std::shared_ptr<auth::ApiKeyFacts> key(const model::Json& record, uint64_t now_us) const;

  SecretOpener opener_;
  RulesImage rules_;
  std::map<std::string, Records, std::less<>> records_;  // By the noun's name.
  std::set<std::pair<uint64_t, Place>> expiries_;        // Of what has not expired yet.
  // Ids of what has changed since in_force() was asked.
  std::set<std::string> users_;
  std::set<std::string> keys_;
  std::set<std::string> targets_;
  bool all_users_ = false;    // A role or a group has changed.
  bool all_targets_ = false;  // A group of targets has changed.
  // What the others look at.
  std::map<std::string, std::string> names_;                   // Of users and targets in force, by id.
  std::map<std::string, std::string> prefixes_;                // Of keys, likewise.
  std::map<std::string, std::set<std::string>> keys_of_user_;  // Ids of keys, by the user's id.
};

}  // namespace ringfence::control
