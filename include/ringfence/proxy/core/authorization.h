// How the trail tells of authorization: who may what on which resource, by which policies.
//
// Events permission_check, permission_denied, policy_evaluated and access_denied have the resource in
// entity_type and entity_id, the reason in its own column, and the rest in `metadata`, which this makes.
#pragma once

#include <string>
#include <string_view>

#include "ringfence/audit/event.h"
#include "ringfence/policy/policy_set.h"

namespace ringfence::proxy {

struct Authorization {
  bool is_granted = false;
  std::string_view permission;  // "connect", a statement's kind, "set work_mem".
  std::string_view related_id;  // Of the event that it belongs to; empty: none.
};

// Canonical JSON: grant_id (where a grant decides), granted, level, permission, policies (at most 20),
// related_id, role_id, unrestricted.
std::string describe(const policy::Access& access, const Authorization& what);
// The same of a statement that was refused: allowed (false), level, permission, policies, position (0: left
// out).
std::string describe_blocked(const policy::Access& access, std::string_view permission, uint32_t position);

}  // namespace ringfence::proxy
