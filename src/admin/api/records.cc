// Records of every noun: one table of routes, and handlers that know a noun only by its fields.
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

struct Of {
  Resources& resources;
  const model::Noun& noun;
};

// ---------------------------------------------------------------- what a request says

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

// RFC 9110, section 13.1.2: weak comparison, of a list.
bool is_known_to_client(const Call& call, int64_t version) {
  const std::string* header = call.request.header("If-None-Match");
  if (header == nullptr) return false;
  const std::string tag = etag_of(version);
  return *header == "*" || http::list_has(*header, tag) || http::list_has(*header, "W/" + tag);
}

// A user has a name that is his alone as long as he is there, and he stays as long as his requests and keys
// do.
bool sees_own_alone(const model::Noun& noun, const Call& call) {
  const bool has_owners = noun.is_request || noun.name == "key";
  return has_owners && !call.principal.scopes.has(std::string(noun.plural) + ":read");
}

// ---------------------------------------------------------------- handlers

Task<Response> list(const Of& of, const Call& call) {
  Response refusal;
  control::ListRequest request;
  if (!take_list(call, request, refusal)) co_return refusal;
  if (sees_own_alone(of.noun, call)) request.filters.emplace_back("user", to_string(call.principal.user_id));
  Asking asking = [&](RecordDirectory& records, RecordDirectory::Done done) {
    records.list(of.noun, request, std::move(done));
  };
  Task<std::optional<Answer>> waiting = asked(of.resources, std::move(asking), refusal);
  std::optional<Answer> answer = co_await waiting;
  if (!answer) co_return refusal;
  // It is the query that makes no sense.
  if (answer->kind == Answer::Kind::invalid) co_return http::problem(400, answer->message, call.request.path);
  co_return answer_of(*answer, call.request.path);
}

// What makes no sense is told to the trail as what is not valid is. It is his own word: who it is, is known.
Response noted(const Of& of, const Call& call, std::string_view action, Response refusal) {
  if (of.resources.sources.records == nullptr) return refusal;
  const std::string which = call.captured.empty() ? "" : call.captured[0];
  of.resources.sources.records->note_refusal(action, of.noun, which, "the request cannot be read",
                                             actor_of(call));
  return refusal;
}

Task<Response> create(const Of& of, const Call& call) {
  Response refusal;
  Json given;
  std::string key;
  if (!take_json(call, given, refusal) || !take_idempotency_key(call, key, refusal))
    co_return noted(of, call, "CREATE", std::move(refusal));
  Asking asking = [&](RecordDirectory& records, RecordDirectory::Done done) {
    records.create(of.noun, given, actor_of(call), key, std::move(done));
  };
  Task<std::optional<Answer>> waiting = asked(of.resources, std::move(asking), refusal);
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
  Task<std::optional<Answer>> waiting = asked(of.resources, std::move(asking), refusal);
  std::optional<Answer> answer = co_await waiting;
  if (!answer) co_return refusal;
  const auto user = answer->body.find("user");
  const bool is_own = answer->body.is_object() && user != answer->body.end() && *user == call.principal.name;
  if (answer->kind == Answer::Kind::ok && sees_own_alone(of.noun, call) && !is_own)
    co_return http::problem(404, "there is no such " + std::string(of.noun.name), call.request.path);
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
    co_return noted(of, call, "UPDATE", std::move(refusal));
  Asking asking = [&](RecordDirectory& records, RecordDirectory::Done done) {
    records.change(of.noun, call.captured[0], given, version, actor_of(call), std::move(done));
  };
  Task<std::optional<Answer>> waiting = asked(of.resources, std::move(asking), refusal);
  std::optional<Answer> answer = co_await waiting;
  if (!answer) co_return refusal;
  co_return answer_of(*answer, call.request.path);
}

Task<Response> remove(const Of& of, const Call& call) {
  Response refusal;
  std::optional<int64_t> version;
  if (!take_if_match(call, version, refusal)) co_return noted(of, call, "DELETE", std::move(refusal));
  Asking asking = [&](RecordDirectory& records, RecordDirectory::Done done) {
    records.remove(of.noun, call.captured[0], version, actor_of(call), std::move(done));
  };
  Task<std::optional<Answer>> waiting = asked(of.resources, std::move(asking), refusal);
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

// What one may do to what is one's own.
std::string own_scope_of(const model::Noun& noun, std::string_view method) {
  if (noun.name == "key") return "self:keys";
  if (noun.is_request && method != "DELETE") return "self:" + std::string(noun.plural);
  if (noun.name == "grant" && method == "DELETE") return "grants:break-glass";
  return "";
}

}  // namespace

void add_records(Router& router, Resources& resources) {
  for (const model::Noun* noun : model::nouns()) {
    const std::string plural(noun->plural);
    for (const Verb& verb : verbs) {
      const std::string_view method = verb.method;
      if (noun->is_request && method == "PATCH") continue;
      Route route;
      route.method = verb.method;
      route.pattern = "/api/v1/" + plural + (verb.is_of_one ? "/{id}" : "");
      route.scope = plural + ":" + (noun->is_request && method == "POST" ? "create" : verb.action);
      route.own_scope = own_scope_of(*noun, method);
      if (method == "GET" && !verb.is_of_one) route.parameters = list_parameters(*noun);
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
