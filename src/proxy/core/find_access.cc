#include "ringfence/proxy/core/find_access.h"

#include <algorithm>

#include "ringfence/model/declared.h"

namespace ringfence::proxy {

namespace {

std::string grant_key(const std::string& subject, const std::string& object) {
  return subject + '\n' + object;
}

std::vector<std::string> objects_of(const TargetPlace& target) {
  std::vector<std::string> out = {model::grant_object("tag", "*")};
  if (!target.id->is_nil()) out.push_back(model::grant_object("target", to_string(*target.id)));
  for (const std::string& group : *target.groups) out.push_back(model::grant_object("target_group", group));
  for (const std::string& tag : *target.tags) out.push_back(model::grant_object("tag", tag));
  return out;
}

std::vector<std::string> subjects_of(const User& user) {
  std::vector<std::string> out;
  if (user.grant_id().is_nil()) return out;
  out.push_back(model::grant_subject("user", to_string(user.grant_id())));
  for (const std::string& group : user.groups) out.push_back(model::grant_subject("group", group));
  return out;
}

}  // namespace

TargetPlace pg_place(const Snapshot& snapshot, std::string_view target) {
  const Target* found = snapshot.find_target(target);
  return found == nullptr ? TargetPlace{} : TargetPlace{&found->grant_id(), &found->tags, &found->groups};
}

TargetPlace tcp_place(const Snapshot& snapshot, std::string_view target) {
  const TcpTarget* found = snapshot.find_tcp_target(target);
  return found == nullptr ? TargetPlace{} : TargetPlace{&found->grant_id(), &found->tags, &found->groups};
}

void add_grant(Snapshot& to, const model::Grant& grant) {
  drop_grant(to, grant);
  to.grants[grant_key(grant.subject, grant.object)].push_back(std::make_shared<const model::Grant>(grant));
}

void drop_grant(Snapshot& from, const model::Grant& grant) {
  const std::string key = grant_key(grant.subject, grant.object);
  if (from.grants.find(key) == nullptr) return;
  GrantList& list = from.grants[key];
  std::erase_if(list, [&](const auto& one) { return one->id == grant.id; });
  if (list.empty()) from.grants.erase(key);
}

std::shared_ptr<const policy::Grant> deciding_grant(const Snapshot& snapshot, const User& user,
                                                    const TargetPlace& target) {
  std::shared_ptr<const model::Grant> best;
  if (snapshot.grants.empty()) return best;
  const std::vector<std::string> objects = objects_of(target);
  for (const std::string& subject : subjects_of(user)) {
    for (const std::string& object : objects) {
      const GrantList* list = snapshot.grants.find(grant_key(subject, object));
      if (list == nullptr) continue;
      for (const auto& grant : *list)
        if (!best || decides_before(*grant, *best)) best = grant;
    }
  }
  return best;
}

namespace {

// With those of the record of the configuration that had this name, which is not there.
std::vector<std::string> with_gone(std::vector<std::string> known, std::string_view noun,
                                   std::string_view name, bool is_gone,
                                   std::string (*place)(std::string_view, std::string_view)) {
  if (is_gone && !name.empty()) known.push_back(place(noun, to_string(model::declared_id(noun, name))));
  return known;
}

}  // namespace

std::vector<GrantWithoutEffect> grants_without_effect(const Snapshot& snapshot, std::string_view user,
                                                      std::string_view target) {
  std::vector<GrantWithoutEffect> out;
  if (snapshot.grants.empty()) return out;
  const User* who = snapshot.find_user(user);
  TargetPlace place = pg_place(snapshot, target);
  if (place.id == nullptr) place = tcp_place(snapshot, target);
  const bool is_user_gone = who == nullptr || who->declared_id.is_nil();
  const bool is_target_gone = place.id == nullptr || !model::is_declared_id(*place.id);
  const auto subjects = with_gone(who == nullptr ? std::vector<std::string>() : subjects_of(*who), "user",
                                  user, is_user_gone, &model::grant_subject);
  const auto objects = with_gone(place.id == nullptr ? std::vector<std::string>() : objects_of(place),
                                 "target", target, is_target_gone, &model::grant_object);
  for (const std::string& subject : subjects) {
    for (const std::string& object : objects) {
      const GrantList* list = snapshot.grants.find(grant_key(subject, object));
      if (list == nullptr) continue;
      for (const auto& grant : *list) {
        std::vector<std::string> gone;
        if (is_user_gone && !grant->declared_user.empty())
          gone.push_back(model::declared_label("user", grant->declared_user));
        if (is_target_gone && !grant->declared_target.empty())
          gone.push_back(model::declared_label("target", grant->declared_target));
        if (!gone.empty()) out.push_back({grant, std::move(gone)});
      }
    }
  }
  return out;
}

policy::Access find_access(const Snapshot& snapshot, const std::vector<std::string>& roles,
                           const TargetPlace& target, std::shared_ptr<const policy::Grant> grant) {
  policy::Access out;
  if (snapshot.policies) out = snapshot.policies->access(roles, *target.tags);
  if (snapshot.is_closed) {
    out.closed_because = "policies or grants of the store cannot be read; an administrator has to mend them";
  }
  if (!grant) return out;
  out.use(std::move(grant));
  if (snapshot.are_grants_stale) {
    out.suspended_because =
        "your access is by a grant, and the appliance has not heard from its store for too long to know "
        "that it still holds";
  }
  return out;
}

}  // namespace ringfence::proxy
