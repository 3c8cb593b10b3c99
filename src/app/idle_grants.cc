#include "idle_grants.h"

#include <nlohmann/json.hpp>

namespace ringfence::app {

namespace {

std::string why_idle(const proxy::GrantWithoutEffect& grant) {
  std::string names;
  for (const std::string& gone : grant.gone) names += (names.empty() ? "" : " and ") + gone;
  return "it names " + names + " of the configuration file, which is not there";
}

}  // namespace

nlohmann::ordered_json json_of(const IdleGrants& grants) {
  auto out = nlohmann::ordered_json::array();
  for (const proxy::GrantWithoutEffect& one : grants)
    out.push_back({{"id", one.grant->id}, {"number", one.grant->number}, {"because", why_idle(one)}});
  return out;
}

std::string describe(const IdleGrants& grants) {
  std::string out;
  for (const proxy::GrantWithoutEffect& one : grants)
    out += "  " + one.grant->label() + " has no effect: " + why_idle(one) + "\n";
  return out;
}

std::string told_behind(const IdleGrants& grants) {
  std::string out;
  for (const proxy::GrantWithoutEffect& one : grants)
    out += "; " + one.grant->label() + " has no effect: " + why_idle(one);
  return out;
}

}  // namespace ringfence::app
