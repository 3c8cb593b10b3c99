// What each store has from the first start on: the built-in roles, and an administrator.
#include <algorithm>

#include "change.h"
#include "ringfence/control/registry.h"

namespace ringfence::control {

using model::Json;

namespace {

// Of the built-in roles, in their order; between them there is room for others.
constexpr int64_t first_priority = 1'100;
constexpr int64_t priority_step = 100;

tl::unexpected<Error> failure_of(const Answer& answer) {
  const std::string what =
      answer.defects.empty() ? answer.message : answer.defects[0].path + " " + answer.defects[0].message;
  return fail(answer.kind == Answer::Kind::unavailable ? Fault::unavailable : Fault::conflict, what);
}

// Whether the role may all that this appliance gives it. A newer appliance may have given it more.
bool is_up_to_date(const Json& role, const auth::BuiltInRole& wanted) {
  auth::Scopes has;
  for (const Json& permission : role.at("permissions"))
    if (!has.add(permission.get<std::string>())) return false;
  return std::all_of(wanted.scopes.begin(), wanted.scopes.end(),
                     [&](std::string_view scope) { return has.has(scope); });
}

}  // namespace

Result<void> Registry::make_built_in_roles(const Actor& appliance) {
  const model::Noun& role = *model::find_noun("role");
  int64_t priority = first_priority;
  for (const auth::BuiltInRole& one : auth::built_in_roles()) {
    auto known = records_.by_name(role, one.name);
    if (!known) return unexpected(std::move(known.error()));
    priority -= priority_step;
    const Json fields = {{"description", one.description},
                         {"permissions", std::vector<std::string>(one.scopes.begin(), one.scopes.end())}};
    if (*known) {
      // One that is in doubt stays so, and a role of somebody else's is his.
      const Json& body = (*known)->body;
      if (!believes(**known) || !body.at("built_in").get<bool>() || is_up_to_date(body, one)) continue;
      const Answer renewed = Change(*this, role, appliance).renew_built_in((*known)->id(), fields);
      if (renewed.kind != Answer::Kind::ok && renewed.kind != Answer::Kind::conflict)
        return failure_of(renewed);
      continue;
    }
    Json made_of = fields;
    made_of["name"] = one.name;
    made_of["priority"] = priority;
    const Answer made = Change(*this, role, appliance).create_built_in(made_of);
    // Conflict: another node was faster.
    if (made.kind != Answer::Kind::created && made.kind != Answer::Kind::conflict) return failure_of(made);
  }
  return {};
}

Result<Registry::First> Registry::make_first(const std::function<Result<model::Secret>()>& password) {
  const model::Noun& user = *model::find_noun("user");
  const Actor appliance{"ringfence", "first start", "", {}, auth::Scopes::all()};
  if (auto made = make_built_in_roles(appliance); !made) return unexpected(std::move(made.error()));
  store::ListQuery any;
  any.limit = 1;
  auto users = records_.list(user, any);
  if (!users) return unexpected(std::move(users.error()));
  if (!users->empty()) return First{};
  auto chosen = password();
  if (!chosen) return unexpected(std::move(chosen.error()));
  const Answer made = create(user,
                             {{"name", "admin"},
                              {"display_name", "Administrator"},
                              {"roles", {"admin"}},
                              {"password", std::string(chosen->reveal())},
                              {"must_change_password", true}},
                             appliance, "");
  // Another node was faster.
  if (made.kind == Answer::Kind::conflict) return First{};
  if (made.kind != Answer::Kind::created) return failure_of(made);
  return First{true, "admin"};
}

}  // namespace ringfence::control
