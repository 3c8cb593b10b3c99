// A server with routes of the test's own, and principals that the request names itself.
#pragma once

#include <optional>

#include "fixture.h"
#include "ringfence/admin/web/server.h"

namespace ringfence::admin {

// "X-Scopes: a b" is somebody with these scopes; without it nobody.
struct NamedScopes final : Authenticator {
  ring::Task<Authentication> authenticate(const http::Request& request, const std::string&) override {
    ++asked;
    Authentication out;
    out.refusal = http::problem(401, "say who you are");
    const std::string* header = request.header("X-Scopes");
    if (header == nullptr) co_return out;
    if (is_slow) co_await answer;
    out.principal = {.name = "somebody", .method = "header"};
    out.principal.must_change_password = request.header("X-Password-Due") != nullptr;
    for (size_t at = 0; at < header->size();) {
      size_t end = std::min(header->find(' ', at), header->size());
      out.principal.scopes.add(header->substr(at, end - at));
      at = end + 1;
    }
    co_return out;
  }
  int asked = 0;
  bool is_slow = false;
  ring::Event answer;  // Of who is slow.
};

struct WebFixture {
  explicit WebFixture(uint64_t seed = 1)
      : network(seed),
        shard({}),
        router(who),
        server(std::in_place, shard, ServerOptions{}, router, counters, asks) {}
  ~WebFixture() {
    if (server) server->stop(0, [] {});
    pass_ms(100'000);
    for (auto& client : clients) client->stream->shutdown();
    network.run();
    server.reset();
  }

  Client& connect(const std::string& text = "", size_t piece_max = 0) {
    auto pair = network.make_pair(piece_max);
    clients.push_back(std::make_unique<Client>(std::move(pair.left)));
    server->serve(std::move(pair.right));
    if (!text.empty()) say(*clients.back(), text);
    return *clients.back();
  }
  void say(Client& client, const std::string& text) {
    ring::spawn(client.say(text));
    network.run();
  }
  std::string talk(const std::string& text, size_t piece_max = 0) { return connect(text, piece_max).heard; }
  void pass_ms(uint64_t ms) {
    shard.timers().run(ms * 1'000'000);
    network.run();
  }

  net::MemoryNetwork network;
  ring::Shard shard;
  NamedScopes who;
  Router router;
  AdminCounters counters;
  Asks asks;
  std::optional<Server> server;
  std::vector<std::unique_ptr<Client>> clients;
};

inline std::string get(const std::string& path, const std::string& headers = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n";
}
inline size_t count(const std::string& text, const std::string& part) {
  size_t out = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++out;
  return out;
}

// A body in chunks, decoded; the rest of the text behind it. Nothing when it is not complete.
inline std::optional<std::string> dechunked(std::string_view text) {
  std::string out;
  for (;;) {
    size_t end = text.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    size_t size = std::stoul(std::string(text.substr(0, end)), nullptr, 16);
    if (text.size() < end + 2 + size + 2) return std::nullopt;
    if (size == 0) return out;
    out += text.substr(end + 2, size);
    text.remove_prefix(end + 2 + size + 2);
  }
}

}  // namespace ringfence::admin
