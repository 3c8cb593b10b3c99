#include "break_glass.h"

#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/control/events.h"
#include "ringfence/model/grant.h"

namespace ringfence::control {

using model::Json;

namespace {

constexpr std::string_view event_action = "break_glass";
constexpr uint64_t minute_us = 60'000'000;

}  // namespace

BreakGlass::BreakGlass(Registry& registry, const Actor& actor)
    : Change(registry, *model::find_noun("grant"), actor) {}

Answer BreakGlass::make(const Json& given, const std::string& idempotency_key) {
  if (model::Defects wrong = model::check_new(model::break_glass_form(), given); !wrong.empty())
    return invalid(std::move(wrong), "the request is not valid");
  if (actor_.user_id.is_nil()) {
    const char* why = "the configuration's token is no user, so it can be given nothing; ask as a user";
    trail_.refused(event_action, noun_, "", why, actor_);
    return refusal(Answer::Kind::forbidden, why);
  }
  // With its minutes, which are no field of a grant: the same Idempotency-Key is for the same request.
  Json asked = model::complete(model::break_glass_form(), given);
  asked["user"] = to_string(actor_.user_id);
  const auto minutes = static_cast<uint64_t>(asked.at("minutes").get<int64_t>());
  Prepared prepared;
  prepared.fields = {{"id", to_string(new_event_id(wall_us()))},
                     {"origin", "break_glass"},
                     {"priority", model::break_glass_priority},
                     {"expires_at", rfc3339(wall_us() + minutes * minute_us)}};
  Answer answer = create_prepared(asked, prepared, idempotency_key);
  if (answer.kind == Answer::Kind::created && answer.revision != 0)
    log_warning("break-glass: a user has given himself access",
                {{"user", actor_.name},
                 {"grant", answer.body.value("id", "")},
                 {"until", answer.body.value("expires_at", "")}});
  return answer;
}

std::optional<Answer> BreakGlass::complete_new(store::ControlRecord& record) {
  auto shown = registry_.present(noun_, {record.body});
  if (!shown) return failed(shown.error());
  const Json& grant = shown->front();
  Json metadata = Json::object();
  for (const char* field : {"user", "target", "target_group", "tag", "level", "expires_at"}) {
    if (!grant.at(field).is_null()) metadata[field] = grant.at(field);
  }
  add_beside({.action = event_action,
              .noun = &noun_,
              .id = record.id(),
              .severity = audit::Severity::critical,
              .category = audit::Category::authorization,
              .reason = grant.at("reason").get<std::string>(),
              .metadata = std::move(metadata)});
  return std::nullopt;
}

}  // namespace ringfence::control
