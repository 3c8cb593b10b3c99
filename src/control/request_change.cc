#include "request_change.h"

#include <algorithm>

#include "change_rules.h"
#include "ringfence/base/clock.h"
#include "ringfence/control/events.h"
#include "ringfence/model/json_fields.h"
#include "ringfence/model/level.h"

namespace ringfence::control {

using model::Json;
using store::ControlRecord;

namespace {

constexpr uint64_t second_us = 1'000'000;
constexpr uint64_t day_us = 24 * 3600 * second_us;
constexpr uint64_t pending_us_max = 7 * day_us;
constexpr uint64_t ahead_us_max = 30 * day_us;
// Of one user in a day: each is a record that stays, and an approved one is a grant.
constexpr size_t requests_a_day_max = 100;
constexpr size_t rules_max = 1'000;

struct Ending {
  std::string_view action;
  const char* state;
};
constexpr Ending endings[] = {{"access_request_approved", "approved"},
                              {"access_request_denied", "denied"},
                              {"access_request_cancelled", "cancelled"},
                              {"access_request_expired", "expired"}};
const Ending& ending_of(Decision decision) { return endings[static_cast<size_t>(decision)]; }

const model::Noun& request_noun() { return *model::find_noun("access_request"); }

size_t rank_of(const Json& level) {
  const auto* found = std::find(std::begin(model::level_names), std::end(model::level_names),
                                level.get_ref<const std::string&>());
  return static_cast<size_t>(found - std::begin(model::level_names));
}

bool holds(const Json& list, const Json& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

Answer in_conflict(std::string message) { return refusal(Answer::Kind::conflict, std::move(message)); }
Answer not_allowed(std::string message) { return refusal(Answer::Kind::forbidden, std::move(message)); }

}  // namespace

bool is_over(const Json& request, uint64_t now_us) {
  return request.at("state") == "pending" && model::time_in(request, "expires_at") <= now_us;
}

std::string_view RequestChange::action_of(Decision decision) { return ending_of(decision).action; }

RequestChange::RequestChange(Registry& registry, const Actor& actor)
    : Change(registry, request_noun(), actor) {}

// ---------------------------------------------------------------- a new one

std::optional<Answer> RequestChange::check_times(Json& body) const {
  const uint64_t now_us = wall_us();
  if (model::time_in(body, "starts_at") > now_us + ahead_us_max)
    return invalid({{"starts_at", "is more than 30 days ahead; ask again when it is nearer"}});
  if (body.at("expires_at").is_null()) body["expires_at"] = rfc3339(now_us + day_us);
  const uint64_t expires_us = model::time_in(body, "expires_at");
  if (expires_us <= now_us) return invalid({{"expires_at", "is over already; use a time ahead"}});
  if (expires_us > now_us + pending_us_max)
    return invalid({{"expires_at", "is more than 7 days ahead; use an earlier time"}});
  return std::nullopt;
}

std::optional<Answer> RequestChange::check_number(const std::string& user) {
  store::ListQuery query;
  query.filters = {{"user", user}};
  query.sort = "number";
  query.is_descending = true;
  query.limit = requests_a_day_max;
  auto found = records_.list(noun_, query);
  if (!found) return failed(found.error());
  if (found->size() < requests_a_day_max) return std::nullopt;
  if (model::time_in(found->back().body, "created_at") + day_us < wall_us()) return std::nullopt;
  return in_conflict("a user makes at most " + std::to_string(requests_a_day_max) +
                     " requests in a day; ask again later");
}

Result<bool> RequestChange::covers(const Json& rule, const Json& request) {
  if (rank_of(request.at("level")) > rank_of(rule.at("level"))) return false;
  if (request.at("duration_s").get<int64_t>() > rule.at("duration_s").get<int64_t>()) return false;
  const Json& tags = rule.at("tags");
  if (holds(tags, "*")) return true;
  if (!request.at("tag").is_null()) return holds(tags, request.at("tag"));
  // Who is in a group of targets changes later: "*" alone is about groups.
  if (request.at("target").is_null()) return false;
  if (holds(rule.at("targets"), request.at("target"))) return true;
  auto own = tags_of(request);
  if (!own) return unexpected(std::move(own.error()));
  return std::any_of(own->begin(), own->end(), [&](const Json& tag) { return holds(tags, tag); });
}

// Of the target that is asked for. One that this node's configuration does not have has none here.
Result<Json> RequestChange::tags_of(const Json& request) {
  const std::string id = request.at("target").get<std::string>();
  if (const Json* declared = registry_.declared(*model::find_noun("target"), id)) return declared->at("tags");
  if (!request.at("declared_target").is_null()) return Json::array();
  auto target = ChangeRules(registry_, records_, actor_).believed("target", id);
  if (!target) return unexpected(std::move(target.error()));
  return target->body.at("tags");
}

Result<std::string> RequestChange::rule_for(const Json& request) {
  ChangeRules rules(registry_, records_, actor_);
  auto roles = rules.roles_of_user(request.at("user").get<std::string>());
  if (!roles) return unexpected(std::move(roles.error()));
  store::ListQuery query;
  query.filters = {{"enabled", "true"}};
  query.limit = rules_max;
  auto found = records_.list(*model::find_noun("request_rule"), query);
  if (!found) return unexpected(std::move(found.error()));
  for (const ControlRecord& rule : *found) {
    const Json& named = rule.body.at("roles");
    const bool is_meant = std::any_of(named.begin(), named.end(), [&](const Json& role) {
      return roles->contains(role.get<std::string>());
    });
    if (!is_meant || !registry_.believes(rule)) continue;
    auto covered = covers(rule.body, request);
    if (!covered) return unexpected(std::move(covered.error()));
    if (*covered) return rule.body.at("name").get<std::string>();
  }
  return std::string();
}

std::optional<Answer> RequestChange::complete_new(ControlRecord& record) {
  if (actor_.user_id.is_nil())
    return not_allowed(
        "the configuration's token is no user and asks for nothing; make a grant, or ask as a user");
  const std::string user = to_string(actor_.user_id);
  record.body["user"] = user;
  if (auto wrong = check_times(record.body)) return wrong;
  if (auto gone = check_requester(user)) return gone;
  if (auto too_many = check_number(user)) return too_many;
  auto rule = rule_for(record.body);
  // What is in doubt approves nothing; an approver decides.
  if (!rule && rule.error().fault != Fault::conflict && rule.error().fault != Fault::malformed)
    return failed(rule.error());
  if (!rule || rule->empty()) return std::nullopt;
  return settle(record, Decision::approve, "rule " + *rule, "");
}

// ---------------------------------------------------------------- a decision

Answer RequestChange::decide(const std::string& which, Decision decision, const Json& given,
                             std::optional<int64_t> if_version) {
  model::Defects wrong = model::check_new(model::decision_form(), given);
  const Json asked = wrong.empty() ? model::complete(model::decision_form(), given) : Json();
  if (wrong.empty() && decision == Decision::deny && asked.at("reason").is_null())
    wrong.push_back({"reason", "is missing; say why the request is denied"});
  if (!wrong.empty()) return invalid(std::move(wrong), "the decision is not valid");
  const std::string reason = asked.at("reason").is_null() ? "" : asked.at("reason").get<std::string>();
  if (auto no_begin = begin(ending_of(decision).action, which)) return *no_begin;
  Answer answer = decide_within(which, decision, reason, if_version);
  return answer.kind == Answer::Kind::ok ? answer
                                         : give_up(ending_of(decision).action, which, std::move(answer));
}

Answer RequestChange::decide_within(const std::string& which, Decision decision, const std::string& reason,
                                    std::optional<int64_t> if_version) {
  Answer refused;
  auto record = current(which, if_version, refused);
  if (!record) return refused;
  if (auto not_allowed = check_who(decision, record->body)) return *not_allowed;
  const std::string state = record->body.at("state").get<std::string>();
  if (state != "pending")
    return in_conflict("the request is " + state + " already: a request is decided once; make another one");
  const bool has_expired = is_over(record->body, wall_us());
  if (has_expired != (decision == Decision::expire))
    return in_conflict(has_expired ? "the request has expired; make another one"
                                   : "the request has not expired");
  const Json before = record->body;
  if (auto stopped = settle(*record, decision, actor_.text(), reason)) return *stopped;
  record->body["version"] = record->version() + 1;
  begin_record(*record);
  if (auto sealed = seal(*record); !sealed) return failed(sealed.error());
  if (auto written = records_.update(*record); !written) return failed(written.error());
  return finish_update(*record, before);
}

std::optional<Answer> RequestChange::check_who(Decision decision, const Json& request) {
  const std::string user = request.at("user").get<std::string>();
  const bool is_own = !actor_.user_id.is_nil() && user == to_string(actor_.user_id);
  if (decision == Decision::expire) return std::nullopt;
  if (decision == Decision::cancel) {
    if (is_own || actor_.scopes.has("access-requests:write")) return std::nullopt;
    // Who does not see other people's requests does not learn of them here.
    if (!actor_.scopes.has("access-requests:read"))
      return refusal(Answer::Kind::not_found, "there is no such access_request");
    return not_allowed("a request is cancelled by the user who made it; deny it in place of that");
  }
  if (is_own) return not_allowed("nobody decides a request of his own; ask another approver");
  if (!actor_.scopes.has("access-requests:decide")) return not_allowed("you may not decide requests");
  return decision == Decision::approve ? check_requester(user) : std::nullopt;
}

std::optional<Answer> RequestChange::check_requester(const std::string& user) {
  auto record = ChangeRules(registry_, records_, actor_).believed("user", user);
  if (!record && record.error().fault == Fault::unavailable) return failed(record.error());
  if (!record) return in_conflict(record.error().message);
  const uint64_t expires_us = model::time_in(record->body, "expires_at");
  const bool is_there = record->body.at("enabled").get<bool>() && (expires_us == 0 || expires_us > wall_us());
  if (is_there) return std::nullopt;
  return in_conflict("user " + record->body.at("name").get<std::string>() + " may not log in any more");
}

// ---------------------------------------------------------------- what becomes of it

std::optional<Answer> RequestChange::settle(ControlRecord& record, Decision decision, const std::string& by,
                                            const std::string& reason) {
  Json& request = record.body;
  request["state"] = ending_of(decision).state;
  request["decided_by"] = by;
  request["decided_at"] = rfc3339(wall_us());
  request["decision_reason"] = reason.empty() ? Json() : Json(reason);
  if (decision == Decision::approve) {
    if (auto stopped = make_grant(request, by)) return stopped;
  }
  tell(decision, request, reason);
  return std::nullopt;
}

std::optional<Answer> RequestChange::make_grant(Json& request, const std::string& by) {
  const model::Noun& grant = *model::find_noun("grant");
  Json fields = {{"reason", request.at("justification")}, {"origin", "request"}};
  for (const char* field : {"user", "target", "declared_target", "target_group", "tag", "level", "controls",
                            "starts_at", "max_queries", "max_bytes", "max_rows"})
    fields[field] = request.at(field);
  const uint64_t begins_us = std::max<uint64_t>(model::time_in(request, "starts_at"), wall_us());
  const auto duration_s = static_cast<uint64_t>(request.at("duration_s").get<int64_t>());
  fields["expires_at"] = rfc3339(begins_us + duration_s * second_us);
  ControlRecord record{&grant, model::complete(grant, fields), {}, {}};
  record.body["id"] = to_string(new_event_id(wall_us()));
  record.body["version"] = 1;
  begin_record(record);
  record.body["created_by"] = record.body["updated_by"] = by;
  auto number = records_.next_number(grant);
  if (!number) return failed(number.error());
  record.body["number"] = *number;
  if (model::Defects wrong = grant.check(record.body); !wrong.empty()) return invalid(std::move(wrong));
  if (auto sealed = seal(record); !sealed) return failed(sealed.error());
  if (auto written = records_.insert(record); !written) return failed(written.error());
  auto shown = registry_.present(grant, {record.body});
  if (!shown) return failed(shown.error());
  request["grant"] = record.id();
  awaited_ = "grant " + record.id();
  add_beside({.action = "CREATE", .noun = &grant, .id = record.id(), .after = std::move(shown->front())});
  return std::nullopt;
}

void RequestChange::tell(Decision decision, const Json& request, const std::string& reason) {
  Json metadata = {{"state", request.at("state")}, {"decided_by", request.at("decided_by")}};
  for (const char* field :
       {"user", "target", "declared_target", "target_group", "tag", "level", "duration_s", "grant"}) {
    if (!request.at(field).is_null()) metadata[field] = request.at(field);
  }
  add_beside({.action = ending_of(decision).action,
              .noun = &noun_,
              .id = request.at("id").get<std::string>(),
              .category = audit::Category::authorization,
              .reason = reason,
              .metadata = std::move(metadata)});
}

}  // namespace ringfence::control
