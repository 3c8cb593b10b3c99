// One appliance with who asks it: what a client command talks to.
#pragma once

#include <memory>
#include <string>

#include "contexts.h"
#include "http_client.h"
#include "ringfence/model/json.h"

namespace ringfence::client {

// What the command line says of the appliance; each client command has these options.
struct ConnectOptions {
  std::string context;
  std::string url;
  std::string ca_file;
  bool allows_plain_http = false;
  int64_t timeout_s = 30;
};

struct Question {
  std::string method = "GET";
  std::string path;
  std::string what;   // "change user ana": what failed, for a failure's message.
  std::string scope;  // What the route needs: 404 and 405 may mean that it is missing.
  std::optional<std::string> body{};
  std::vector<std::string> headers{};
};

// What a refusal says: the problem's detail and each wrong field, with the exit status that it stands for.
Failure failure_of(const HttpAnswer& answer, const std::string& what, const std::string& url);

class Connection {
 public:
  Connection(Endpoint endpoint, Credential credential)
      : http_(std::make_unique<HttpClient>(std::move(endpoint), std::move(credential))) {}

  // Whatever the status.
  Outcome<HttpAnswer> send(const HttpRequest& request) { return http_->send(request); }
  // Successes alone.
  Outcome<HttpAnswer> ask(const Question& question);
  // The same, and the body is a JSON object.
  Outcome<model::Json> ask_json(const Question& question);
  const Endpoint& endpoint() const { return http_->endpoint(); }
  const std::string& url() const { return http_->endpoint().url; }

 private:
  bool lacks(const std::string& scope);

  std::unique_ptr<HttpClient> http_;
};

// Without who asks; for open routes and logins.
Outcome<Endpoint> endpoint_of(const ConnectOptions& options, const Contexts& contexts);
// RINGFENCE_KEY, or the key of the context that --context, RINGFENCE_CONTEXT or the file's current one names.
// A context's key goes to the context's URL alone.
Outcome<Connection> connect(const ConnectOptions& options);
// The name of the context that holds; empty: none.
std::string chosen_context(const ConnectOptions& options, const Contexts& contexts);

// "/api/v1/users/ana%20b"
std::string path_of(const std::vector<std::string>& parts);
// "?limit=10&name=a%20b"; empty for none.
std::string query_of(const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace ringfence::client
