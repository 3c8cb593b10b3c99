#include "alias_call.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "aliases.h"
#include "exchange.h"
#include "ringfence/model/noun.h"

namespace ringfence::admin {

using http::Response;
using model::Json;
using ring::Task;

namespace {

// Of lists that have no member for the next page: most callers do not know that there is one.
constexpr const char* bare_list_limit = "1000";

// The answer of a handler that gives it in one piece.
class KeptAnswer final : public Responder {
 public:
  void answer(Response response) override { response_ = std::move(response); }
  AnswerStream& stream(Response) override {
    assertion_failed("aliases lead to answers in one piece", __FILE__, __LINE__);
  }
  void upgrade(std::string, std::vector<http::Header>, UpgradeHandler) override {
    assertion_failed("aliases lead to answers in one piece", __FILE__, __LINE__);
  }
  Response take() { return std::move(response_); }

 private:
  Response response_;
};

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 19 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_json(const Response& response) {
  return response.status < 300 && response.content_type.starts_with("application/json");
}

// "/api/users/7" of "/api/users".
std::string place_below(const std::string& pattern, const Json& id) {
  return pattern + "/" + (id.is_string() ? id.get<std::string>() : id.dump());
}

}  // namespace

void AliasCall::refuse(int status, std::string message, model::Defects defects) {
  refusal_ = problem_of(status, message, call_.request.path, defects);
  speak_as(way_.alias.family, refusal_, resources_.shard.now_us());
}

Task<Response> AliasCall::answer() {
  const Alias& alias = way_.alias;
  request_.method = alias.to_method;
  if (!alias.noun.empty() && !captured_.empty() && is_number(captured_[0]))
    places_.push_back({Place::In::path, nullptr, captured_[0], 0});
  if (!turn_query() || !turn_body()) co_return refusal_;
  Task<bool> finding = find_places();
  const bool is_found = co_await finding;
  if (!is_found) co_return refusal_;
  if (way_.has_body) request_.body = model::canonical_json(body_);
  KeptAnswer kept;
  const Call inner{request_, call_.client_addr, call_.principal, captured_, nullptr};
  Task<void> handling = way_.handler(inner, kept);
  co_await handling;
  Response response = kept.take();
  if (response.status >= 400) turn_problem(response);
  Task<void> turning = turn_answer(response);
  co_await turning;
  co_return response;
}

// ---------------------------------------------------------------- the request

bool AliasCall::turn_query() {
  const Shape* shape = way_.alias.shape;
  if (shape == nullptr) return true;
  http::Parameters turned;
  for (const auto& [name, value] : call_.request.query) {
    const FieldAlias* alias = shape->by_alias(name);
    if (name == "sort") {
      const bool is_descending = value.starts_with('-');
      const std::string order = value.substr(is_descending ? 1 : 0);
      const FieldAlias* field = shape->by_alias(order);
      turned.emplace_back(
          name, (is_descending ? "-" : "") + (field == nullptr ? order : std::string(field->field)));
    } else if (alias == nullptr) {
      turned.emplace_back(name, value);
    } else if (alias->asked != nullptr) {
      alias->asked(value, turned);
    } else {
      if (alias->kind == FieldAlias::Kind::reference)
        places_.push_back({Place::In::query, alias, value, turned.size()});
      turned.emplace_back(std::string(alias->field), value);
    }
  }
  for (size_t i = 0; i < turned.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (turned[i].first != turned[j].first) continue;
      refuse(400, "the query says " + turned[i].first + " twice, by two names");
      return false;
    }
  }
  const bool has_limit = call_.parameter("limit") != nullptr;
  if (way_.is_list && shape->envelope.empty() && !has_limit) turned.emplace_back("limit", bare_list_limit);
  request_.query = std::move(turned);
  return true;
}

bool AliasCall::turn_body() {
  if (!way_.has_body) return true;
  Json given;
  if (!take_json(call_, given, refusal_, "application/merge-patch+json")) {
    speak_as(way_.alias.family, refusal_, resources_.shard.now_us());
    return false;
  }
  if (way_.alias.given != nullptr) {
    Result<Json> turned = way_.alias.given(given);
    if (!turned) {
      const std::string& message = turned.error().message;
      const size_t colon = message.find(": ");
      refuse(400, "the question is not valid", {{message.substr(0, colon), message.substr(colon + 2)}});
      return false;
    }
    body_ = std::move(*turned);
    return true;
  }
  if (way_.alias.shape == nullptr) {
    body_ = std::move(given);
    return true;
  }
  GivenBody turned = body_of(*way_.alias.shape, given);
  if (!turned.defects.empty()) {
    refuse(400, "the record is not valid", std::move(turned.defects));
    return false;
  }
  body_ = std::move(turned.body);
  for (GivenReference& reference : turned.references)
    places_.push_back({Place::In::body, reference.alias, std::move(reference.which), 0});
  return true;
}

Task<std::optional<Json>> AliasCall::identify(std::vector<control::Called> called) {
  Ask<control::Answer> ask(resources_.asks, resources_.shard, resources_.options.record_ms);
  resources_.sources.records->identify(std::move(called), ask.done());
  std::optional<control::Answer> answer = co_await ask;
  if (answer && answer->kind == control::Answer::Kind::ok) co_return std::move(answer->body);
  refusal_ = answer ? answer_of(*answer, call_.request.path) : late(resources_, "the store");
  speak_as(way_.alias.family, refusal_, resources_.shard.now_us());
  co_return std::nullopt;
}

