#include "ringfence/auth/scopes.h"

#include <algorithm>
#include <array>

namespace ringfence::auth {
namespace {

constexpr std::string_view admin_scopes[] = {"*"};
// Sees everything and changes nothing. Secrets are never shown, to nobody.
constexpr std::string_view auditor_scopes[] = {
    "access-requests:read", "approvals:read", "audit:read",  "config:read",     "connections:read",
    "encryption:read",      "grants:read",    "groups:read", "keys:read",       "metrics:read",
    "permissions:read",     "policies:read",  "policy:read", "privileges:read", "queries:read",
    "request-rules:read",   "roles:read",     "self:*",      "sessions:read",   "stats:read",
    "target-groups:read",   "targets:read",   "users:read",
};
// Decides about what others ask for; who asks is in the request.
constexpr std::string_view approver_scopes[] = {"access-requests:decide", "access-requests:read",
                                                "approvals:*", "self:*"};
// His own password, keys, sessions, requests and grants.
constexpr std::string_view user_scopes[] = {"self:*"};

constexpr BuiltInRole roles[] = {
    {"admin", "may do everything", admin_scopes},
    {"auditor", "sees everything, changes nothing", auditor_scopes},
    {"approver", "decides about statements and requests that wait", approver_scopes},
    {"user", "manages what is his own", user_scopes},
};

}  // namespace

Scopes::Scopes(std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) RINGFENCE_ASSERT(add(name));
}

Scopes::Scopes(const std::set<std::string, std::less<>>& names) {
  for (const std::string& name : names) RINGFENCE_ASSERT(add(name));
}

Result<Scopes> Scopes::parse(std::span<const std::string> names) {
  Scopes out;
  for (const std::string& name : names) {
    if (std::string wrong = check_scope(name); !wrong.empty())
      return fail(Fault::malformed, std::move(wrong));
    if (!out.add(name))
      return fail(Fault::limit, "are more than " + std::to_string(scopes_max) + "; use fewer");
  }
  return out;
}

bool Scopes::add(std::string_view scope) {
  if (!check_scope(scope).empty()) return false;
  if (has(scope)) return true;
  std::vector<std::string> kept;
  for (const std::string& name : names_)
    if (!covers(scope, name)) kept.push_back(name);
  if (kept.size() == scopes_max) return false;
  kept.insert(std::upper_bound(kept.begin(), kept.end(), scope), std::string(scope));
  names_ = std::move(kept);
  return true;
}

bool Scopes::has(std::string_view scope) const {
  return check_scope(scope).empty() &&
         std::any_of(names_.begin(), names_.end(),
                     [&](const std::string& name) { return covers(name, scope); });
}

bool Scopes::has_all(const Scopes& other) const {
  return std::all_of(other.names_.begin(), other.names_.end(),
                     [&](const std::string& name) { return has(name); });
}

Scopes both(const Scopes& a, const Scopes& b) {
  Scopes out;
  for (const std::string& name : a.names_)
    if (b.has(name)) out.add(name);
  for (const std::string& name : b.names_)
    if (a.has(name)) out.add(name);
  return out;
}

std::span<const BuiltInRole> built_in_roles() { return roles; }

const BuiltInRole* built_in_role(std::string_view name) {
  const auto* found = std::find_if(std::begin(roles), std::end(roles),
                                   [&](const BuiltInRole& role) { return role.name == name; });
  return found == std::end(roles) ? nullptr : found;
}

Scopes scopes_of_roles(std::span<const std::string> names) {
  Scopes out;
  for (const std::string& name : names) {
    const BuiltInRole* role = built_in_role(name);
    if (role == nullptr) continue;
    for (std::string_view scope : role->scopes) RINGFENCE_ASSERT(out.add(scope));
  }
  return out;
}

}  // namespace ringfence::auth
