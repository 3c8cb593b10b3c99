#include "exchange.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "authenticator.h"
#include "resources.h"

namespace ringfence::admin {

using control::Answer;
using http::Response;
using model::Json;

namespace {

constexpr size_t idempotency_key_bytes_max = 255;

// Without parameters, in any case: "application/json; charset=utf-8" is application/json.
bool is_media_type(std::string_view value, std::string_view wanted) {
  value = value.substr(0, value.find(';'));
  while (value.ends_with(' ')) value.remove_suffix(1);
  return http::equals_ignoring_case(value, wanted);
}

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

bool take_json(const Call& call, Json& body, Response& refusal, std::string_view media_type) {
  const http::Request& request = call.request;
  const std::string* type = request.header("Content-Type");
  const bool is_json = type != nullptr && request.count("Content-Type") == 1 &&
                       (is_media_type(*type, "application/json") || is_media_type(*type, media_type));
  if (!is_json) {
    refusal = http::problem(415, "the body must be JSON: Content-Type: application/json", request.path);
    return false;
  }
  auto parsed = model::parse_json(request.body);
  if (!parsed) {
    refusal = http::problem(400, "the body is no JSON of this API: " + parsed.error().message, request.path);
    return false;
  }
  if (!parsed->is_object()) {
    refusal = http::problem(400, "the body must be a JSON object", request.path);
    return false;
  }
  body = std::move(*parsed);
  return true;
}

bool take_if_match(const Call& call, std::optional<int64_t>& version, Response& refusal) {
  const std::string* header = call.request.header("If-Match");
  if (header == nullptr) return true;
  const std::string_view text = *header;
  int64_t number = 0;
  const bool is_quoted = text.size() > 2 && text.front() == '"' && text.back() == '"';
  const bool is_tag = is_quoted && take_number(text.substr(1, text.size() - 2), number) && number > 0;
  if (call.request.count("If-Match") == 1 && text == "*") return true;
  if (call.request.count("If-Match") == 1 && is_tag) {
    version = number;
    return true;
  }
  refusal = http::problem(400, "If-Match must be the ETag of this record, such as \"7\" with its quotes",
                          call.request.path);
  return false;
}

bool take_idempotency_key(const Call& call, std::string& key, Response& refusal) {
  const std::string* header = call.request.header("Idempotency-Key");
  if (header == nullptr) return true;
  const auto is_plain = [](char c) { return c > 0x20 && c < 0x7f; };
  const bool is_key = call.request.count("Idempotency-Key") == 1 && !header->empty() &&
                      header->size() <= idempotency_key_bytes_max &&
                      std::all_of(header->begin(), header->end(), is_plain);
  if (is_key) {
    key = *header;
    return true;
  }
  refusal = http::problem(400, "Idempotency-Key must be 1 to 255 visible ASCII characters, without blanks",
                          call.request.path);
  return false;
}

ring::Task<std::optional<Answer>> asked(Resources& resources, Asking asking, Response& refusal) {
  if (resources.sources.records == nullptr) {
    refusal = http::problem(501, "this appliance has no store for records; set audit.enabled");
    co_return std::nullopt;
  }
  Ask<Answer> ask(resources.asks, resources.shard, resources.options.record_ms);
  asking(*resources.sources.records, ask.done());
  std::optional<Answer> answer = co_await ask;
  if (!answer) refusal = late(resources, "the store");
  co_return answer;
}

Response json_answer(int status, const Json& body) { return http::json_response(status, text_of(body)); }

Response problem_of(int status, std::string_view detail, std::string_view instance,
                    const model::Defects& defects) {
  Response out = http::problem(status, detail, instance);
  if (defects.empty()) return out;
  Json body = Json::parse(out.body);
  for (const model::Defect& defect : defects)
    body["errors"].push_back({{"field", defect.path}, {"message", defect.message}});
  out.body = text_of(body);
  return out;
}

std::string etag_of(int64_t version) { return "\"" + std::to_string(version) + "\""; }

Response answer_of(const Answer& answer, std::string_view instance) {
  const auto problem = [&](int status) {
    return problem_of(status, answer.message, instance, answer.defects);
  };
  switch (answer.kind) {
    case Answer::Kind::ok:
    case Answer::Kind::accepted:
    case Answer::Kind::created: {
      const int status = answer.kind == Answer::Kind::ok        ? 200
                         : answer.kind == Answer::Kind::created ? 201
                                                                : 202;
      Response out = json_answer(status, answer.body);
      if (answer.version > 0) out.headers.push_back({"ETag", etag_of(answer.version)});
      return out;
    }
    case Answer::Kind::deleted: {
      Response out;
      out.status = 204;
      return out;
    }
    case Answer::Kind::invalid:
      return problem_of(422, answer.message.empty() ? "the record is not valid" : answer.message, instance,
                        answer.defects);
    case Answer::Kind::forbidden: return problem(403);
    case Answer::Kind::not_found: return problem(404);
    case Answer::Kind::conflict: return problem(409);
    case Answer::Kind::stale: return problem(412);
    case Answer::Kind::impossible: return problem(501);
    case Answer::Kind::unavailable: break;
  }
  return come_again(answer.message, instance);
}

control::Actor actor_of(const Call& call) {
  const Principal& who = call.principal;
  return {who.name, who.method, call.client_addr, who.user_id, who.scopes, who.key_id};
}

}  // namespace ringfence::admin
