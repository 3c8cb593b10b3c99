#include "ringfence/model/pg_target.h"

#include "ringfence/model/target_rules.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::model {

namespace {

void add_names(Defects& out, const PgTarget& target) {
  add_defect(out, "name", check_given(target.name, check_target_name));
  // A database that is called as the target is has the name's defects.
  if (target.database != target.name) add_defect(out, "database", check_identifier(target.database));
  add_host_defects(out, target.hosts);
}

void add_credentials(Defects& out, const PgTarget& target) {
  add_defect(out, "user", check_given(target.user, check_identifier));
  add_defect(out, "password", check_password(target.password));
  for (const auto& [level, credential] : target.credentials) {
    const std::string path = std::string("credentials.") + sql::level_name(level);
    add_defect(out, path + ".user",
               credential.user.empty() ? "is missing; add the server's user of this level"
                                       : check_identifier(credential.user));
    add_defect(out, path + ".password", check_password(credential.password));
  }
}

// Without TLS.
void add_needless_tls(Defects& out, const PgTarget& target) {
  if (target.channel_binding == ChannelBinding::require) {
    out.push_back(
        {"channel_binding", "is require, which needs TLS, and sslmode is disable; change one of them"});
  }
  const std::pair<const char*, const std::string*> files[] = {{"sslcert", &target.tls_files.certificate},
                                                              {"sslrootcert", &target.tls_files.ca},
                                                              {"sslcrl", &target.tls_files.crl}};
  for (const auto& [key, file] : files) {
    if (!file->empty())
      out.push_back({key, "has no meaning while sslmode is disable; change sslmode or remove it"});
  }
}

void add_tls(Defects& out, const PgTarget& target) {
  const TlsFiles& files = target.tls_files;
  if (!files.certificate.empty() && files.key.empty())
    out.push_back({"sslcert", "stands without sslkey; add it"});
  if (files.certificate.empty() && !files.key.empty())
    out.push_back({"sslkey", "stands without sslcert; add it"});
  if (target.sslmode == SslMode::disable) {
    add_needless_tls(out, target);
  } else if (target.sslmode >= SslMode::verify_ca && files.ca.empty()) {
    out.push_back(
        {"sslmode",
         "checks the server's certificate, so it needs sslrootcert: a file of CA certificates, or system"});
  } else if (files.ca == "system" && target.sslmode != SslMode::verify_full) {
    out.push_back(
        {"sslrootcert",
         "is system, which means little unless the host's name is checked too; use sslmode verify-full"});
  } else if (!files.crl.empty() && files.ca.empty()) {
    out.push_back({"sslcrl", "has no meaning without sslrootcert; add it or remove this"});
  }
}

void add_pool(Defects& out, const PgTarget& target) {
  const PoolRule& pool = target.pool;
  if (pool.min > pool.max) {
    out.push_back({"pool.min", "is " + std::to_string(pool.min) + ", more than max; use at most " +
                                   std::to_string(pool.max)});
  } else if (target.connections_max > 0 && pool.max > target.connections_max) {
    out.push_back({"pool.max", "is " + std::to_string(pool.max) +
                                   ", more than connections_max of the target; use at most " +
                                   std::to_string(target.connections_max)});
  }
}

}  // namespace

Defects defects(const PgTarget& target) {
  Defects out;
  add_names(out, target);
  add_credentials(out, target);
  add_tls(out, target);
  add_tag_defects(out, target.tags);
  each_number(target, [&out](const char* key, uint64_t value, const Range& range) {
    add_defect(out, key, check_number(value, range));
  });
  each_number(target.pool, [&out](const char* key, uint64_t value, const Range& range) {
    add_defect(out, std::string("pool.") + key, check_number(value, range));
  });
  add_pool(out, target);
  return out;
}

}  // namespace ringfence::model
