// The head is gathered and looked at byte by byte, then given to llhttp whole; a chunked body is given to it
// line by line and chunk by chunk. llhttp decides what the bytes mean; what is done here only narrows what it
// may see.
#include "ringfence/http/request.h"

#include <llhttp.h>

#include <algorithm>

#include "ringfence/base/result.h"

namespace ringfence::http {

namespace {

// The method, two blanks and the version, beside the target.
constexpr size_t line_overhead = 64;
// A chunk's size and its extensions.
constexpr size_t chunk_line_max = 256;
// Chunks of one byte are six on the wire; more framing than that is an attack on our time.
constexpr size_t chunk_overhead_factor = 8;
constexpr size_t chunk_overhead_slack = 64 * 1024;

bool is_forbidden_in_head(char c) {
  auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t' && c != '\r' && c != '\n') || byte == 0x7f;
}

}  // namespace

const std::string* Request::header(std::string_view name) const {
  for (const auto& header : headers) {
    if (equals_ignoring_case(header.name, name)) return &header.value;
  }
  return nullptr;
}

size_t Request::count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(headers.begin(), headers.end(), [&](const Header& header) {
    return equals_ignoring_case(header.name, name);
  }));
}

struct RequestParser::Impl {
  explicit Impl(RequestLimits bounds) : limits(bounds) {
    llhttp_settings_init(&settings);
    settings.on_url = [](llhttp_t* p, const char* at, size_t size) {
      return of(p).on_target(ByteView(at, size));
    };
    settings.on_header_field = [](llhttp_t* p, const char* at, size_t size) {
      return of(p).on_name(ByteView(at, size));
    };
    settings.on_header_value = [](llhttp_t* p, const char* at, size_t size) {
      return of(p).on_value(ByteView(at, size));
    };
    settings.on_header_value_complete = [](llhttp_t* p) { return of(p).on_value_complete(); };
    settings.on_headers_complete = [](llhttp_t* p) { return of(p).on_head(); };
    settings.on_chunk_header = [](llhttp_t* p) { return of(p).on_chunk(); };
    settings.on_body = [](llhttp_t* p, const char* at, size_t size) {
      return of(p).on_body(ByteView(at, size));
    };
    settings.on_message_complete = [](llhttp_t* p) { return of(p).on_complete(); };
    begin();
  }

  static Impl& of(llhttp_t* parser) { return *static_cast<Impl*>(parser->data); }

  void begin() {
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = this;
    state = State::head;
    request = {};
    head.clear();
    line_begin = 0;
    is_chunked = false;
    expects_continue = false;
    last = '\0';
    chunk_left = 0;
    line_bytes = 0;
    body_wire_bytes = 0;
    body_bytes = 0;
    body_max = limits.body_bytes_max;
  }

  // Gives -1, which stops llhttp.
  int refuse(int status, std::string detail) {
    if (state != State::failed) failure = {status, std::move(detail)};
    state = State::failed;
    return -1;
  }

  size_t feed_head(ByteView bytes);
  bool take_head_byte(char c);
  void parse_head();
  size_t feed_body(ByteView bytes);
  size_t feed_chunked(ByteView bytes);
  size_t execute(ByteView bytes);
  void refuse_as_llhttp_says(llhttp_errno_t error);

  int on_target(ByteView bytes) {
    request.target.append(bytes);
    return 0;
  }
  int on_name(ByteView bytes) {
    if (state == State::body) return refuse(400, "trailer fields are not taken");
    if (!name_open) {
      if (request.headers.size() == limits.headers_max) {
        return refuse(431, "more than " + std::to_string(limits.headers_max) + " header fields");
      }
      request.headers.emplace_back();
      name_open = true;
    }
    request.headers.back().name.append(bytes);
    return 0;
  }
  int on_value(ByteView bytes) {
    if (request.headers.empty()) return refuse(400, "header field without a name");
    request.headers.back().value.append(bytes);
    return 0;
  }
  int on_value_complete() {
    name_open = false;
    return 0;
  }
  int on_head();
  int check_lengths();
  int check_host();
  int split_target();
  int on_chunk() {
    if (parser.content_length > body_max - body_bytes) return refuse_body();
    chunk_left = parser.content_length;
    return 0;
  }
  int on_body(ByteView bytes) {
    if (bytes.size() > body_max - body_bytes) return refuse_body();
    request.body.append(bytes);
    body_bytes += bytes.size();
    chunk_left -= is_chunked ? bytes.size() : 0;
    return 0;
  }
  int refuse_body() { return refuse(413, "the body has more than " + std::to_string(body_max) + " bytes"); }
  int on_complete() {
    state = State::complete;
    // What follows belongs to the next request.
    return HPE_PAUSED;
  }

