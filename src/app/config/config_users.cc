#include "config_files.h"
#include "config_sections.h"
#include "ringfence/model/collections.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::app {

namespace {

void read_user(Section& section, model::User& user, size_t place, std::vector<AwaitedVerifier>& awaited) {
  section.text("name", user.name);
  for (auto& role : section.texts("roles", model::User::roles_max))
    user.roles.push_back(std::move(role.text));
  Origin where = section.origin("password");
  if (section.has("verifier") && (section.has("password") || section.has("password_file")))
    section.error("verifier", "stands beside a password; keep one of them");
  if (auto password = read_secret(section, "password", "password_file", &where)) {
    if (std::string wrong = model::check_password(*password); !wrong.empty())
      section.context().error(where, std::move(wrong));
    awaited.push_back({place, std::move(*password), where});
  }
  if (auto verifier = section.scalar("verifier")) user.verifier = Secret(verifier->text);
  section.finish();
}

}  // namespace

std::vector<AwaitedVerifier> read_users(Section& root, std::vector<model::User>& users) {
  std::vector<AwaitedVerifier> awaited;
  for (Section& section : root.list("users", model::users_max)) {
    users.emplace_back();
    read_user(section, users.back(), users.size() - 1, awaited);
  }
  return awaited;
}

}  // namespace ringfence::app
