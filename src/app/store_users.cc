#include "store_users.h"

namespace ringfence::app {

namespace {

void add_keys(proxy::User& to, const control::UserFacts& facts) {
  to.has_unfit_keys = facts.has_older_keys;
  for (const control::LoginKey& key : facts.login_keys) {
    auto verifier = pg::parse_scram_verifier(key.verifier.reveal());
    if (!verifier) {
      to.has_unfit_keys = true;
      continue;
    }
    const pg::ScramSecret secret{verifier->stored_key, verifier->server_key};
    // Without a password the first key says what the challenge shows.
    if (!to.has_password && to.login_keys.empty()) to.keys = std::move(*verifier);
    else if (verifier->salt != to.keys.salt || verifier->iterations != to.keys.iterations) {
      to.has_unfit_keys = true;
      continue;
    }
    to.login_keys.push_back({key.id, key.prefix, secret, key.scopes, key.is_enabled, key.may_connect});
  }
}

proxy::User user_of(const control::UserFacts& facts) {
  proxy::User out;
  out.name = facts.name;
  out.roles = facts.roles;
  out.verifier = facts.verifier;
  out.id = facts.id;
  out.groups = facts.groups;
  out.password_set_us = facts.password_set_us;
  out.must_change_password = facts.must_change_password;
  out.scopes = facts.scopes;
  auto keys = pg::parse_scram_verifier(facts.verifier.reveal());
  out.has_password = keys.has_value();
  if (keys) out.keys = std::move(*keys);
  add_keys(out, facts);
  return out;
}

bool is_user_of_configuration(const proxy::Snapshot& in, const std::string& name) {
  const proxy::User* known = in.find_user(name);
  return known != nullptr && known->id.is_nil();
}

// What is shown of users who do not exist looks like those who do.
void count_shapes(proxy::Snapshot& in) {
  in.scram_shapes = {};
  for (const auto& [name, user] : in.users) {
    if (user.has_secret()) in.scram_shapes.add(user.keys);
  }
}

}  // namespace

void add_store_users(proxy::Snapshot& to, const control::InForcePtr& users) {
  if (!users) return;
  for (const auto& [name, facts] : users->users) {
    if (!is_user_of_configuration(to, name)) to.users.set(name, user_of(facts));
  }
  count_shapes(to);
}

void change_store_users(proxy::Snapshot& in, const control::InForcePtr& now) {
  for (const std::string& name : now->changed_users) {
    if (is_user_of_configuration(in, name)) continue;
    const control::UserFacts* facts = now->find_user(name);
    if (facts != nullptr) in.users.set(name, user_of(*facts));
    else in.users.erase(name);
  }
  if (!now->changed_users.empty()) count_shapes(in);
}

}  // namespace ringfence::app
