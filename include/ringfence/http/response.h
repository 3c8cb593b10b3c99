// HTTP/1.1 responses as bytes, and problem details (RFC 9457).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/http/request.h"

namespace ringfence::http {

struct Response {
  int status = 200;
  std::string content_type;  // Empty: no Content-Type header.
  std::string body;
  std::vector<Header> headers;  // Beside Content-Type, Content-Length, Connection and Date.
};

struct Framing {
  bool head_only = false;  // The request was HEAD: lengths as for GET, no body.
  bool keep_alive = true;
  uint64_t date_us = 0;  // Unix time.
};

// Control bytes in a header's value become blanks, so that nothing can end a line early.
std::string serialize(const Response& response, const Framing& framing);

std::string_view reason_phrase(int status);

// type is about:blank and title the status's phrase, as RFC 9457 has it for problems without a type of their
// own.
Response problem(int status, std::string_view detail, std::string_view instance = {});
Response json_response(int status, std::string body);

}  // namespace ringfence::http
