// A server without threads: streams in memory, a shard that was never started whose timers the test drives.
#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "ringfence/admin/api/admin_server.h"
#include "ringfence/net/memory_stream.h"

namespace ringfence::admin {

inline const std::string token = "a-token-of-the-tests";

struct FakeDirectory : SessionDirectory {
  void list(std::function<void(std::vector<model::SessionInfo>)> done) override {
    if (is_busy) late_list = std::move(done);
    else done(sessions);
  }
  void end(Uuid id, std::string by, std::function<void(bool)> done) override {
    ended.push_back(to_string(id) + " by " + by);
    if (is_busy) {
      late_end = std::move(done);
      return;
    }
    bool found = false;
    for (const auto& session : sessions) found = found || session.id == id;
    done(found);
  }
  std::vector<model::SessionInfo> sessions;
  std::vector<std::string> ended;
  bool is_busy = false;
  std::function<void(std::vector<model::SessionInfo>)> late_list;
  std::function<void(bool)> late_end;
};

// The other end of a connection: says its text and keeps what it hears.
struct Client {
  explicit Client(std::unique_ptr<net::Stream> carrier) : stream(std::move(carrier)) { ring::spawn(hear()); }
  ring::Task<void> hear() {
    for (;;) {
      net::Receive receive(*stream);
      Result<net::Chunk> chunk = co_await receive;
      if (!chunk || chunk->bytes().empty()) break;
      heard += chunk->bytes();
    }
    has_ended = true;
  }
  ring::Task<void> say(std::string text) {
    net::Send send(*stream, text);
    Result<void> sent = co_await send;
    (void)sent;
  }
  std::unique_ptr<net::Stream> stream;
  std::string heard;
  bool has_ended = false;
};

struct Fixture {
  explicit Fixture(uint64_t seed = 1, bool metrics_public = false) : network(seed), shard({}) {
    AdminOptions options;
    options.token_digest = crypto::sha256(token);
    options.metrics_public = metrics_public;
    options.node = "gate";
    Sources sources;
    sources.readiness = [this] { return readiness; };
    sources.metrics = [](MetricsWriter& out) { out.counter("test_total", "A test.", 5); };
    sources.stats = [this] { return stats; };
    sources.sessions = &directory;
    sources.explain = [this](std::string question, std::string by, std::function<void(PolicyAnswer)> done) {
      questions.push_back(question + " by " + by);
      if (policy_answer) done(*policy_answer);
      else late_explain = std::move(done);
    };
    sources.authentication_failed = [this](const AuthenticationFailure& failure) {
      failures.push_back(failure);
    };
    server = std::make_unique<AdminServer>(shard, options, sources);
  }
  ~Fixture() {
    if (server) server->stop(0, [] {});
    pass_ms(100'000);
    for (auto& client : clients) client->stream->shutdown();
    network.run();
    server.reset();
  }

  Client& connect(size_t piece_max = 0) {
    auto pair = network.make_pair(piece_max);
    clients.push_back(std::make_unique<Client>(std::move(pair.left)));
    server->serve(std::move(pair.right));
    return *clients.back();
  }
  // What comes back for the text on a connection of its own.
  std::string talk(const std::string& text, size_t piece_max = 0) {
    Client& client = connect(piece_max);
    ring::spawn(client.say(text));
    network.run();
    return client.heard;
  }
  std::string get(const std::string& target, bool with_token = true) {
    return request("GET", target, with_token);
  }
  std::string request(const std::string& method, const std::string& target, bool with_token = true,
                      const std::string& body = "") {
    std::string text = method + " " + target + " HTTP/1.1\r\nHost: x\r\n";
    if (with_token) text += "Authorization: Bearer " + token + "\r\n";
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return talk(text + "\r\n" + body);
  }
  // The shard's clock stands at 0; timers are run as if so much time had passed.
  void pass_ms(uint64_t ms) {
    shard.timers().run(ms * 1'000'000);
    network.run();
  }

  net::MemoryNetwork network;
  ring::Shard shard;
  FakeDirectory directory;
  Readiness readiness{true, ""};
  StatsSnapshot stats;
  std::vector<AuthenticationFailure> failures;
  std::vector<std::string> questions;
  std::optional<PolicyAnswer> policy_answer;  // Nothing: the answer does not come.
  std::function<void(PolicyAnswer)> late_explain;
  std::unique_ptr<AdminServer> server;
  std::vector<std::unique_ptr<Client>> clients;
};

inline int status_of(const std::string& response) {
  return response.size() < 12 ? 0 : std::stoi(response.substr(9, 3));
}
inline std::string body_of(const std::string& response) {
  size_t end = response.find("\r\n\r\n");
  return end == std::string::npos ? "" : response.substr(end + 4);
}
inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace ringfence::admin
