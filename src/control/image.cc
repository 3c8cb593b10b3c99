#include "image.h"

#include <algorithm>
#include <tuple>

#include "ringfence/base/hex.h"
#include "ringfence/model/json_fields.h"

namespace ringfence::control {

using model::Json;
using model::text_in;
using model::time_in;

namespace {

constexpr int parents_depth_max = 32;

bool flag(const Json& record, const char* field) {
  const auto found = record.find(field);
  return found != record.end() && found->is_boolean() && found->get<bool>();
}
std::vector<std::string> texts(const Json& record, const char* field) {
  const auto found = record.find(field);
  return found == record.end() || !found->is_array() ? std::vector<std::string>()
                                                     : found->get<std::vector<std::string>>();
}
bool is_over(const Json& record, uint64_t now_us) {
  const uint64_t at = time_in(record, "expires_at");
  return at != 0 && at <= now_us;
}

// Requests and their rules give nothing: what is approved is a grant.
bool is_kept(const model::Noun& noun) { return !noun.is_request && noun.name != "request_rule"; }

// Unless the name is another one's by now.
template <typename T>
void drop_named(SharedMap<T>& from, const std::string& name, const std::string& id) {
  const T* of_name = from.find(name);
  if (of_name != nullptr && to_string(of_name->id) == id) from.erase(name);
}

// The rest of a key does not change.
bool is_same_key(const LoginKey& a, const LoginKey& b) {
  return a.id == b.id && a.is_enabled == b.is_enabled && a.may_connect == b.may_connect;
}

// Whether both say the same; then the one that others have already is kept.
bool is_same(const UserFacts& a, const UserFacts& b) {
  return a.version == b.version && a.roles == b.roles && a.scopes == b.scopes && a.groups == b.groups &&
         a.has_older_keys == b.has_older_keys &&
         std::equal(a.login_keys.begin(), a.login_keys.end(), b.login_keys.begin(), b.login_keys.end(),
                    is_same_key);
}

}  // namespace

void Image::put(const store::ControlRecord& record) {
  const std::string noun(record.noun->name), id = record.id();
  if (RulesImage::keeps(*record.noun)) return rules_.put(*record.noun, id, record.body);
  if (!is_kept(*record.noun)) return;
  if (const Json* known = find(noun, id); known != nullptr && *known == record.body) return;
  remove(*record.noun, id);
  const Json& body = records_[noun].emplace(id, record.body).first->second;
  touch(noun, id, body);
  if (const uint64_t at = time_in(body, "expires_at"); at != 0) expiries_.insert({at, {noun, id}});
  if (noun == "key") keys_of_user_[text_in(body, "user")].insert(id);
}

void Image::remove(const model::Noun& noun, const std::string& id) {
  if (RulesImage::keeps(noun)) return rules_.remove(noun, id);
  const auto records = records_.find(noun.name);
  if (records == records_.end()) return;
  const auto found = records->second.find(id);
  if (found == records->second.end()) return;
  touch(noun.name, id, found->second);
  if (const uint64_t at = time_in(found->second, "expires_at"); at != 0)
    expiries_.erase({at, {std::string(noun.name), id}});
  records->second.erase(found);
}

void Image::doubt(const model::Noun& noun, const std::string& id) {
  if (RulesImage::keeps(noun)) rules_.doubt(noun, id);
  else remove(noun, id);
}

void Image::clear(bool had_rules) {
  rules_.clear(had_rules);
  for (const model::Noun* noun : model::nouns()) {
    while (!records_[std::string(noun->name)].empty())
      remove(*noun, std::string(records_[std::string(noun->name)].begin()->first));
  }
}

void Image::touch(std::string_view noun, const std::string& id, const Json& record) {
  if (noun == "user") users_.insert(id);
  else if (noun == "key") keys_.insert(id);
  else if (noun == "target") targets_.insert(id);
  else if (noun == "target_group") all_targets_ = true;
  else all_users_ = true;
  if (noun != "key") return;
  users_.insert(text_in(record, "user"));
  const auto of_user = keys_of_user_.find(text_in(record, "user"));
  if (of_user != keys_of_user_.end()) of_user->second.erase(id);
}

const Json* Image::find(std::string_view noun, const std::string& id) const {
  const auto records = records_.find(noun);
  if (records == records_.end()) return nullptr;
  const auto found = records->second.find(id);
  return found == records->second.end() ? nullptr : &found->second;
}

bool Image::add_role(const std::string& id, std::map<std::string, const Json*>& to, int depth) const {
  if (to.contains(id)) return true;
  const Json* role = find("role", id);
  if (role == nullptr || depth == parents_depth_max) return false;
  to.emplace(id, role);
  for (const std::string& parent : texts(*role, "parents")) {
    if (!add_role(parent, to, depth + 1)) return false;
  }
  return true;
}

std::shared_ptr<UserFacts> Image::user(const Json& record, uint64_t now_us) const {
  if (!flag(record, "enabled") || is_over(record, now_us)) return nullptr;
  auto out = std::make_shared<UserFacts>();
  auto id = parse_uuid(text_in(record, "id"));
  if (!id) return nullptr;
  out->id = *id;
  out->version = record.at("version").get<int64_t>();
  out->name = text_in(record, "name");
  std::map<std::string, const Json*> roles;
  for (const std::string& role : texts(record, "roles")) {
    if (!add_role(role, roles, 0)) return nullptr;
  }
  std::vector<std::pair<int64_t, std::string>> names;
  for (const auto& [role_id, role] : roles) {
    names.emplace_back(-role->value("priority", int64_t{0}), text_in(*role, "name"));
    for (const std::string& permission : texts(*role, "permissions")) out->scopes.add(permission);
  }
  out->scopes.add(auth::connect_scope);
  std::sort(names.begin(), names.end());
  for (auto& [priority, name] : names) out->roles.push_back(std::move(name));
  for (const std::string& group : texts(record, "groups")) {
    if (find("user_group", group) == nullptr) return nullptr;
    out->groups.push_back(group);
  }
  out->password_hash = model::Secret(text_in(record, "password_hash"));
  out->verifier = model::Secret(text_in(record, "verifier"));
  out->password_set_us = time_in(record, "password_set_at");
  out->must_change_password = flag(record, "must_change_password");
  add_login_keys(*out, now_us);
  return out;
}

void Image::add_login_keys(UserFacts& to, uint64_t now_us) const {
  const auto ids = keys_of_user_.find(to_string(to.id));
  if (ids == keys_of_user_.end()) return;
  std::vector<std::pair<std::string, LoginKey>> found;  // With the time of each.
  for (const std::string& id : ids->second) {
    const Json* record = find("key", id);
    const std::shared_ptr<auth::ApiKeyFacts> facts = record != nullptr ? key(*record, now_us) : nullptr;
    if (!facts) continue;
    LoginKey one{
        facts->id,     facts->prefix,      model::Secret(text_in(*record, "verifier")),
        facts->scopes, !facts->is_revoked, facts->scopes.empty() || facts->scopes.has(auth::connect_scope)};
    if (one.verifier.empty()) to.has_older_keys = to.has_older_keys || one.is_usable();
    else found.emplace_back(text_in(*record, "created_at"), std::move(one));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::tuple(b.second.is_usable(), b.first, b.second.id) <
           std::tuple(a.second.is_usable(), a.first, a.second.id);
  });
  for (auto& [at, one] : found) {
    if (to.login_keys.size() < auth::login_keys_max) to.login_keys.push_back(std::move(one));
  }
}

