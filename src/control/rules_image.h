// Policies and grants of the store as this node has last seen them, and what holds of them at a time.
//
// They may take access away. So one that is in doubt (its record was edited, or is gone) is not as if it were
// not there: it closes what it was about, and where that is not known, everything.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "ringfence/control/in_force.h"
#include "ringfence/model/json.h"
#include "ringfence/model/noun.h"

namespace ringfence::control {

class RulesImage {
 public:
  // Whether records of the noun are kept here.
  static bool keeps(const model::Noun& noun) { return keeps(noun.name); }
  static bool keeps(std::string_view noun) { return noun == "policy" || noun == "grant"; }

  void put(const model::Noun& noun, const std::string& id, const model::Json& record);
  // An appliance has deleted it.
  void remove(const model::Noun& noun, const std::string& id);
  // There was one, and what the store has of it is not as an appliance wrote it.
  void doubt(const model::Noun& noun, const std::string& id);
  // Nothing is known any more. `was_there`: there were policies or grants.
  void clear(bool was_there);

  // `in`: what holds now, of which this changes its part.
  void renew(InForce& in, uint64_t now_us);
  // The next time at which a grant begins or ends; 0: none does.
  uint64_t next_change_us() const { return changes_.empty() ? 0 : changes_.begin()->first; }

 private:
  struct Kept {
    model::Grant grant;
    bool is_enabled = false;
    uint64_t change_us = 0;  // 0: none.
  };
  void touch(std::string_view noun, const std::string& id);
  void renew_policies(InForce& in);
  void renew_grant(InForce& in, const std::string& id, uint64_t now_us);
  void plan(const std::string& id, Kept& kept, uint64_t now_us);

  std::map<std::string, model::Json> policies_;  // By id.
  std::map<std::string, Kept> grants_;           // By id.
  std::set<std::string> doubtful_policies_;      // Of those.
  std::set<std::string> unknown_;  // "<noun> <id>" of which nothing is known but that it was there.
  bool was_lost_ = false;
  std::set<std::pair<uint64_t, std::string>> changes_;  // When which grant begins or ends.
  // What has changed since renew() was asked.
  bool policies_changed_ = false;
  std::set<std::string> touched_;  // Ids of grants.
};

}  // namespace ringfence::control
