#include "target_facts.h"

#include <nlohmann/json.hpp>

#include "ringfence/control/credentials.h"
#include "ringfence/model/target_record.h"
#include "ringfence/model/target_secrets.h"

namespace ringfence::control {

using model::Json;

namespace {

std::string member(const Json& record, const char* field) {
  const auto found = record.find(field);
  return found == record.end() || !found->is_string() ? "" : found->get<std::string>();
}

}  // namespace

SecretOpener opener_by(const Authority& authority,
                       std::function<void(const SealedField& field, const std::string& why)> failed) {
  return [&authority, failed = std::move(failed)](const SealedField& field,
                                                  const std::string& sealed) -> std::optional<model::Secret> {
    auto opened = open_credential(*authority.ring(), {"target", field.target_id, field.name}, sealed);
    if (opened) return std::move(*opened);
    if (failed) failed(field, opened.error().message);
    return std::nullopt;
  };
}

std::optional<TargetFacts> target_facts_of(const Json& record, const SecretOpener& opener) {
  const std::string text_id = member(record, "id");
  auto id = parse_uuid(text_id);
  if (!id) return std::nullopt;
  TargetFacts out;
  out.id = *id;
  out.version = record.at("version").get<int64_t>();
  out.is_tcp = member(record, "type") == "tcp";
  out.groups = record.at("groups").get<std::vector<std::string>>();
  if (out.is_tcp) {
    out.tcp = model::tcp_target_of(record);
    return out;
  }
  out.postgres = model::pg_target_of(record);
  for (const model::TargetSecret& secret : model::target_secrets()) {
    const std::string sealed = member(record, secret.sealed);
    if (sealed.empty()) continue;
    auto opened = opener({text_id, secret.sealed}, sealed);
    if (!opened) return std::nullopt;
    if (secret.level) out.postgres.credentials[*secret.level].password = std::move(*opened);
    else out.postgres.password = std::move(*opened);
  }
  return out;
}

}  // namespace ringfence::control