// What numbers and names stand for. Without a store the other route says so.
Task<bool> AliasCall::find_places() {
  if (places_.empty() || resources_.sources.records == nullptr) co_return true;
  std::vector<control::Called> called;
  for (const Place& place : places_) {
    const std::string_view noun = place.alias == nullptr ? way_.alias.noun : place.alias->of;
    called.push_back({model::find_noun(noun), place.which, false});
  }
  Task<std::optional<Json>> identifying = identify(std::move(called));
  std::optional<Json> found = co_await identifying;
  if (!found) co_return false;
  for (size_t i = 0; i < places_.size(); ++i)
    if (!put(places_[i], (*found)[i])) co_return false;
  co_return true;
}

bool AliasCall::put(const Place& place, const Json& record) {
  const std::string name = place.alias == nullptr ? "" : std::string(place.alias->alias);
  const std::string noun(place.alias == nullptr ? way_.alias.noun : place.alias->of);
  switch (place.in) {
    case Place::In::path:
      if (record.is_null()) {
        refuse(404, "there is no " + noun + " of this number");
        return false;
      }
      captured_[0] = record.at("id").get<std::string>();
      return true;
    case Place::In::body:
      if (record.is_null()) {
        refuse(400, "the record is not valid",
               {{name, "names no " + noun + " that there is; make it first"}});
        return false;
      }
      body_[std::string(place.alias->field)] = record.at("id");
      return true;
    case Place::In::query: break;
  }
  // The trail knows names alone, also of users that are in no store.
  const bool is_name = !is_number(place.which) && !parse_uuid(place.which);
  if (record.is_null() && !is_name) {
    refuse(400, name + " names no " + noun + " that there is");
    return false;
  }
  if (!record.is_null()) request_.query[place.at].second = record.at("name").get<std::string>();
  return true;
}

// ---------------------------------------------------------------- the answer

// The contracts know one status for what is not valid; fields have their names.
void AliasCall::turn_problem(Response& response) const {
  const Family family = way_.alias.family;
  Json body = Json::parse(response.body, nullptr, false);
  if (!body.is_object()) return;
  if (response.status == 422 && family != Family::rusty_db) {
    response.status = 400;
    body["status"] = 400;
    body["title"] = http::reason_phrase(400);
  }
  body["instance"] = call_.request.path;
  if (way_.alias.shape != nullptr && body.contains("errors"))
    for (Json& error : body["errors"])
      error["field"] = way_.alias.shape->alias_of(error["field"].get<std::string>());
  response.body = body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  speak_as(family, response, resources_.shard.now_us());
}

Task<NumbersByName> AliasCall::numbers_of(const Json& records) {
  NamesByNoun names;
  for (const Json& record : records) add_names(*way_.alias.shape, record, names);
  NumbersByName out;
  if (names.empty() || resources_.sources.records == nullptr) co_return out;
  std::vector<control::Called> called;
  for (const auto& [noun, name] : names) called.push_back({model::find_noun(noun), name, true});
  Task<std::optional<Json>> identifying = identify(std::move(called));
  std::optional<Json> found = co_await identifying;
  if (!found) co_return out;
  size_t at = 0;
  for (const auto& name : names) {
    const Json& one = (*found)[at++];
    if (!one.is_null()) out[name] = one.at("number").get<int64_t>();
  }
  co_return out;
}

Task<void> AliasCall::turn_answer(Response& response) {
  if (!is_json(response)) co_return;
  const Alias& alias = way_.alias;
  Json body = Json::parse(response.body, nullptr, false);
  // What is no record and no list stays as it is.
  const bool is_list = body.contains("items") && body.contains("next_cursor");
  if (!body.is_object() || (way_.is_list && !is_list)) co_return;
  if (alias.shown != nullptr) {
    response.body = model::canonical_json(alias.shown(body)) + "\n";
    co_return;
  }
  if (alias.shape == nullptr) co_return;
  const Json records = way_.is_list ? body.at("items") : Json::array({body});
  Task<NumbersByName> asking = numbers_of(records);
  const NumbersByName numbers = co_await asking;
  Json shown = Json::array();
  for (const Json& record : records) shown.push_back(shown_as(*alias.shape, record, numbers));
  if (!way_.is_list) {
    turn_location(response, shown[0]);
    shown = Json(shown[0]);
  } else if (const Json& next = body.at("next_cursor"); !alias.shape->envelope.empty()) {
    shown = {{std::string(alias.shape->envelope), std::move(shown)}, {"next_cursor", next}};
  } else if (next.is_string()) {
    response.headers.push_back({"Link", "<" + next_page(next.get<std::string>()) + ">; rel=\"next\""});
  }
  response.body = model::canonical_json(shown) + "\n";
}

void AliasCall::turn_location(Response& response, const Json& shown) const {
  if (!shown.contains("id")) return;
  for (http::Header& header : response.headers)
    if (header.name == "Location") header.value = place_below(way_.alias.pattern, shown.at("id"));
}

std::string AliasCall::next_page(const std::string& cursor) const {
  std::string out = call_.request.path + "?";
  for (const auto& [name, value] : call_.request.query)
    if (name != "cursor") out += http::percent_encode(name) + "=" + http::percent_encode(value) + "&";
  return out + "cursor=" + http::percent_encode(cursor);
}

}  // namespace ringfence::admin