std::shared_ptr<TargetFacts> Image::target(const Json& record) const {
  if (!flag(record, "enabled")) return nullptr;
  for (const std::string& group : texts(record, "groups")) {
    if (find("target_group", group) == nullptr) return nullptr;
  }
  std::optional<TargetFacts> facts = target_facts_of(record, opener_);
  return facts ? std::make_shared<TargetFacts>(std::move(*facts)) : nullptr;
}

std::shared_ptr<auth::ApiKeyFacts> Image::key(const Json& record, uint64_t now_us) const {
  auto id = parse_uuid(text_in(record, "id"));
  auto user_id = parse_uuid(text_in(record, "user"));
  auto out = std::make_shared<auth::ApiKeyFacts>();
  const bool has_hash = read_hex(text_in(record, "hash"), out->hash);
  if (!id || !user_id || !has_hash || is_over(record, now_us)) return nullptr;
  out->id = *id;
  out->user_id = *user_id;
  out->prefix = text_in(record, "prefix");
  for (const std::string& scope : texts(record, "scopes")) {
    if (!out->scopes.add(scope)) return nullptr;
  }
  if (const uint64_t at = time_in(record, "expires_at"); at != 0) out->expires_at = at;
  out->is_revoked = !flag(record, "enabled");
  return out;
}

