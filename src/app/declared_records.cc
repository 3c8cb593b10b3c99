#include "declared_records.h"

#include <nlohmann/json.hpp>

#include "ringfence/policy/policy_set.h"

namespace ringfence::app {

namespace {

class Declaring {
 public:
  explicit Declaring(const Config& config) : config_(config) {}

  void add(const char* noun, const model::Json& given) {
    const auto found =
        config_.declared_at.find(std::string(noun) + " " + given.at("name").get<std::string>());
    add(noun, given, found != config_.declared_at.end() ? found->second : "the configuration");
  }
  void add(const char* noun, const model::Json& given, const std::string& where) {
    records_->add(*model::find_noun(noun), given, where);
  }
  std::shared_ptr<const control::DeclaredRecords> take() { return std::move(records_); }

 private:
  const Config& config_;
  std::shared_ptr<control::DeclaredRecords> records_ = std::make_shared<control::DeclaredRecords>();
};

model::Json fields_of(const model::PgTarget& target) {
  model::Json out = {{"name", target.name},
                     {"type", "postgres"},
                     {"hosts", target.hosts},
                     {"port", target.port},
                     {"database", target.database},
                     {"user", target.user},
                     {"sslmode", std::string(model::name_of(target.sslmode, model::ssl_mode_names))},
                     {"tags", target.tags},
                     {"connections_max", target.connections_max}};
  if (target.pool.is_on()) {
    out["pool_max"] = target.pool.max;
    out["pool_min"] = target.pool.min;
    out["pool_idle_ms"] = target.pool.idle_ms;
  }
  for (const auto& [level, credential] : target.credentials)
    out[std::string(sql::level_name(level)) + "_user"] = credential.user;
  // The path of a file says nothing to who has no shell there.
  if (target.tls_files.ca == "system") out["sslrootcert"] = "system";
  return out;
}

model::Json fields_of(const model::TcpTarget& target) {
  return {{"name", target.name}, {"type", "tcp"},       {"hosts", target.hosts},
          {"port", target.port}, {"tags", target.tags}, {"connections_max", target.connections_max}};
}

std::vector<std::string> texts_of(const std::vector<policy::Text>& texts) {
  std::vector<std::string> out;
  for (const policy::Text& one : texts) out.push_back(one.text);
  return out;
}

model::Json rules_of(const std::vector<policy::Rule>& rules, bool are_denials) {
  model::Json out = model::Json::array();
  for (const policy::Rule& rule : rules) {
    model::Json one = {{"kinds", texts_of(rule.kinds)},
                       {"relations", texts_of(rule.relations)},
                       {"columns", texts_of(rule.columns)},
                       {"functions", texts_of(rule.functions)}};
    if (are_denials) {
      one["missing_where"] = rule.missing_where;
      one["message"] = rule.message.empty() ? model::Json() : model::Json(rule.message);
    }
    out.push_back(std::move(one));
  }
  return out;
}

model::Json fields_of(const policy::Policy& policy) {
  return {{"name", policy.name},
          {"roles", texts_of(policy.roles)},
          {"tags", texts_of(policy.tags)},
          {"tag_match", policy.matches_any_tag ? "any" : "all"},
          {"level", sql::level_name(policy.level)},
          {"kinds", texts_of(policy.kinds)},
          {"functions", texts_of(policy.functions)},
          {"catalog", policy.opens_catalog ? "open" : "closed"},
          {"whitelist", policy.whitelist ? model::Json(texts_of(*policy.whitelist)) : model::Json()},
          {"allow", rules_of(policy.allow, false)},
          {"deny", rules_of(policy.deny, true)},
          {"metadata", policy.metadata}};
}

}  // namespace

std::shared_ptr<const control::DeclaredRecords> declared_records(const Config& config) {
  Declaring out(config);
  for (const model::User& user : config.users) out.add("user", {{"name", user.name}, {"roles", user.roles}});
  for (const model::PgTarget& target : config.targets) out.add("target", fields_of(target));
  for (const model::TcpTarget& target : config.tcp_targets) out.add("target", fields_of(target));
  if (!config.policies) return out.take();
  for (const policy::Policy& policy : config.policies->policies())
    out.add("policy", fields_of(policy), policy.where);
  return out.take();
}

}  // namespace ringfence::app
