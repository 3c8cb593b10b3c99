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

// How a peer learns where the body ends.
enum class BodyEnd : uint8_t {
  length,   // Content-Length; the body is the response's own.
  chunks,   // The last chunk; the body follows, piece by piece, as append_chunk writes it.
  closing,  // The connection's end; the body follows as it is.
};

struct Framing {
  bool head_only = false;  // The request was HEAD: lengths as for GET, no body.
  bool keep_alive = true;
  uint64_t date_us = 0;  // Unix time.
  BodyEnd end = BodyEnd::length;
};

// Ends a body that was sent in chunks (RFC 9112, 7.1).
inline constexpr std::string_view last_chunk = "0\r\n\r\n";
// Adds bytes as one chunk. Without bytes there is none: it would be the last one.
void append_chunk(std::string& out, ByteView bytes);

// Control bytes in a header's value become blanks, so that nothing can end a line early.
std::string serialize(const Response& response, const Framing& framing);

// The head of a 101: `protocol` is spoken behind it (RFC 9110, 7.8).
std::string switch_protocols(std::string_view protocol, const std::vector<Header>& headers, uint64_t date_us);

std::string_view reason_phrase(int status);

// type is about:blank and title the status's phrase, as RFC 9457 has it for problems without a type of their
// own.
Response problem(int status, std::string_view detail, std::string_view instance = {});
Response json_response(int status, std::string body);

}  // namespace ringfence::http