void Image::expire(uint64_t now_us) {
  while (!expiries_.empty() && expiries_.begin()->first <= now_us) {
    const auto& [noun, id] = expiries_.begin()->second;
    if (noun == "user") users_.insert(id);
    if (noun == "key") keys_.insert(id);
    if (const Json* key = noun == "key" ? find(noun, id) : nullptr) users_.insert(text_in(*key, "user"));
    expiries_.erase(expiries_.begin());
  }
}

void Image::spread() {
  if (all_users_) {
    for (const auto& [id, record] : records_["user"]) users_.insert(id);
  }
  all_users_ = false;
  if (all_targets_) {
    for (const auto& [id, record] : records_["target"]) targets_.insert(id);
  }
  all_targets_ = false;
  for (const std::string& id : users_) {
    if (const auto keys = keys_of_user_.find(id); keys != keys_of_user_.end())
      keys_.insert(keys->second.begin(), keys->second.end());
  }
}

void Image::renew_user(InForce& in, const std::string& id, uint64_t now_us) {
  const Json* record = find("user", id);
  std::shared_ptr<UserFacts> made = record != nullptr ? user(*record, now_us) : nullptr;
  const UserFacts* known = in.users_by_id.find(id);
  if (made && known != nullptr && is_same(*known, *made)) return;
  if (!made && known == nullptr) return;
  const std::string name = made ? made->name : names_[id];
  in.changed_users.push_back(name);
  if (made) {
    names_[id] = name;
    in.users_by_id.set(id, made);
    in.users.set(name, made);
    return;
  }
  names_.erase(id);
  in.users_by_id.erase(id);
  drop_named(in.users, name, id);
}

void Image::renew_target(InForce& in, const std::string& id) {
  const Json* record = find("target", id);
  std::shared_ptr<TargetFacts> made = record != nullptr ? target(*record) : nullptr;
  const auto known = names_.find(id);
  if (!made && known == names_.end()) return;
  const TargetFacts* in_force = known != names_.end() ? in.targets.find(known->second) : nullptr;
  if (made && in_force != nullptr && in_force->id == made->id && in_force->version == made->version) return;
  const std::string name = made ? text_in(*record, "name") : known->second;
  in.changed_targets.push_back(name);
  if (made) {
    names_[id] = name;
    in.targets.set(name, made);
    return;
  }
  names_.erase(id);
  drop_named(in.targets, name, id);
}

void Image::renew_key(InForce& in, const std::string& id, uint64_t now_us) {
  const Json* record = find("key", id);
  std::shared_ptr<auth::ApiKeyFacts> made = record != nullptr ? key(*record, now_us) : nullptr;
  if (made && in.users_by_id.find(to_string(made->user_id)) == nullptr) made = nullptr;
  if (made) {
    prefixes_[id] = made->prefix;
    in.keys.set(made->prefix, made);
  } else if (const auto prefix = prefixes_.find(id); prefix != prefixes_.end()) {
    in.keys.erase(prefix->second);
    prefixes_.erase(prefix);
  }
}

InForcePtr Image::in_force(uint64_t now_us, const InForcePtr& before, int64_t revision) {
  auto out = before ? std::make_shared<InForce>(*before) : std::make_shared<InForce>();
  out->revision = revision;
  out->changed_users.clear();
  out->changed_targets.clear();
  out->changed_grants.clear();
  expire(now_us);
  spread();
  // Those that go first: another one may have got the name.
  for (const bool is_there : {false, true}) {
    for (const std::string& id : users_) {
      if ((find("user", id) != nullptr) == is_there) renew_user(*out, id, now_us);
    }
    for (const std::string& id : targets_) {
      if ((find("target", id) != nullptr) == is_there) renew_target(*out, id);
    }
  }
  for (const std::string& id : keys_) renew_key(*out, id, now_us);
  rules_.renew(*out, now_us);
  targets_.clear();
  users_.clear();
  keys_.clear();
  return out;
}

}  // namespace ringfence::control
