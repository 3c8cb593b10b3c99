// What somebody may do in the API: sets of scopes (model/scope_form.h), and the roles that come built in.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/result.h"
#include "ringfence/model/scope_form.h"

namespace ringfence::auth {

using model::check_scope;
using model::covers;
using model::scope_bytes_max;
using model::scopes_max;

// Each user has it: what he may do on targets, policies say. An API key with scopes logs in to PostgreSQL
// where they cover it.
inline constexpr std::string_view connect_scope = "postgres:connect";

// A set. It keeps no scope that another one of it covers.
class Scopes {
 public:
  static Scopes all() { return Scopes({"*"}); }
  Scopes() = default;
  // For names that stand in code: each is valid, and they are at most scopes_max.
  Scopes(std::initializer_list<std::string_view> names);
  explicit Scopes(const std::set<std::string, std::less<>>& names);
  // Of names from outside. Fault::malformed: one that is none, with the cure; Fault::limit: too many.
  static Result<Scopes> parse(std::span<const std::string> names);

  // False, and nothing is added: it is no scope, or the set is full.
  bool add(std::string_view scope);
  // Whether a scope of the set covers this one. What is no scope is never covered.
  bool has(std::string_view scope) const;
  // Whether each scope of the other set is covered.
  bool has_all(const Scopes& other) const;
  bool empty() const { return names_.empty(); }
  // Sorted.
  const std::vector<std::string>& names() const { return names_; }
  bool operator==(const Scopes&) const = default;

  // What both allow: an API key may do no more than its user. More than scopes_max: the rest is left out.
  friend Scopes both(const Scopes& a, const Scopes& b);

 private:
  std::vector<std::string> names_;
};
Scopes both(const Scopes& a, const Scopes& b);

// A role that every appliance has and nobody changes.
struct BuiltInRole {
  std::string_view name;
  std::string_view description;  // One line, for people.
  std::span<const std::string_view> scopes;
};
std::span<const BuiltInRole> built_in_roles();
// Null: there is no such role.
const BuiltInRole* built_in_role(std::string_view name);
// The union of what these roles give. Names that are no built-in role give nothing.
Scopes scopes_of_roles(std::span<const std::string> roles);

}  // namespace ringfence::auth
