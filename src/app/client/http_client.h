// HTTP by libcurl: one request at a time to one appliance, over a connection that is kept.
//
// Redirects are not followed and no .netrc is read: the credential goes to the one place that was named.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "endpoint.h"
#include "outcome.h"

namespace ringfence::client {

// Of an answer that is held in memory. A page of 1,000 records is some megabytes.
inline constexpr size_t answer_bytes_max = size_t{64} << 20;

struct HttpRequest {
  std::string method = "GET";
  std::string path;                    // With its query: "/api/v1/users?limit=10".
  std::optional<std::string> body;     // JSON.
  std::vector<std::string> headers{};  // "If-Match: \"7\"".
  // Takes a successful answer's body piece by piece, which then has no bound; false ends the request.
  std::function<bool(ByteView)> sink{};
  size_t bytes_max = answer_bytes_max;  // Of an answer without a sink.
};

struct HttpAnswer {
  long status = 0;
  std::string body;  // Empty where the request has a sink and the answer is a success.

  bool is_success() const { return status >= 200 && status < 300; }
};

class HttpClient {
 public:
  HttpClient(Endpoint endpoint, Credential credential);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Fails where there is no answer: Exit::unreachable, or Exit::refused for one beyond bytes_max.
  Outcome<HttpAnswer> send(const HttpRequest& request);
  const Endpoint& endpoint() const { return endpoint_; }

 private:
  struct Handle;

  Endpoint endpoint_;
  Credential credential_;
  std::unique_ptr<Handle> handle_;
};

}  // namespace ringfence::client
