#include "ringfence/http/request.h"

#include <doctest/doctest.h>

#include <string>

using namespace ringfence;
using namespace ringfence::http;
using State = RequestParser::State;

namespace {

// Feeds the text in pieces of `step` bytes (0: at once) and gives the status of the refusal, 0 when there was
// none.
int refusal(const std::string& text, size_t step = 0, RequestLimits limits = {}) {
  RequestParser parser(limits);
  size_t at = 0;
  while (at < text.size() && parser.state() != State::failed) {
    size_t size = step == 0 ? text.size() - at : std::min(step, text.size() - at);
    at += parser.feed(ByteView(text).substr(at, size));
    if (parser.state() == State::complete) parser.take();
  }
  return parser.state() == State::failed ? parser.failure().status : 0;
}

// Like refusal, and the same at each step.
int refusal_everywhere(const std::string& text, RequestLimits limits = {}) {
  int status = refusal(text, 0, limits);
  for (size_t step : {1u, 2u, 3u, 7u}) CHECK(refusal(text, step, limits) == status);
  return status;
}

const std::string host = "Host: x\r\n";

std::string post(const std::string& headers, const std::string& body) {
  return "POST /p HTTP/1.1\r\n" + host + headers + "\r\n" + body;
}

}  // namespace

TEST_CASE("a request without a body is complete at its empty line, whatever the pieces") {
  const std::string text =
      "GET /a%20b/c?x=1&y=%2B+z&x=2&&flag HTTP/1.1\r\nHost: localhost\r\nX-Thing:  two words \t\r\n\r\n";
  for (size_t step = 1; step <= text.size(); ++step) {
    RequestParser parser;
    size_t at = 0;
    while (at < text.size()) {
      CHECK(parser.state() == State::head);
      at += parser.feed(ByteView(text).substr(at, step));
    }
    REQUIRE(parser.state() == State::complete);
    Request request = parser.take();
    CHECK(request.method == "GET");
    CHECK(request.path == "/a%20b/c");
    CHECK(request.query == Parameters{{"x", "1"}, {"y", "+ z"}, {"x", "2"}, {"flag", ""}});
    REQUIRE(request.header("x-thing") != nullptr);
    CHECK(*request.header("x-thing") == "two words");
    CHECK(request.header("nothing") == nullptr);
    CHECK(request.keep_alive);
    CHECK_FALSE(parser.has_begun());
  }
}

TEST_CASE("bodies come by length and by chunks, whatever the pieces") {
  const std::string by_length = post("Content-Length: 11\r\n", "hello world");
  const std::string by_chunks =
      post("Transfer-Encoding: Chunked\r\n", "5\r\nhello\r\n6;name=value\r\n world\r\n0\r\n\r\n");
  for (const auto& text : {by_length, by_chunks}) {
    for (size_t step = 1; step <= text.size(); ++step) {
      RequestParser parser;
      for (size_t at = 0; at < text.size();) at += parser.feed(ByteView(text).substr(at, step));
      REQUIRE(parser.state() == State::complete);
      CHECK(parser.take().body == "hello world");
    }
  }
}

TEST_CASE("requests that follow each other in one piece are given one by one") {
  const std::string text = post("Content-Length: 3\r\n", "abc") + "\r\nGET /2 HTTP/1.1\r\n" + host + "\r\n" +
                           post("Transfer-Encoding: chunked\r\n", "1\r\nz\r\n0\r\n\r\n") +
                           "GET /4 HTTP/1.0\r\n\r\n";
  for (size_t step = 1; step <= text.size(); ++step) {
    RequestParser parser;
    std::string seen;
    for (size_t at = 0; at < text.size();) {
      at += parser.feed(ByteView(text).substr(at, step));
      REQUIRE(parser.state() != State::failed);
      if (parser.state() != State::complete) continue;
      Request request = parser.take();
      seen += request.path + request.body + (request.keep_alive ? "+" : "-");
    }
    CHECK(seen == "/pabc+/2+/pz+/4-");
  }
}

