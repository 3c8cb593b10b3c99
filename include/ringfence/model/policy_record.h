// A policy as a record of the store has it, as the value that decisions use.
#pragma once

#include "ringfence/model/json.h"
#include "ringfence/policy/policy.h"

namespace ringfence::model {

// What `where` of its parts says.
enum class PolicyPlaces : uint8_t {
  fields,   // The member of the record: "deny[0].kinds[1]".
  version,  // What a reader of the trail looks it up by: "1 of analysts, version 3".
};

// Of a record whose fields have their kinds.
policy::Policy policy_of(const Json& record, PolicyPlaces places);

// In place of one whose record is in doubt: it closes what the record, as it was last known, was about.
// `record`: null, that is not known, so that it closes everything.
policy::Policy closed_policy(const Json* record, const std::string& name);

}  // namespace ringfence::model
