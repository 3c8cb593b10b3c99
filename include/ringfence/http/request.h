// HTTP/1.1 requests out of bytes (RFC 9112), strictly.
//
// One request at a time: feed() takes bytes until a request is complete and leaves those of the next. What
// can be read in two ways is refused, so that no proxy in front of us can be made to see other requests than
// we do: bare line feeds and returns, folded lines, both lengths, a length given twice, trailers, transfer
// codings other than `chunked`. Everything has a bound, and every violation the status that tells it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/http/text.h"

namespace ringfence::http {

struct Header {
  std::string name;
  std::string value;
};

struct Request {
  std::string method;
  std::string target;  // As sent.
  std::string path;    // Of the target, still percent-encoded: a router decodes segment by segment.
  Parameters query;
  std::vector<Header> headers;
  std::string body;
  bool keep_alive = true;
  int version_minor = 1;  // HTTP/1.0 or HTTP/1.1.

  // The first header of that name, or null.
  const std::string* header(std::string_view name) const;
  size_t count(std::string_view name) const;
};

struct RequestLimits {
  size_t target_bytes_max = 8 * 1024;   // 414
  size_t headers_max = 100;             // 431
  size_t head_bytes_max = 32 * 1024;    // 431; request line and headers together, as sent.
  size_t body_bytes_max = 1024 * 1024;  // 413; decoded.
  // feed() stops behind the head of a request with a body, until begin_body() has said how long that may be.
  bool asks_about_body = false;
};

class RequestParser {
 public:
  enum class State : uint8_t {
    head,      // Before or within the request line and headers.
    asking,    // The head is there; begin_body() is to be called. Only where the limits say so.
    body,      // The headers are there, the body is not.
    complete,  // take() gives the request.
    failed,    // failure() says why; nothing more is taken from this peer.
  };
  // What to answer before closing the connection.
  struct Failure {
    int status = 400;
    std::string detail;
  };

  explicit RequestParser(RequestLimits limits = {});
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Returns how many bytes were used: all, unless the request is complete or the parser has failed.
  size_t feed(ByteView bytes);
  State state() const;
  // Whether the first byte of a request is here: tells an idle connection from a slow one.
  bool has_begun() const;
  // The client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1). In state body only.
  bool expects_continue() const;
  const Failure& failure() const;
  // In state asking: the body follows, of at most `bytes_max` decoded bytes. A longer one fails with 413.
  void begin_body(size_t bytes_max);
  // From state asking on: the request without its body. Valid until take().
  const Request& request() const;
  // What came of the body since the last call. take() then gives the request without these bytes.
  std::string take_body();
  // In state complete. The parser begins the next request.
  Request take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringfence::http
