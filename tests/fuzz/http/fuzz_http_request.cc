// The first byte seeds the places where the rest is cut; whatever the cuts, the same requests and the same
// refusal must come out, and what came out holds to the bounds.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ringfence/http/request.h"

using namespace ringfence;
using namespace ringfence::http;

namespace {

constexpr RequestLimits limits{256, 8, 512, 128};

struct Pieces {
  uint32_t state;
  size_t next(size_t left) {
    state = state * 1664525u + 1013904223u;
    return std::min<size_t>(left, 1 + (state >> 24) % 37);
  }
};

void require(bool holds) {
  if (!holds) std::abort();
}

void append(std::string& out, const Request& request) {
  require(request.target.size() <= limits.target_bytes_max);
  require(request.headers.size() <= limits.headers_max);
  require(request.body.size() <= limits.body_bytes_max);
  out += request.method + ' ' + request.path + (request.keep_alive ? " +" : " -");
  for (const auto& [name, value] : request.query) out += '?' + name + '=' + value;
  for (const auto& header : request.headers) {
    require(!header.name.empty());
    require(header.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    out += '\n' + header.name + ':' + header.value;
  }
  out += "\n\n" + request.body + '\n';
}

std::string run(ByteView bytes, Pieces* pieces) {
  RequestParser parser(limits);
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    size_t size = pieces == nullptr ? bytes.size() - at : pieces->next(bytes.size() - at);
    size_t used = parser.feed(bytes.substr(at, size));
    require(used <= size);
    at += used;
    if (parser.state() == RequestParser::State::failed)
      return out + "failed " + std::to_string(parser.failure().status);
    if (parser.state() == RequestParser::State::complete) append(out, parser.take());
    else require(used == size);
  }
  return out;
}

// As run(), with bodies whose bound is told after the head, and which are taken piece by piece.
std::string run_by_pieces(ByteView bytes, Pieces& pieces) {
  RequestLimits asking = limits;
  asking.asks_about_body = true;
  RequestParser parser(asking);
  std::string out;
  std::string body;
  for (size_t at = 0; at < bytes.size();) {
    size_t used = parser.feed(bytes.substr(at, pieces.next(bytes.size() - at)));
    at += used;
    if (parser.state() == RequestParser::State::asking) parser.begin_body(limits.body_bytes_max);
    if (parser.state() == RequestParser::State::failed) return out + "failed";
    body += parser.take_body();
    if (parser.state() != RequestParser::State::complete) continue;
    Request request = parser.take();
    require(request.body.empty());
    request.body = std::move(body);
    body.clear();
    append(out, request);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  ByteView bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Pieces pieces{data[0] * 2654435761u};
  const std::string whole = run(bytes, nullptr);
  require(whole == run(bytes, &pieces));
  // Where two things are wrong with a head, which one is told may differ.
  const std::string by_pieces = run_by_pieces(bytes, pieces);
  const size_t refusal = by_pieces.ends_with("failed") ? whole.rfind("failed") : whole.size();
  require(refusal != std::string::npos);
  require(by_pieces.substr(0, refusal) == whole.substr(0, refusal));
  require(by_pieces.size() == refusal + (by_pieces.ends_with("failed") ? 6 : 0));
  return 0;
}
