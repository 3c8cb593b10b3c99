#include "declared_records.h"

#include <nlohmann/json.hpp>

namespace ringfence::app {

using model::Json;

namespace {

class Declaring {
 public:
  explicit Declaring(const Config& config) : config_(config) {}

  void add(const char* noun, const Json& given) {
    const auto where =
        config_.declared_at.find(std::string(noun) + " " + given.at("name").get<std::string>());
    records_->add(*model::find_noun(noun), given,
                  where != config_.declared_at.end() ? where->second : "the configuration");
  }
  std::shared_ptr<const control::DeclaredRecords> take() { return std::move(records_); }

 private:
  const Config& config_;
  std::shared_ptr<control::DeclaredRecords> records_ = std::make_shared<control::DeclaredRecords>();
};

Json fields_of(const model::PgTarget& target) {
  Json out = {{"name", target.name},
              {"type", "postgres"},
              {"hosts", target.hosts},
              {"port", target.port},
              {"database", target.database},
              {"user", target.user},
              {"sslmode", std::string(model::name_of(target.sslmode, model::ssl_mode_names))},
              {"tags", target.tags},
              {"connections_max", target.connections_max}};
  // The path of a file says nothing to who has no shell there.
  if (target.tls_files.ca == "system") out["sslrootcert"] = "system";
  return out;
}

Json fields_of(const model::TcpTarget& target) {
  return {{"name", target.name}, {"type", "tcp"},       {"hosts", target.hosts},
          {"port", target.port}, {"tags", target.tags}, {"connections_max", target.connections_max}};
}

}  // namespace

std::shared_ptr<const control::DeclaredRecords> declared_records(const Config& config) {
  Declaring out(config);
  for (const model::User& user : config.users) out.add("user", {{"name", user.name}, {"roles", user.roles}});
  for (const model::PgTarget& target : config.targets) out.add("target", fields_of(target));
  for (const model::TcpTarget& target : config.tcp_targets) out.add("target", fields_of(target));
  return out.take();
}

}  // namespace ringfence::app