  const RequestLimits limits;
  llhttp_settings_t settings;
  llhttp_t parser;
  State state = State::head;
  Failure failure;
  Request request;
  std::string head;       // What came of the head.
  size_t line_begin = 0;  // Where its last line begins.
  bool skipped_line = false;
  bool name_open = false;
  bool is_chunked = false;
  bool expects_continue = false;
  char last = '\0';         // The byte before, in a chunked body's lines.
  uint64_t chunk_left = 0;  // Data bytes of this chunk that have not come yet.
  size_t line_bytes = 0;    // Of a chunked body's current line.
  size_t body_wire_bytes = 0;
  size_t body_bytes = 0;  // Decoded, those that were taken among them.
  size_t body_max = 0;
};

// False when the parser has failed.
bool RequestParser::Impl::take_head_byte(char c) {
  if (is_forbidden_in_head(c)) return refuse(400, "control byte in the head") == 0;
  char before = head.empty() ? '\0' : head.back();
  if ((c == '\n') != (before == '\r')) {
    return refuse(400,
                  c == '\n' ? "line feed without carriage return" : "carriage return without line feed") == 0;
  }
  bool is_first_line = line_begin == 0;
  if (!is_first_line && head.size() == line_begin) {
    if (c == ' ' || c == '\t') return refuse(400, "folded header line") == 0;
    // llhttp would take the value for more of the line before.
    if (c == ':') return refuse(400, "header field without a name") == 0;
  }
  head += c;
  if (is_first_line && head.size() > limits.target_bytes_max + line_overhead) {
    return refuse(414, "the request line is too long") == 0;
  }
  if (head.size() > limits.head_bytes_max + (is_first_line ? limits.target_bytes_max : 0)) {
    return refuse(431, "the head has more than " + std::to_string(limits.head_bytes_max) + " bytes") == 0;
  }
  return true;
}

size_t RequestParser::Impl::feed_head(ByteView bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (!take_head_byte(bytes[i])) return i;
    if (bytes[i] != '\n') continue;
    bool is_empty_line = head.size() - line_begin == 2;
    line_begin = head.size();
    if (!is_empty_line) continue;
    if (head.size() > 2) {
      parse_head();
      return i + 1;
    }
    // RFC 9112, 2.2: one empty line before the request line is ignored.
    if (std::exchange(skipped_line, true)) {
      refuse(400, "empty lines in place of a request");
      return i + 1;
    }
    head.clear();
    line_begin = 0;
  }
  return bytes.size();
}

void RequestParser::Impl::parse_head() {
  skipped_line = false;
  name_open = false;
  execute(head);
  if (state == State::body && limits.asks_about_body) state = State::asking;
  if (state != State::head) return;
  // The only head that llhttp wants more than an empty line after: HTTP/2's preface.
  if (head.starts_with("PRI ")) refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  else refuse(400, "the head is not understood");
}

// Returns how many bytes llhttp used.
size_t RequestParser::Impl::execute(ByteView bytes) {
  llhttp_errno_t error = llhttp_execute(&parser, bytes.data(), bytes.size());
  if (error == HPE_OK) return bytes.size();
  auto used = static_cast<size_t>(llhttp_get_error_pos(&parser) - bytes.data());
  if (state != State::complete) refuse_as_llhttp_says(error);
  return std::min(used, bytes.size());
}

