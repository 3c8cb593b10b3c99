#include "ringfence/model/user.h"

#include "ringfence/model/text_rules.h"
#include "ringfence/pg/scram.h"

namespace ringfence::model {

Defects defects(const User& user) {
  Defects out;
  add_defect(out, "name", check_given(user.name, check_identifier));
  if (user.roles.size() > User::roles_max)
    out.push_back({"roles", "has more than " + std::to_string(User::roles_max) + " entries"});
  if (user.verifier.empty()) {
    out.push_back({"password", "is missing; add password, password_file or verifier"});
  } else if (!pg::parse_scram_verifier(user.verifier.reveal())) {
    out.push_back({"verifier",
                   "is no SCRAM verifier; copy rolpassword from pg_authid (SCRAM-SHA-256$4096:…), "
                   "or give password or password_file"});
  }
  return out;
}

}  // namespace ringfence::model
