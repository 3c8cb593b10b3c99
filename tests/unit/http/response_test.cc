#include "ringfence/http/response.h"

#include <doctest/doctest.h>

using namespace ringfence;
using namespace ringfence::http;

TEST_CASE("a response says date, type, length and what becomes of the connection") {
  Framing framing;
  framing.date_us = 784'111'777'000'000;
  std::string text = serialize(json_response(200, "{}"), framing);
  CHECK(text ==
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\nConnection: keep-alive\r\n\r\n{}");
  framing.head_only = true;
  framing.keep_alive = false;
  text = serialize(json_response(200, "{}"), framing);
  CHECK(text.ends_with("Content-Length: 2\r\nConnection: close\r\n\r\n"));
}

TEST_CASE("a response without content has neither length nor body") {
  Response response;
  response.status = 204;
  response.body = "never sent";
  std::string text = serialize(response, {});
  CHECK(text.find("Content-Length") == std::string::npos);
  CHECK(text.find("never") == std::string::npos);
}

TEST_CASE("a header's value cannot end its line") {
  Response response;
  response.headers.push_back({"X-Thing", "a\r\nSet-Cookie: b"});
  CHECK(serialize(response, {}).find("X-Thing: a  Set-Cookie: b\r\n") != std::string::npos);
}

TEST_CASE("problem details carry status, title, detail and instance") {
  Response response = problem(404, "no session \"x\"", "/api/v1/sessions/x");
  CHECK(response.content_type == "application/problem+json");
  CHECK(
      response.body ==
      "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"no session \\\"x\\\"\","
      "\"instance\":\"/api/v1/sessions/x\"}\n");
}

TEST_CASE("JSON strings escape what JSON must and mend what is no text") {
  auto json = [](ByteView text) {
    std::string out;
    append_json_string(out, text);
    return out;
  };
  CHECK(json("a\"\\\n\r\t\x01\x7f") == "\"a\\\"\\\\\\n\\r\\t\\u0001\\u007F\"");
  CHECK(json("\xff") == "\"\xef\xbf\xbd\"");
  CHECK(json(ByteView("\0", 1)) == "\"\xef\xbf\xbd\"");
  CHECK(json("grün") == "\"grün\"");
}

TEST_CASE("percent encoding goes round and refuses what is cut short") {
  std::string all;
  for (int i = 1; i < 256; ++i) all += static_cast<char>(i);
  auto back = percent_decode(percent_encode(all));
  REQUIRE(back);
  CHECK(*back == all);
  for (const char* bad : {"%", "%4", "%g0", "%0g", "%00", "a%"}) CHECK_FALSE(percent_decode(bad));
  CHECK(*percent_decode("a+b", true) == "a b");
  CHECK(*percent_decode("a+b") == "a+b");
}

TEST_CASE("a body that follows in chunks or until the end has no length in its head") {
  Response response;
  response.content_type = "text/event-stream";
  response.body = "never sent";
  Framing framing;
  framing.end = BodyEnd::chunks;
  std::string text = serialize(response, framing);
  CHECK(
      text.ends_with("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
                     "Connection: keep-alive\r\n\r\n"));
  append_chunk(text, "");
  append_chunk(text, std::string(26, 'x'));
  text += last_chunk;
  CHECK(text.ends_with("\r\n\r\n1a\r\n" + std::string(26, 'x') + "\r\n0\r\n\r\n"));
  framing.end = BodyEnd::closing;
  framing.keep_alive = false;
  CHECK(serialize(response, framing).ends_with("text/event-stream\r\nConnection: close\r\n\r\n"));
}

TEST_CASE("a change of protocol names it, and adds no length") {
  std::string text = switch_protocols("websocket", {{"Sec-WebSocket-Accept", "a\nb"}}, 784'111'777'000'000);
  CHECK(text ==
        "HTTP/1.1 101 Switching Protocols\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: a b\r\n\r\n");
}

TEST_CASE("a list of tokens has whole entries only") {
  CHECK(list_has("keep-alive, Upgrade", "upgrade"));
  CHECK(list_has("\twebsocket ,x", "websocket"));
  CHECK_FALSE(list_has("websockets", "websocket"));
  CHECK_FALSE(list_has("web socket", "websocket"));
  CHECK_FALSE(list_has("", "upgrade"));
}
