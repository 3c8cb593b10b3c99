#include "change_rules.h"

#include <algorithm>
#include <iterator>

#include "ringfence/base/clock.h"
#include "ringfence/model/json_fields.h"
#include "ringfence/model/target_secrets.h"
#include "ringfence/net/tls.h"

namespace ringfence::control {

using model::Json;

namespace {

constexpr const char* administrator_role = "admin";
constexpr size_t role_depth_max = 32;
constexpr uint64_t own_key_day_us = uint64_t{24} * 3600 * 1'000'000;
// Of keys that users make for themselves. Who manages keys knows no such bounds.
constexpr uint64_t own_key_days_max = 366;
constexpr size_t own_keys_max = 50;

}  // namespace

Answer not_believed() {
  return refusal(Answer::Kind::conflict,
                 "the record in the store is not as an appliance wrote it; see the trail's events");
}

Answer store_failed(const Error& error, const store::Refusal& why) {
  using Kind = store::Refusal::Kind;
  switch (why.kind) {
    case Kind::taken: {
      return refusal(Answer::Kind::conflict, "another record has this " + why.field + " already",
                     {{why.field, "is taken; choose another one"}});
    }
    case Kind::referred:
      return refusal(Answer::Kind::conflict,
                     "a " + why.noun + " refers to this record; change or delete it first");
    case Kind::missing:
      return refusal(Answer::Kind::conflict,
                     "a record that this one refers to was deleted meanwhile; try again");
    case Kind::constraint:
      return refusal(Answer::Kind::conflict, "the store refuses the record: " + error.message);
    case Kind::none: break;
  }
  if (error.fault == Fault::not_found)
    return refusal(Answer::Kind::not_found, "the record was deleted meanwhile");
  return unavailable("the store does not take the change: " + error.message);
}

namespace {

// Of a user, or of a key.
bool is_in_use(const Json& record) {
  const uint64_t expires_us = model::time_in(record, "expires_at");
  return record.at("enabled").get<bool>() && (expires_us == 0 || expires_us > wall_us());
}

}  // namespace

// Of what cannot be believed nobody knows whether it is.
Result<bool> ChangeRules::is_actor_there() {
  const std::string id = to_string(actor_.user_id);
  auto user = believed("user", id);
  if (!user) return unexpected(std::move(user.error()));
  auto scopes = scopes_of_user(id);
  if (!scopes) return unexpected(std::move(scopes.error()));
  if (!is_in_use(user->body) || !scopes->has_all(actor_.scopes)) return false;
  if (actor_.key_id.is_nil()) return true;
  auto key = believed("key", to_string(actor_.key_id));
  if (!key) return unexpected(std::move(key.error()));
  return is_in_use(key->body) && key->body.at("user") == id;
}

std::optional<Answer> ChangeRules::check_actor() {
  if (actor_.user_id.is_nil()) return std::nullopt;
  auto is_there = is_actor_there();
  if (!is_there && is_there.error().fault == Fault::unavailable)
    return store_failed(is_there.error(), records_.refusal());
  if (is_there && *is_there) return std::nullopt;
  return refusal(Answer::Kind::forbidden, actor_has_less);
}

std::optional<Answer> ChangeRules::check(const model::Noun& noun, const Json* before, const Json* after) {
  if (after != nullptr && noun.check != nullptr) {
    if (model::Defects wrong = noun.check(*after); !wrong.empty()) return invalid(std::move(wrong));
  }
  if (noun.name == "user") return check_user(before, after);
  if (noun.name == "role") return check_role(before, after);
  if (noun.name == "key") return check_key(before, after);
  if (noun.name == "target") return check_target(before, after);
  if (noun.name == "grant") return check_grant(before, after);
  if (noun.name == "access_request") return check_request(after, after != nullptr ? *after : *before);
  if (noun.name == "request_rule") return check_request_rule(after);
  return std::nullopt;
}

std::optional<Answer> ChangeRules::needs(const Result<auth::Scopes>& scopes, const std::string& what) {
  if (!scopes) {
    if (scopes.error().fault == Fault::malformed) {
      return invalid({{"parents", scopes.error().message}}, scopes.error().message);
    }
    if (scopes.error().fault != Fault::conflict) return unavailable(scopes.error().message);
    if (actor_.scopes.has_all(auth::Scopes::all())) return std::nullopt;
    return refusal(Answer::Kind::conflict, scopes.error().message);
  }
  if (actor_.scopes.has_all(*scopes)) return std::nullopt;
  return refusal(Answer::Kind::forbidden,
                 what + " may do more than " + actor_.name + "; ask somebody who has those scopes");
}

Result<store::ControlRecord> ChangeRules::believed(const char* noun, const std::string& id) {
  auto uuid = parse_uuid(id);
  if (!uuid) return unexpected(std::move(uuid.error()));
  auto found = records_.by_id(*model::find_noun(noun), *uuid);
  if (!found) return unexpected(std::move(found.error()));
  if (*found && registry_.believes(**found)) return std::move(**found);
  return fail(Fault::conflict, "a " + std::string(noun) +
                                   " in the store is not as an appliance wrote it; see the trail's events");
}

Result<void> ChangeRules::add_scopes(const std::string& role, auth::Scopes& to,
                                     std::vector<std::string>& path) {
  if (std::find(path.begin(), path.end(), role) != path.end())
    return fail(Fault::malformed, "make the role its own parent; leave that one out");
  if (path.size() == role_depth_max)
    return fail(Fault::malformed, "are more than 32 roles deep; use fewer levels");
  auto found = believed("role", role);
  if (!found) return unexpected(std::move(found.error()));
  for (const Json& permission : found->body.at("permissions")) {
    if (!to.add(permission.get<std::string>())) to = auth::Scopes::all();  // More than a set holds.
  }
  path.push_back(role);
  for (const Json& parent : found->body.at("parents")) {
    if (auto added = add_scopes(parent.get<std::string>(), to, path); !added) return added;
  }
  path.pop_back();
  return {};
}

Result<auth::Scopes> ChangeRules::scopes_of(const Json& ids) {
  auth::Scopes out;
  for (const Json& role : ids) {
    std::vector<std::string> path;
    if (auto added = add_scopes(role.get<std::string>(), out, path); !added)
      return unexpected(std::move(added.error()));
  }
  return out;
}

Result<auth::Scopes> ChangeRules::scopes_of_user(const std::string& id) {
  auto found = believed("user", id);
  if (!found) return unexpected(std::move(found.error()));
  auto out = scopes_of(found->body.at("roles"));
  if (out) out->add(auth::connect_scope);
  return out;
}

Result<std::set<std::string>> ChangeRules::roles_of_user(const std::string& id) {
  auto user = believed("user", id);
  if (!user) return unexpected(std::move(user.error()));
  std::set<std::string> out;
  auto next = user->body.at("roles").get<std::vector<std::string>>();
  while (!next.empty()) {
    const std::string role = std::move(next.back());
    next.pop_back();
    if (!out.insert(role).second) continue;
    auto record = believed("role", role);
    if (!record) return unexpected(std::move(record.error()));
    for (const Json& parent : record->body.at("parents")) next.push_back(parent.get<std::string>());
  }
  return out;
}

std::optional<Answer> ChangeRules::check_user(const Json* before, const Json* after) {
  for (const Json* user : {before, after}) {
    if (user == nullptr) continue;
    auto refused = needs(scopes_of(user->at("roles")), "user " + user->at("name").get<std::string>());
    if (refused) return refused;
  }
  return std::nullopt;
}

std::optional<Answer> ChangeRules::check_after(const model::Noun& noun, const Json* before) {
  if (noun.name != "user" || before == nullptr || !before->at("enabled").get<bool>()) return std::nullopt;
  auto role = records_.by_name(*model::find_noun("role"), administrator_role);
  if (!role) return store_failed(role.error(), records_.refusal());
  if (!*role) return std::nullopt;
  const Json& roles = before->at("roles");
  if (std::find(roles.begin(), roles.end(), Json((*role)->id())) == roles.end()) return std::nullopt;
  store::ListQuery query;
  query.filters = {{"roles", administrator_role}, {"enabled", "true"}};
  query.limit = 1;
  auto left = records_.list(noun, query);
  if (!left) return store_failed(left.error(), records_.refusal());
  if (!left->empty()) return std::nullopt;
  return refusal(Answer::Kind::conflict,
                 "this is the last enabled user with the role admin; give the role to another one first");
}

std::optional<Answer> ChangeRules::check_role(const Json* before, const Json* after) {
  if (before != nullptr && before->at("built_in").get<bool>())
    return refusal(Answer::Kind::forbidden, "a built-in role neither changes nor goes; make one of your own");
  for (const Json* role : {before, after}) {
    if (role == nullptr) continue;
    auth::Scopes own;
    for (const Json& permission : role->at("permissions")) {
      if (!own.add(permission.get<std::string>())) own = auth::Scopes::all();
    }
    const std::string what = "role " + role->at("name").get<std::string>();
    if (auto refused = needs(own, what)) return refused;
    std::vector<std::string> path = {role->at("id").get<std::string>()};
    auth::Scopes inherited;
    for (const Json& parent : role->at("parents")) {
      auto added = add_scopes(parent.get<std::string>(), inherited, path);
      if (!added) return needs(unexpected(std::move(added.error())), what);
    }
    if (auto refused = needs(inherited, what)) return refused;
  }
  return std::nullopt;
}

// Who may change a target need not know its passwords, and would learn them from a server of his own.
std::optional<Answer> ChangeRules::check_target(const Json* before, const Json* after) {
  if (after == nullptr) return std::nullopt;
  const Json& ca = after->at("ca_certificate");
  if (ca.is_string() && (before == nullptr || before->at("ca_certificate") != ca)) {
    net::TlsClientOptions options;
    options.ca_pem = ca.get<std::string>();
    if (auto made = net::TlsContext::client(std::move(options)); !made)
      return invalid({{"ca_certificate", "cannot be used: " + made.error().message}});
  }
  if (before == nullptr) return std::nullopt;
  const bool is_same_place =
      std::all_of(std::begin(model::target_place_fields), std::end(model::target_place_fields),
                  [&](const char* field) { return before->at(field) == after->at(field); });
  if (is_same_place) return std::nullopt;
  model::Defects missing;
  for (const model::TargetSecret& secret : model::target_secrets()) {
    const Json& kept = after->at(secret.sealed);
    if (!kept.is_null() && kept == before->at(secret.sealed)) {
      missing.push_back(
          {secret.given,
           "is missing; give it again where hosts, port, sslmode, sslrootcert or ca_certificate "
           "change"});
    }
  }
  if (missing.empty()) return std::nullopt;
  return invalid(std::move(missing), "the password goes to another place then");
}

// Nobody gives himself access, unless he may do everything. Break-glass is the way to it, and he ends it
// himself.
std::optional<Answer> ChangeRules::check_grant(const Json* before, const Json* after) {
  if (before == nullptr && after->at("origin") == "break_glass") return std::nullopt;
  if (after == nullptr && !actor_.scopes.has("grants:write")) {
    const bool is_own_glass =
        before->at("origin") == "break_glass" && before->at("user") == to_string(actor_.user_id);
    if (!is_own_glass) return refusal(Answer::Kind::not_found, "there is no such grant");
  }
  // Who has broken the glass may end that himself. Another grant may narrow what policies give.
  const Json& grant = after != nullptr ? *after : *before;
  const bool is_glass = after == nullptr && grant.at("origin") == "break_glass";
  if (is_glass || actor_.user_id.is_nil() || actor_.scopes.has_all(auth::Scopes::all())) return std::nullopt;
  bool is_own = grant.at("user") == to_string(actor_.user_id);
  if (const Json& group = grant.at("group"); !group.is_null()) {
    auto own = believed("user", to_string(actor_.user_id));
    if (!own) return store_failed(own.error(), records_.refusal());
    const Json& groups = own->body.at("groups");
    is_own = std::find(groups.begin(), groups.end(), group) != groups.end();
  }
  if (!is_own) return std::nullopt;
  return refusal(
      Answer::Kind::forbidden,
      "nobody gives a grant to himself or to a group of his, and nobody takes such a one away; ask "
      "another administrator");
}

std::optional<Answer> ChangeRules::check_request(const Json* after, const Json& record) const {
  const bool is_own = !actor_.user_id.is_nil() && record.at("user") == to_string(actor_.user_id);
  if (after != nullptr || !is_own) return std::nullopt;
  return refusal(Answer::Kind::forbidden, "nobody deletes a request of his own; cancel it in place of that");
}

// By a rule for a role of his own he would approve what he asks for himself.
std::optional<Answer> ChangeRules::check_request_rule(const Json* after) {
  if (after == nullptr || actor_.user_id.is_nil() || actor_.scopes.has_all(auth::Scopes::all()))
    return std::nullopt;
  auto own = roles_of_user(to_string(actor_.user_id));
  if (!own) return store_failed(own.error(), records_.refusal());
  for (const Json& role : after->at("roles")) {
    if (own->contains(role.get<std::string>()))
      return refusal(Answer::Kind::forbidden,
                     "nobody makes a rule that approves what he asks for himself; ask another administrator");
  }
  return std::nullopt;
}

// Who does not manage the keys of others has some of his own, each with an end.
std::optional<Answer> ChangeRules::check_own_key(const Json* before, const Json* after) {
  if (actor_.scopes.has("keys:write")) return std::nullopt;
  const Json& key = after != nullptr ? *after : *before;
  if (actor_.user_id.is_nil() || key.at("user") != to_string(actor_.user_id))
    return refusal(Answer::Kind::forbidden,
                   "without the scope keys:write one manages one's own keys alone; leave out user");
  if (after == nullptr) return std::nullopt;
  const bool is_wider = before == nullptr || before->at("expires_at") != after->at("expires_at") ||
                        (after->at("enabled").get<bool>() && !before->at("enabled").get<bool>());
  if (!is_wider) return std::nullopt;
  const uint64_t expires_us = model::time_in(*after, "expires_at");
  const std::string cure = "give a time at most " + std::to_string(own_key_days_max) + " days ahead";
  if (expires_us == 0) return invalid({{"expires_at", "is missing; " + cure}});
  if (expires_us > wall_us() + own_key_days_max * own_key_day_us)
    return invalid({{"expires_at", "is too late; " + cure}});
  if (before != nullptr) return std::nullopt;
  model::Defects wider;
  for (size_t i = 0; i < after->at("scopes").size(); ++i) {
    if (!actor_.scopes.has(after->at("scopes")[i].get<std::string>()))
      wider.push_back({model::path_of("scopes", i), "is more than you may; leave it out"});
  }
  if (!wider.empty()) return invalid(std::move(wider));
  store::ListQuery query;
  query.filters = {{"user", to_string(actor_.user_id)}};
  query.limit = own_keys_max;
  auto found = records_.list(*model::find_noun("key"), query);
  if (!found) return store_failed(found.error(), records_.refusal());
  if (found->size() < own_keys_max) return std::nullopt;
  return refusal(Answer::Kind::conflict,
                 "a user has at most " + std::to_string(own_keys_max) + " keys of his own; delete one first");
}

bool ChangeRules::is_hidden(const model::Noun& noun, const Json& record, const Actor& actor) {
  if (noun.name != "key" && noun.name != "grant") return false;
  const std::string plural(noun.plural);
  if (actor.scopes.has(plural + ":write") || actor.scopes.has(plural + ":read")) return false;
  return actor.user_id.is_nil() || record.at("user") != to_string(actor.user_id);
}

std::optional<Answer> ChangeRules::check_key(const Json* before, const Json* after) {
  const Json& key = after != nullptr ? *after : *before;
  if (key.at("user").is_null()) {
    return invalid({{"user", "is missing; add the name of a user"}}, "whose key it is is not said");
  }
  if (auto refused = check_own_key(before, after)) return refused;
  const std::string user = key.at("user").get<std::string>();
  const bool is_own = user == to_string(actor_.user_id);
  // Who asks with a lesser key may end his others, and not bring them back.
  const bool takes_away = before != nullptr && (after == nullptr || !after->at("enabled").get<bool>());
  if (is_own && takes_away) return std::nullopt;
  auto scopes = scopes_of_user(user);
  // With somebody else's key one acts under his name: that takes all that he may.
  if (is_own && scopes && !key.at("scopes").empty()) {
    std::vector<std::string> names = key.at("scopes").get<std::vector<std::string>>();
    auto own = auth::Scopes::parse(names);
    if (!own) {
      return invalid({{"scopes", own.error().message}}, own.error().message);
    }
    scopes = both(*scopes, *own);
  }
  return needs(scopes, "this key");
}

}  // namespace ringfence::control
