// Records of every noun: one table of routes, and handlers that know a noun only by its fields.
#include <charconv>
#include <nlohmann/json.hpp>

#include "authenticator.h"
#include "exchange.h"
#include "resources.h"
#include "ringfence/model/noun.h"
#include "schemas.h"

namespace ringfence::admin {

using control::Answer;
using control::RecordDirectory;
using http::Response;
using model::Json;
using ring::Task;

namespace {

constexpr size_t idempotency_key_bytes_max = 255;

struct Of {
  Resources& resources;
  const model::Noun& noun;
};

// ---------------------------------------------------------------- what a request says

template <typename T>
bool take_number(std::string_view text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// False: it is no list's; `refusal` says why.
bool take_list(const Call& call, control::ListRequest& request, Response& refusal) {
  for (const auto& [name, value] : call.request.query) {
    if (name == "cursor") request.cursor = value;
    else if (name == "sort") request.sort = value;
    else if (name != "limit") request.filters.emplace_back(name, value);
    else if (!take_number(value, request.limit)) request.limit = 0;
  }
  if (request.limit >= 1 && request.limit <= control::list_limit_max) return true;
  refusal =
      http::problem(400, "limit must be a whole number from 1 to " + std::to_string(control::list_limit_max),
                    call.request.path);
  return false;
}

// RFC 9110, section 13.1.1: one tag of ours, or "*" for any. Others are refused: a tag that is misread would
// let a change overwrite another one.
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

// RFC 9110, section 13.1.2: weak comparison, of a list.
bool is_known_to_client(const Call& call, int64_t version) {
  const std::string* header = call.request.header("If-None-Match");
  if (header == nullptr) return false;
  const std::string tag = etag_of(version);
  return *header == "*" || http::list_has(*header, tag) || http::list_has(*header, "W/" + tag);
}

// ---------------------------------------------------------------- handlers

using Asking = std::function<void(RecordDirectory&, RecordDirectory::Done)>;

// Nothing: there was no answer in time, or nobody who answers; `refusal` says so.
Task<std::optional<Answer>> asked(const Of& of, Asking asking, Response& refusal) {
  Resources& resources = of.resources;
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

Task<Response> list(const Of& of, const Call& call) {
  Response refusal;
  control::ListRequest request;
  if (!take_list(call, request, refusal)) co_return refusal;
  Asking asking = [&](RecordDirectory& records, RecordDirectory::Done done) {
    records.list(of.noun, request, std::move(done));
  };
  Task<std::optional<Answer>> waiting = asked(of, std::move(asking), refusal);
  std::optional<Answer> answer = co_await waiting;
  if (!answer) co_return refusal;
  // It is the query that makes no sense.
  if (answer->kind == Answer::Kind::invalid) co_return http::problem(400, answer->message, call.request.path);
  co_return answer_of(*answer, call.request.path);
}

Task<Response> create(const Of& of, const Call& call) {
  Response refusal;
  Json given;
  std::string key;
  if (!take_json(call, given, refusal) || !take_idempotency_key(call, key, refusal)) co_return refusal;
  Asking asking = [&](RecordDirectory& records, RecordDirectory::Done done) {
    records.create(of.noun, given, actor_of(call), key, std::move(done));
  };
  Task<std::optional<Answer>> waiting = asked(of, std::move(asking), refusal);
  std::optional<Answer> answer = co_await waiting;
  if (!answer) co_return refusal;
  Response response = answer_of(*answer, call.request.path);
  if (answer->kind == Answer::Kind::created) {
    const std::string id = answer->body.value("id", "");
    response.headers.push_back({"Location", "/api/v1/" + std::string(of.noun.plural) + "/" + id});
  }
  co_return response;
}

Task<Response> read(const Of& of, const Call& call) {
  Response refusal;
  Asking asking = [&](RecordDirectory& records, RecordDirectory::Done done) {
    records.read(of.noun, call.captured[0], std::move(done));
  };
  Task<std::optional<Answer>> waiting = asked(of, std::move(asking), refusal);
  std::optional<Answer> answer = co_await waiting;
  if (!answer) co_return refusal;
  Response response = answer_of(*answer, call.request.path);
  if (answer->kind == Answer::Kind::ok && is_known_to_client(call, answer->version)) {
    response.status = 304;
    response.body.clear();
    response.content_type.clear();
  }
  co_return response;
}

Task<Response> change(const Of& of, const Call& call) {
  Response refusal;
  Json given;
  std::optional<int64_t> version;
  if (!take_json(call, given, refusal, "application/merge-patch+json") ||
      !take_if_match(call, version, refusal))
    co_return refusal;
  Asking asking = [&](RecordDirectory& records, RecordDirectory::Done done) {
    records.change(of.noun, call.captured[0], given, version, actor_of(call), std::move(done));
  };
  Task<std::optional<Answer>> waiting = asked(of, std::move(asking), refusal);
  std::optional<Answer> answer = co_await waiting;
  if (!answer) co_return refusal;
  co_return answer_of(*answer, call.request.path);
}

Task<Response> remove(const Of& of, const Call& call) {
  Response refusal;
  std::optional<int64_t> version;
  if (!take_if_match(call, version, refusal)) co_return refusal;
  Asking asking = [&](RecordDirectory& records, RecordDirectory::Done done) {
    records.remove(of.noun, call.captured[0], version, actor_of(call), std::move(done));
  };
  Task<std::optional<Answer>> waiting = asked(of, std::move(asking), refusal);
  std::optional<Answer> answer = co_await waiting;
  if (!answer) co_return refusal;
  co_return answer_of(*answer, call.request.path);
}

// ---------------------------------------------------------------- the table

struct Verb {
  const char* method;
  bool is_of_one;
  const char* action;       // The scope is "<plural>:<action>".
  const char* description;  // Before the noun's own.
  Exchange (*exchange)(const std::string& schema);
  Task<Response> (*handle)(const Of&, const Call&);
};

constexpr Verb verbs[] = {
    {"GET", false, "read", "Lists records, page by page.",
     [](const std::string& schema) { return Exchange{200, "", schema + "List", {400, 501, 503}}; }, list},
    {"POST", false, "write", "Makes a record.",
     [](const std::string& schema) {
       return Exchange{201,
                       "New" + schema,
                       schema,
                       {400, 403, 409, 413, 415, 422, 501, 503},
                       {"Idempotency-Key", "X-CSRF-Token"}};
     },
     create},
    {"GET", true, "read", "Shows one record, by its id or its name.",
     [](const std::string& schema) {
       return Exchange{200, "", schema, {304, 409, 501, 503}, {"If-None-Match"}};
     },
     read},
    {"PATCH", true, "write", "Changes what is given of one record; null takes a value away.",
     [](const std::string& schema) {
       return Exchange{200,
                       schema + "Change",
                       schema,
                       {400, 403, 409, 412, 413, 415, 422, 501, 503},
                       {"If-Match", "X-CSRF-Token"}};
     },
     change},
    {"DELETE", true, "write", "Deletes one record.",
     [](const std::string&) {
       return Exchange{204, "", "", {400, 403, 409, 412, 501, 503}, {"If-Match", "X-CSRF-Token"}};
     },
     remove},
};

std::vector<Parameter> list_parameters(const model::Noun& noun) {
  std::string orders = "created_at, number";
  for (const model::Field& field : noun.fields)
    if (field.is_sorted) orders += ", " + std::string(field.name);
  std::vector<Parameter> out = {
      {"limit", "How many records the page has at most: 1 to 1000; 100 where it is not given.", "integer"},
      {"cursor", "The next_cursor of the page before."},
      {"sort", "The order, with - before it for the other direction: " + orders + "."}};
  for (const model::Field& field : noun.fields) {
    if (!field.is_filter) continue;
    const bool is_flag = field.kind == model::FieldKind::boolean;
    out.emplace_back(std::string(field.name),
                     "Only records with this value. " + std::string(field.description),
                     is_flag ? "boolean" : "string");
  }
  return out;
}

}  // namespace

void add_records(Router& router, Resources& resources) {
  for (const model::Noun* noun : model::nouns()) {
    const std::string plural(noun->plural);
    for (const Verb& verb : verbs) {
      Route route;
      route.method = verb.method;
      route.pattern = "/api/v1/" + plural + (verb.is_of_one ? "/{id}" : "");
      route.scope = plural + ":" + verb.action;
      if (std::string_view(verb.method) == "GET" && !verb.is_of_one)
        route.parameters = list_parameters(*noun);
      route.description = std::string(verb.description) + " " + std::string(noun->description);
      route.body_bytes_max = json_body_bytes_max;
      route.exchange = verb.exchange(schema_name(*noun));
      auto of = std::make_shared<const Of>(Of{resources, *noun});
      router.add(std::move(route),
                 WholeHandler([of, handle = verb.handle](const Call& call) { return handle(*of, call); }));
    }
  }
}

}  // namespace ringfence::admin
