#include "ringfence/model/target_secrets.h"

namespace ringfence::model {

std::span<const TargetSecret> target_secrets() {
  using policy::Level;
  static constexpr TargetSecret all[] = {
      {"password", "sealed_password", "password_set_at", "user", std::nullopt},
      {"read_password", "sealed_read_password", "read_password_set_at", "read_user", Level::read},
      {"write_password", "sealed_write_password", "write_password_set_at", "write_user", Level::write},
      {"ddl_password", "sealed_ddl_password", "ddl_password_set_at", "ddl_user", Level::ddl},
      {"admin_password", "sealed_admin_password", "admin_password_set_at", "admin_user", Level::admin},
  };
  return all;
}

}  // namespace ringfence::model
