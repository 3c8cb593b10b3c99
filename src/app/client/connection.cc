#include "connection.h"

#include <nlohmann/json.hpp>

#include "ringfence/app/config/env.h"
#include "ringfence/http/text.h"
#include "ringfence/model/json_fields.h"
#include "ringfence/model/scope_form.h"

namespace ringfence::client {

using model::Json;

namespace {

Exit exit_of(long status) {
  switch (status) {
    case 401:
    case 403: return Exit::denied;
    case 404: return Exit::not_found;
    case 409:
    case 412: return Exit::conflict;
    case 429:
    case 502:
    case 503:
    case 504: return Exit::unreachable;
    default: return Exit::refused;
  }
}

std::string cure_of(long status, const std::string& url) {
  if (status == 401) return "; log in: ringfence login --url " + url;
  if (status == 412) return "; somebody changed it meanwhile: look at it and try again";
  return {};
}

Failure not_logged_in() {
  return {Exit::denied, "not logged in: run ringfence login --url https://HOST:PORT"};
}

std::string option_or_variable(const std::string& option, std::string_view name) {
  return option.empty() ? app::variable(name) : option;
}

// The context that is named, or the current one; null: there is none, and none is named.
Outcome<const SavedContext*> saved(const ConnectOptions& options, const Contexts& contexts) {
  const std::string name = chosen_context(options, contexts);
  if (name.empty()) return nullptr;
  const auto found = contexts.all.find(name);
  if (found != contexts.all.end()) return &found->second;
  return failed(Exit::denied, "there is no context \"" + name +
                                  "\"; ringfence context list shows them, ringfence login --context " + name +
                                  " --url https://HOST:PORT makes it");
}

Outcome<Contexts> load_contexts() {
  auto file = ContextsFile::of_user();
  if (!file) return passed_on(std::move(file).error());
  return file->load();
}

}  // namespace

Failure failure_of(const HttpAnswer& answer, const std::string& what, const std::string& url) {
  const Json problem = Json::parse(answer.body, nullptr, false);
  std::string out = what.empty() ? "" : "cannot " + what + ": ";
  if (!problem.is_object()) {
    out += url + " answers with HTTP status " + std::to_string(answer.status);
    const bool is_passing = exit_of(answer.status) == Exit::unreachable;
    return {exit_of(answer.status),
            out + (is_passing ? "; try again in a moment" : cure_of(answer.status, url))};
  }
  std::string detail = model::text_in(problem, "detail");
  if (detail.empty()) detail = model::text_in(problem, "title");
  out += detail + cure_of(answer.status, url);
  const Json errors = problem.value("errors", Json::array());
  for (const Json& error : errors.is_array() ? errors : Json::array()) {
    if (error.is_object())
      out += "\n  " + model::text_in(error, "field") + ": " + model::text_in(error, "message");
  }
  return {exit_of(answer.status), std::move(out)};
}

// Who lacks a scope gets the same answer as for what is not there, or is not possible there; what he may, he
// is told.
bool Connection::lacks(const std::string& scope) {
  auto me = send({.path = "/api/v1/auth/me"});
  if (!me || me->status != 200) return false;
  const Json json = Json::parse(me->body, nullptr, false);
  const Json scopes = json.is_object() ? json.value("scopes", Json::array()) : Json::array();
  for (const Json& held : scopes) {
    if (held.is_string() && model::covers(held.get<std::string>(), scope)) return false;
  }
  return true;
}

Outcome<HttpAnswer> Connection::ask(const Question& question) {
  auto answer = send(
      {.method = question.method, .path = question.path, .body = question.body, .headers = question.headers});
  if (!answer) return answer;
  if (answer->is_success()) return answer;
  const bool may_be_hidden = answer->status == 404 || answer->status == 405;
  if (may_be_hidden && !question.scope.empty() && lacks(question.scope))
    return failed(Exit::denied, "cannot " + question.what + ": you lack the scope " + question.scope +
                                    "; ringfence whoami shows yours, a role's permissions give more");
  return passed_on(failure_of(*answer, question.what, url()));
}

Outcome<Json> Connection::ask_json(const Question& question) {
  auto answer = ask(question);
  if (!answer) return passed_on(std::move(answer).error());
  Json out = Json::parse(answer->body, nullptr, false);
  if (out.is_object()) return out;
  return failed(Exit::refused,
                url() + " answers with what is no JSON object; is it an appliance's admin address?");
}

std::string chosen_context(const ConnectOptions& options, const Contexts& contexts) {
  const std::string named = option_or_variable(options.context, "RINGFENCE_CONTEXT");
  return named.empty() ? contexts.current : named;
}

Outcome<Endpoint> endpoint_of(const ConnectOptions& options, const Contexts& contexts) {
  Endpoint out;
  out.timeout_s = options.timeout_s;
  std::string url = option_or_variable(options.url, "RINGFENCE_URL");
  out.allows_plain_http = options.allows_plain_http;
  out.ca_file = option_or_variable(options.ca_file, "RINGFENCE_CACERT");
  if (url.empty()) {
    auto context = saved(options, contexts);
    if (!context) return passed_on(std::move(context).error());
    if (*context == nullptr) return passed_on(not_logged_in());
    url = (*context)->url;
    if (out.ca_file.empty()) out.ca_file = (*context)->ca_file;
    out.allows_plain_http |= (*context)->allows_plain_http;
  }
  auto checked = checked_url(url, out.allows_plain_http);
  if (!checked) return passed_on(std::move(checked).error());
  out.url = std::move(*checked);
  return out;
}

Outcome<Connection> connect(const ConnectOptions& options) {
  std::string given_key = app::variable("RINGFENCE_KEY");
  const bool needs_no_file = !given_key.empty() && !option_or_variable(options.url, "RINGFENCE_URL").empty();
  Contexts contexts;
  if (!needs_no_file) {
    auto loaded = load_contexts();
    if (!loaded) return passed_on(std::move(loaded).error());
    contexts = std::move(*loaded);
  }
  auto endpoint = endpoint_of(options, contexts);
  if (!endpoint) return passed_on(std::move(endpoint).error());
  Credential credential;
  if (!given_key.empty()) {
    credential.key = model::Secret(given_key);
    crypto::secure_zero(given_key);
    return Connection(std::move(*endpoint), std::move(credential));
  }
  auto context = saved(options, contexts);
  if (!context) return passed_on(std::move(context).error());
  if (*context == nullptr)
    return failed(Exit::denied, "not logged in: run ringfence login --url " + endpoint->url);
  if ((*context)->url != endpoint->url)
    return failed(Exit::usage, "the context's key is for " + (*context)->url + ", not for " + endpoint->url +
                                   "; set RINGFENCE_KEY, or choose another context with --context");
  credential.key = (*context)->key;
  if (endpoint->ca_file.empty()) endpoint->ca_file = (*context)->ca_file;
  return Connection(std::move(*endpoint), std::move(credential));
}

std::string path_of(const std::vector<std::string>& parts) {
  std::string out = "/api/v1";
  for (const std::string& part : parts) out += "/" + http::percent_encode(part);
  return out;
}

std::string query_of(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters)
    out += (out.empty() ? "?" : "&") + http::percent_encode(name) + "=" + http::percent_encode(value);
  return out;
}

}  // namespace ringfence::client
