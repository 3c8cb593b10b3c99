// One connection of the server, from its first byte to its last: requests, one after the other, and answers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ringfence/admin/web/server.h"
#include "ringfence/http/request.h"
#include "ringfence/http/response.h"

namespace ringfence::admin {

class Connection final : private Responder, private RequestBody, private net::Receive::Watcher {
 public:
  Connection(ServerState& server, std::unique_ptr<net::Stream> stream);

  // Its whole life. Nothing of it is pending afterwards.
  ring::Task<void> converse();
  // Now: all that is pending completes.
  void shutdown();
  // The server stops: idle ones end, streams and other protocols are told.
  void stop();

 private:
  // What a connection waits for; each but the last two has its deadline.
  enum class Phase : uint8_t { idle, head, body, send, linger, answer, upgraded };
  enum class Read : uint8_t { end, whole, head };

  ring::Task<bool> start_tls();
  ring::Task<Read> read_request();
  ring::Task<bool> receive();
  ring::Task<bool> allow_body();
  ring::Task<bool> serve_request(bool body_follows);
  ring::Task<bool> finish_answer(bool keep_alive);
  ring::Task<bool> send(std::string bytes);
  ring::Task<bool> respond(http::Response response, bool head_only, bool keep_alive);
  ring::Task<void> run_upgrade();
  ring::Task<void> linger();
  void enter(Phase phase);
  void watch_peer();
  bool keeps_alive() const;

  void answer(http::Response response) override;
  AnswerStream& stream(http::Response head) override;
  void upgrade(std::string protocol, std::vector<http::Header> headers, UpgradeHandler handler) override;
  ring::Task<std::optional<std::string>> next() override;
  void received() override;

  ServerState& server_;
  std::unique_ptr<net::Stream> stream_;
  net::Stream* carrier_;  // The same; of an upgraded connection its handler's.
  std::string client_addr_;
  http::RequestParser parser_;
  http::Request request_;
  // Begins when the stream is the one that stays. Pending while nobody reads only behind a stream's answer.
  std::optional<net::Receive> receive_;
  net::Chunk chunk_;  // Received, not yet parsed to its end.
  std::string out_;
  Phase phase_ = Phase::send;
  bool is_new_ = true;         // No byte has come yet.
  bool body_follows_ = false;  // The request's body is not whole, and the handler reads it.
  bool has_left_ = false;
  bool was_allowed_ = false;  // 100 Continue has been sent.
  bool has_answered_ = false;

  // The answer, until it is sent: one of them.
  std::optional<http::Response> whole_;
  std::unique_ptr<AnswerStream> streamed_;
  UpgradeHandler upgrade_;
  std::string upgrade_head_;

  std::function<void()> on_stop_;
  ring::CallbackTimer deadline_;
};

}  // namespace ringfence::admin
