#include "ringfence/http/response.h"

#include <charconv>

namespace ringfence::http {

namespace {

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  for (char c : value) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  out += "\r\n";
}

std::string begin_head(int status, uint64_t date_us) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " ";
  out.append(reason_phrase(status)).append("\r\n");
  append_header(out, "Date", http_date(date_us));
  return out;
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

std::string serialize(const Response& response, const Framing& framing) {
  std::string out = begin_head(response.status, framing.date_us);
  out.reserve(256 + response.body.size());
  for (const auto& header : response.headers) append_header(out, header.name, header.value);
  // RFC 9110, 8.6: a 1xx or 204 response has no length.
  bool has_content = response.status >= 200 && response.status != 204;
  if (has_content && !response.content_type.empty())
    append_header(out, "Content-Type", response.content_type);
  if (has_content && framing.end == BodyEnd::length)
    append_header(out, "Content-Length", std::to_string(response.body.size()));
  if (has_content && framing.end == BodyEnd::chunks) append_header(out, "Transfer-Encoding", "chunked");
  append_header(out, "Connection", framing.keep_alive ? "keep-alive" : "close");
  out += "\r\n";
  if (has_content && !framing.head_only && framing.end == BodyEnd::length) out += response.body;
  return out;
}

void append_chunk(std::string& out, ByteView bytes) {
  if (bytes.empty()) return;
  char size[16];
  const auto digits =
      static_cast<size_t>(std::to_chars(size, size + sizeof size, bytes.size(), 16).ptr - size);
  out.append(size, digits).append("\r\n").append(bytes).append("\r\n");
}

std::string switch_protocols(std::string_view protocol, const std::vector<Header>& headers,
                             uint64_t date_us) {
  std::string out = begin_head(101, date_us);
  append_header(out, "Upgrade", protocol);
  append_header(out, "Connection", "Upgrade");
  for (const auto& header : headers) append_header(out, header.name, header.value);
  return out + "\r\n";
}

Response problem(int status, std::string_view detail, std::string_view instance) {
  Response response;
  response.status = status;
  response.content_type = "application/problem+json";
  std::string& out = response.body;
  out += "{\"type\":\"about:blank\",\"title\":";
  append_json_string(out, reason_phrase(status));
  out += ",\"status\":" + std::to_string(status) + ",\"detail\":";
  append_json_string(out, detail);
  if (!instance.empty()) {
    out += ",\"instance\":";
    append_json_string(out, instance);
  }
  out += "}\n";
  return response;
}

Response json_response(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

}  // namespace ringfence::http