TEST_CASE("keeping the connection follows version and Connection header") {
  auto keeps = [](const std::string& text) {
    RequestParser parser;
    parser.feed(text);
    REQUIRE(parser.state() == State::complete);
    return parser.take().keep_alive;
  };
  CHECK(keeps("GET / HTTP/1.1\r\n" + host + "\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.1\r\nConnection: close\r\n" + host + "\r\n"));
  CHECK_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  CHECK(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST_CASE("a wish for another protocol is left unheard") {
  RequestParser parser;
  parser.feed("GET / HTTP/1.1\r\n" + host +
              "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\nGET");
  REQUIRE(parser.state() == State::complete);
  CHECK(parser.take().path == "/");
}

TEST_CASE("what can be read in two ways is refused") {
  // Lengths.
  CHECK(refusal_everywhere(post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")) == 400);
  CHECK(refusal_everywhere(post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n")) == 400);
  CHECK(refusal_everywhere(post("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd")) == 400);
  CHECK(refusal_everywhere(post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")) == 400);
  CHECK(refusal_everywhere(post("Content-Length: 3, 3\r\n", "abc")) == 400);
  for (const char* length : {"+3", "-3", "0x3", "3 3", "", "99999999999999999999", "3;",
                             "\x0b"
                             "3"}) {
    CHECK(refusal_everywhere(post("Content-Length: " + std::string(length) + "\r\n", "abc")) == 400);
  }
  CHECK(refusal_everywhere(
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")) == 400);
  CHECK(refusal_everywhere("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == 400);
  // Lines.
  CHECK(refusal_everywhere("GET / HTTP/1.1\nHost: x\n\n") == 400);
  CHECK(refusal_everywhere("GET / HTTP/1.1\r\nHost: x\n\r\n") == 400);
  CHECK(refusal_everywhere("GET / HTTP/1.1\r\nHost: x\r\n\n") == 400);
  CHECK(refusal_everywhere("GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n") == 400);
  CHECK(refusal_everywhere("GET / HTTP/1.1\r\nHost: x\r\r\n\r\n") == 400);
  CHECK(refusal_everywhere("GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n") == 400);
  CHECK(refusal_everywhere("GET / HTTP/1.1\r\n Host: x\r\n\r\n") == 400);
  CHECK(refusal_everywhere("GET / HTTP/1.1\r\nHost : x\r\n\r\n") == 400);
  CHECK(refusal_everywhere("GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n") == 400);
  CHECK(refusal_everywhere("GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n") == 400);
  CHECK(refusal_everywhere(std::string("GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n", 29)) == 400);
  CHECK(refusal_everywhere("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n") == 400);
  // Chunks.
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  for (const char* body :
       {"5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r\n0\n\r\n", "5\r\nhello\r\n0\r\n\n",
        "5\rhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n", "5\r\nhelloX0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n", "\r\n0\r\n\r\n",
        "g\r\n", "5;a=\nb\r\nhello\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "0\r\nTrailer: x\r\n\r\n",
        "0\r\n \r\n\r\n"}) {
    INFO(body);
    int status = refusal(post(chunked, body));
    bool is_refused = status == 400 || status == 413;
    CHECK(is_refused);
    for (size_t step : {1u, 2u, 3u}) CHECK(refusal(post(chunked, body), step) == status);
  }
  // Who is meant.
  CHECK(refusal_everywhere("GET / HTTP/1.1\r\n\r\n") == 400);
  CHECK(refusal_everywhere("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") == 400);
}

TEST_CASE("each violation has its status") {
  CHECK(refusal_everywhere("GET / HTTP/2.0\r\n" + host + "\r\n") == 505);
  CHECK(refusal_everywhere("GET / HTTP/3.7\r\n" + host + "\r\n") == 505);
  CHECK(refusal_everywhere("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505);
  CHECK(refusal_everywhere("BREW / HTTP/1.1\r\n" + host + "\r\n") == 501);
  CHECK(refusal_everywhere("CONNECT x:1 HTTP/1.1\r\n" + host + "\r\n") == 501);
  CHECK(refusal_everywhere(post("Transfer-Encoding: gzip\r\n", "")) == 501);
  CHECK(refusal_everywhere(post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")) == 501);
  CHECK(refusal_everywhere(post("Expect: miracles\r\n", "")) == 417);
  CHECK(refusal_everywhere("get / HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(refusal_everywhere("\x16\x03\x01\x02") == 400);
  CHECK(refusal_everywhere("GET /%zz HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(refusal_everywhere("GET /%00 HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(refusal_everywhere("GET /?a=%4 HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(refusal_everywhere("GET /#top HTTP/1.1\r\n" + host + "\r\n") == 400);
  CHECK(refusal_everywhere("GET * HTTP/1.1\r\n" + host + "\r\n") == 400);
}

TEST_CASE("every bound is met exactly and refused one beyond") {
  RequestLimits limits;
  limits.target_bytes_max = 100;
  limits.headers_max = 3;
  limits.head_bytes_max = 400;
  limits.body_bytes_max = 10;
  auto get = [](size_t target) {
    return "GET /" + std::string(target - 1, 'a') + " HTTP/1.1\r\n" + host + "\r\n";
  };
  CHECK(refusal_everywhere(get(100), limits) == 0);
  CHECK(refusal_everywhere(get(101), limits) == 414);
  CHECK(refusal_everywhere("GET /" + std::string(10'000, 'a'), limits) == 414);
  auto fields = [](int count) {
    std::string text = "GET / HTTP/1.1\r\n" + host;
    for (int i = 1; i < count; ++i) text += "A: b\r\n";
    return text + "\r\n";
  };
  CHECK(refusal_everywhere(fields(3), limits) == 0);
  CHECK(refusal_everywhere(fields(4), limits) == 431);
  auto wide = [](size_t head) {
    std::string text = "GET / HTTP/1.1\r\n" + host + "A: ";
    return text + std::string(head - text.size() - 4, 'a') + "\r\n\r\n";
  };
  CHECK(refusal_everywhere(wide(400), limits) == 0);
  CHECK(refusal_everywhere(wide(401), limits) == 431);
  CHECK(refusal_everywhere(post("Content-Length: 10\r\n", "0123456789"), limits) == 0);
  CHECK(refusal_everywhere(post("Content-Length: 11\r\n", ""), limits) == 413);
  CHECK(refusal_everywhere(post("Transfer-Encoding: chunked\r\n", "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"),
                           limits) == 0);
  CHECK(refusal_everywhere(post("Transfer-Encoding: chunked\r\n", "5\r\n01234\r\n6\r\n"), limits) == 413);
  CHECK(refusal_everywhere(post("Transfer-Encoding: chunked\r\n", "1;" + std::string(300, 'x')), limits) ==
        400);
}

TEST_CASE("a client that waits for 100 Continue is known before its body is here") {
  RequestParser parser;
  parser.feed(post("Content-Length: 3\r\nExpect: 100-continue\r\n", ""));
  CHECK(parser.state() == State::body);
  CHECK(parser.expects_continue());
  parser.feed("abc");
  CHECK(parser.state() == State::complete);
  CHECK_FALSE(parser.expects_continue());
}

TEST_CASE("nothing is taken after a refusal") {
  RequestParser parser;
  parser.feed("nonsense\r\n\r\n");
  REQUIRE(parser.state() == State::failed);
  CHECK(parser.feed("GET / HTTP/1.1\r\n" + host + "\r\n") == 0);
}

TEST_CASE("the absolute form of a target means its path") {
  RequestParser parser;
  parser.feed("GET http://example.org:80/a?b=c HTTP/1.1\r\n" + host + "\r\n");
  REQUIRE(parser.state() == State::complete);
  Request request = parser.take();
  CHECK(request.path == "/a");
  CHECK(request.query == Parameters{{"b", "c"}});
}

TEST_CASE("a body may be taken piece by piece, under a bound that is told after the head") {
  for (const std::string framing : {"Content-Length: 6\r\n\r\nabcdef",
                                    "Transfer-Encoding: chunked\r\n\r\n"
                                    "2\r\nab\r\n4\r\ncdef\r\n0\r\n\r\n"}) {
    CAPTURE(framing);
    const std::string text = "POST /x?a=1 HTTP/1.1\r\nHost: x\r\n" + framing;
    RequestLimits limits;
    limits.asks_about_body = true;
    limits.body_bytes_max = 1;
    RequestParser parser(limits);
    size_t used = parser.feed(text);
    REQUIRE(parser.state() == RequestParser::State::asking);
    CHECK(text.substr(used - 4, 4) == "\r\n\r\n");
    CHECK(parser.feed(ByteView(text).substr(used)) == 0);
    CHECK(parser.request().path == "/x");
    parser.begin_body(6);
    std::string body;
    for (; used < text.size(); ++used) {
      CHECK(parser.feed(ByteView(text).substr(used, 1)) == 1);
      std::string piece = parser.take_body();
      CHECK(piece.size() <= 1);
      body += piece;
    }
    CHECK(body == "abcdef");
    REQUIRE(parser.state() == RequestParser::State::complete);
    CHECK(parser.take().body.empty());
    // The next request asks anew; one byte less is too little for it.
    used = parser.feed(text);
    REQUIRE(parser.state() == RequestParser::State::asking);
    parser.begin_body(5);
    if (parser.state() == RequestParser::State::body) parser.feed(ByteView(text).substr(used));
    REQUIRE(parser.state() == RequestParser::State::failed);
    CHECK(parser.failure().status == 413);
  }
}

TEST_CASE("a request without a body asks about none") {
  RequestLimits limits;
  limits.asks_about_body = true;
  RequestParser parser(limits);
  parser.feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(parser.state() == RequestParser::State::complete);
}