void RequestParser::Impl::refuse_as_llhttp_says(llhttp_errno_t error) {
  const char* reason = llhttp_get_error_reason(&parser);
  std::string detail = reason == nullptr || *reason == '\0' ? "malformed request" : reason;
  if (error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE) {
    refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    return;
  }
  if (error == HPE_INVALID_METHOD) {
    std::string_view method = std::string_view(head).substr(0, std::min(head.find(' '), head.size()));
    bool is_token = !method.empty() && method.size() <= 32 &&
                    std::all_of(method.begin(), method.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    refuse(is_token ? 501 : 400, "unknown method");
    return;
  }
  refuse(400, std::move(detail));
}

int RequestParser::Impl::on_head() {
  if (state == State::failed) return -1;
  // A client may ask for a change of protocol; an answer in this one is a valid refusal.
  parser.upgrade = 0;
  if (parser.http_major != 1 || parser.http_minor > 1)
    return refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  request.version_minor = parser.http_minor;
  request.method = llhttp_method_name(static_cast<llhttp_method_t>(parser.method));
  if (parser.method == HTTP_CONNECT) return refuse(501, "CONNECT is not served");
  if (request.target.size() > limits.target_bytes_max) return refuse(414, "the target is too long");
  for (auto& header : request.headers) {
    // llhttp leaves blanks at a value's end (RFC 9110, 5.5: not part of it).
    while (header.value.ends_with(' ') || header.value.ends_with('\t')) header.value.pop_back();
  }
  if (check_lengths() != 0 || check_host() != 0 || split_target() != 0) return -1;
  request.keep_alive = llhttp_should_keep_alive(&parser) != 0;
  if (const std::string* expect = request.header("Expect")) {
    if (!equals_ignoring_case(*expect, "100-continue")) {
      return refuse(417, "the only expectation that is met is 100-continue");
    }
    expects_continue = request.version_minor == 1;
  }
  state = State::body;
  return 0;
}

// RFC 9112, 6: how long the body is must be beyond doubt.
int RequestParser::Impl::check_lengths() {
  size_t codings = request.count("Transfer-Encoding");
  size_t lengths = request.count("Content-Length");
  if (codings > 0 && lengths > 0) return refuse(400, "both Content-Length and Transfer-Encoding");
  if (codings > 1 || lengths > 1) return refuse(400, "the body's length is given more than once");
  if (codings == 1) {
    if (request.version_minor == 0) return refuse(400, "Transfer-Encoding in HTTP/1.0");
    if (!equals_ignoring_case(*request.header("Transfer-Encoding"), "chunked")) {
      return refuse(501, "the only transfer coding that is understood is chunked");
    }
    is_chunked = true;
  }
  if (!limits.asks_about_body && lengths == 1 && parser.content_length > body_max) return refuse_body();
  return 0;
}

int RequestParser::Impl::check_host() {
  size_t hosts = request.count("Host");
  if (hosts > 1 || (hosts == 0 && request.version_minor == 1))
    return refuse(400, "exactly one Host header is needed");
  return 0;
}

int RequestParser::Impl::split_target() {
  std::string_view rest = request.target;
  if (rest.find('#') != std::string_view::npos) return refuse(400, "fragment in the target");
  if (size_t scheme = rest.find("://"); !rest.starts_with("/") && scheme != std::string_view::npos) {
    // RFC 9112, 3.2.2: the absolute form is taken; the authority in it says nothing that matters here.
    size_t path = rest.find_first_of("/?", scheme + 3);
    rest = path == std::string_view::npos ? std::string_view("/") : rest.substr(path);
  }
  size_t question = std::min(rest.find('?'), rest.size());
  request.path = rest.substr(0, question);
  if (request.path.empty()) request.path = "/";
  bool is_asterisk = request.path == "*" && request.method == "OPTIONS";
  if (!request.path.starts_with("/") && !is_asterisk) return refuse(400, "the target is no path");
  auto query = parse_query(rest.substr(std::min(question + 1, rest.size())));
  if (!query) return refuse(400, query.error().message);
  request.query = std::move(*query);
  if (!percent_decode(request.path)) return refuse(400, "percent encoding in the path");
  return 0;
}

size_t RequestParser::Impl::feed_body(ByteView bytes) {
  if (!is_chunked) return execute(bytes);
  size_t used = 0;
  while (used < bytes.size() && state == State::body) used += feed_chunked(bytes.substr(used));
  return used;
}

// Data up to the chunk's end, or one line up to its line feed.
size_t RequestParser::Impl::feed_chunked(ByteView bytes) {
  if (chunk_left > 0) {
    size_t size = std::min<uint64_t>(chunk_left, bytes.size());
    last = '\0';
    return execute(bytes.substr(0, size));
  }
  size_t end = bytes.find('\n');
  size_t size = end == ByteView::npos ? bytes.size() : end + 1;
  char before = end == ByteView::npos || end == 0 ? last : bytes[end - 1];
  last = bytes[size - 1];
  line_bytes += size;
  body_wire_bytes += size;
  if (line_bytes > chunk_line_max) {
    refuse(400, "a chunk's size line is too long");
  } else if (body_wire_bytes > chunk_overhead_factor * body_max + chunk_overhead_slack) {
    refuse(413, "the chunks' framing is too large");
  } else if (end != ByteView::npos && before != '\r') {
    refuse(400, "line feed without carriage return");
  }
  if (state == State::failed) return size;
  if (end != ByteView::npos) line_bytes = 0;
  return execute(bytes.substr(0, size));
}

RequestParser::RequestParser(RequestLimits limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;

void RequestParser::begin_body(size_t bytes_max) {
  RINGFENCE_ASSERT(impl_->state == State::asking);
  impl_->state = State::body;
  impl_->body_max = bytes_max;
  if (!impl_->is_chunked && impl_->parser.content_length > bytes_max) impl_->refuse_body();
}

const Request& RequestParser::request() const { return impl_->request; }

std::string RequestParser::take_body() { return std::exchange(impl_->request.body, {}); }

size_t RequestParser::feed(ByteView bytes) {
  size_t used = 0;
  if (impl_->state == State::head) used = impl_->feed_head(bytes);
  if (impl_->state == State::body && used < bytes.size()) used += impl_->feed_body(bytes.substr(used));
  return used;
}

RequestParser::State RequestParser::state() const { return impl_->state; }
bool RequestParser::has_begun() const { return impl_->state != State::head || !impl_->head.empty(); }
bool RequestParser::expects_continue() const {
  return impl_->state == State::body && impl_->expects_continue && impl_->body_bytes == 0;
}
const RequestParser::Failure& RequestParser::failure() const { return impl_->failure; }

Request RequestParser::take() {
  RINGFENCE_ASSERT(impl_->state == State::complete);
  Request out = std::move(impl_->request);
  impl_->begin();
  return out;
}

}  // namespace ringfence::http
