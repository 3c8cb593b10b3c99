#include "ringfence/admin/server.h"

#include <unistd.h>

#include "ringfence/net/socket_stream.h"
#include "routes.h"

namespace ringfence::admin {

using http::Response;
using ring::Task;

namespace {
constexpr uint64_t ns_per_ms = 1'000'000;
// How often stop() looks whether the kernel has let go of the listening socket.
constexpr uint64_t poll_ns = 1'000'000;
// What is read of a refused peer's rest, so that closing does not reset the connection before it saw our
// answer.
constexpr size_t linger_bytes_max = 256 * 1024;
// The first byte of a TLS handshake record.
constexpr char tls_handshake_byte = 0x16;
constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";
}  // namespace

// What a connection waits for; each has its deadline.
enum class AdminServer::Phase : uint8_t { idle, head, body, answer, send, linger };

struct AdminServer::Connection {
  Connection(ring::Shard& shard, std::unique_ptr<net::Stream> carrier)
      : stream(std::move(carrier)),
        client_addr(stream->peer()),
        deadline(shard.timers(), [this] { stream->shutdown(); }) {}

  std::unique_ptr<net::Stream> stream;
  std::string client_addr;
  http::RequestParser parser;
  http::Request request;
  net::Chunk chunk;  // Received, not yet parsed to its end.
  std::string out;
  Phase phase = Phase::send;
  bool is_new = true;  // No byte has come yet.
  ring::CallbackTimer deadline;
};

AdminServer::AdminServer(ring::Shard& shard, AdminOptions options, Sources sources)
    : shard_(shard),
      options_(std::move(options)),
      sources_(std::move(sources)),
      routes_(std::make_unique<Routes>(shard_, options_, sources_, counters_)),
      asks_timer_(shard.timers(), [this] { end_asks(); }),
      drain_timer_(shard.timers(), [this] { end_connections(false); }),
      poll_timer_(shard.timers(), [this] { end_if_drained(); }) {}

AdminServer::~AdminServer() { RINGFENCE_ASSERT(connections_.empty()); }

void AdminServer::listen(int fd) {
  listener_ = std::make_unique<net::Listener>(shard_, fd, [this](int accepted) {
    if (connections_.size() >= options_.connections_max) {
      ++counters_.connections_refused;
      ::close(accepted);
      return;
    }
    serve(std::make_unique<net::SocketStream>(shard_, accepted));
  });
}

void AdminServer::serve(std::unique_ptr<net::Stream> stream) {
  if (is_stopping_ || connections_.size() >= options_.connections_max) {
    ++counters_.connections_refused;
    stream->shutdown();
    return;
  }
  auto at = connections_.emplace(connections_.end(), shard_, std::move(stream));
  ring::spawn(run(at));
}

Task<void> AdminServer::run(std::list<Connection>::iterator at) {
  Task<void> conversation = converse(*at);
  co_await conversation;
  connections_.erase(at);
  if (is_stopping_) end_if_drained();
}

void AdminServer::use_tls(std::shared_ptr<const net::TlsContext> context) { tls_ = std::move(context); }

// False when the connection has to end: the handshake failed, or the peer speaks plain HTTP, which it is
// told.
Task<bool> AdminServer::start_tls(Connection& connection) {
  enter(connection, Phase::idle);
  net::Gather in(*connection.stream);
  auto reading = in.at_least(1);
  Result<void> has_any = co_await reading;
  if (!has_any) {
    ++counters_.tls_failures[static_cast<size_t>(net::TlsFailure::closed)];
    co_return false;
  }
  if (in.bytes()[0] != tls_handshake_byte) {
    ++counters_.tls_failures[static_cast<size_t>(net::TlsFailure::protocol)];
    Response refusal = http::problem(400, "this port speaks HTTPS only: use https:// in the URL");
    Task<bool> responding = respond(connection, std::move(refusal), false, false);
    co_await responding;
    co_return false;
  }
  auto made =
      std::make_unique<net::TlsStream>(std::move(connection.stream), tls_, tls_buffers_, &counters_.tls_legs);
  net::TlsStream& tls = *made;
  connection.stream = std::move(made);
  auto shaking = tls.handshake(std::string(in.bytes()));
  Result<void> shaken = co_await shaking;
  if (!shaken) {
    net::TlsFailure failure = tls.engine().failure();
    ++counters_.tls_failures[static_cast<size_t>(failure != net::TlsFailure::none ? failure
                                                                                  : net::TlsFailure::closed)];
    connection.stream = tls.give_back();
    co_return false;
  }
  ++counters_.tls_handshakes;
  if (tls.engine().is_resumed()) ++counters_.tls_resumed;
  co_return true;
}

// A connection's life: read a request, answer it, again.
Task<void> AdminServer::converse(Connection& connection) {
  bool is_open = true;
  if (tls_) {
    Task<bool> starting = start_tls(connection);
    is_open = co_await starting;
  }
  while (is_open) {
    Task<bool> reading = read_request(connection);
    bool is_there = co_await reading;
    if (!is_there) break;
    connection.phase = Phase::answer;
    connection.deadline.cancel();
    routes_->connections = connections_.size();
    Task<Response> answering = routes_->answer(connection.request, connection.client_addr);
    Response response = co_await answering;
    bool head_only = connection.request.method == "HEAD";
    bool keep_alive = connection.request.keep_alive && !is_stopping_;
    Task<bool> responding = respond(connection, std::move(response), head_only, keep_alive);
    bool was_sent = co_await responding;
    if (!was_sent || !keep_alive) break;
  }
  if (connection.parser.state() == http::RequestParser::State::failed) {
    const auto& failure = connection.parser.failure();
    Task<bool> responding = respond(connection, http::problem(failure.status, failure.detail), false, false);
    co_await responding;
  }
  Task<void> lingering = linger(connection);
  co_await lingering;
  connection.chunk.reset();
}

void AdminServer::enter(Connection& connection, Phase phase) {
  if (connection.phase == phase) return;
  connection.phase = phase;
  uint64_t ms = options_.body_ms;
  if (phase == Phase::idle) ms = connection.is_new ? options_.header_ms : options_.idle_ms;
  if (phase == Phase::head) ms = options_.header_ms;
  if (phase == Phase::linger) ms = options_.linger_ms;
  connection.deadline.arm(shard_.now_ns() + ms * ns_per_ms);
}

// False when there is none to answer: the peer left, a deadline passed, the server stops, or the parser has
// failed.
Task<bool> AdminServer::read_request(Connection& connection) {
  using State = http::RequestParser::State;
  bool told_to_continue = false;
  for (;;) {
    size_t used = connection.parser.feed(connection.chunk.bytes());
    connection.chunk.consume(used);
    State state = connection.parser.state();
    if (state == State::complete) {
      connection.request = connection.parser.take();
      co_return true;
    }
    if (state == State::failed) co_return false;
    bool has_begun = connection.parser.has_begun();
    if (is_stopping_ && !has_begun) co_return false;
    if (connection.parser.expects_continue() && !told_to_continue) {
      told_to_continue = true;
      enter(connection, Phase::send);
      net::Send send(*connection.stream, continue_line);
      Result<void> sent = co_await send;
      if (!sent) co_return false;
    }
    enter(connection, !has_begun ? Phase::idle : state == State::head ? Phase::head : Phase::body);
    connection.chunk.reset();
    net::Receive receive(*connection.stream);
    Result<net::Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) co_return false;
    connection.chunk = std::move(*chunk);
    connection.is_new = false;
  }
}

Task<bool> AdminServer::respond(Connection& connection, Response response, bool head_only, bool keep_alive) {
  response.headers.push_back({"Cache-Control", "no-store"});
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
  ++counters_.responses_by_class[response.status / 100 % 6];
  http::Framing framing;
  framing.head_only = head_only;
  framing.keep_alive = keep_alive;
  framing.date_us = shard_.now_us();
  connection.out = http::serialize(response, framing);
  enter(connection, Phase::send);
  net::Send send(*connection.stream, connection.out);
  Result<void> sent = co_await send;
  connection.out.clear();
  co_return sent.has_value();
}

Task<void> AdminServer::linger(Connection& connection) {
  connection.stream->shutdown_write();
  enter(connection, Phase::linger);
  connection.chunk.reset();
  for (size_t total = 0; total < linger_bytes_max;) {
    net::Receive receive(*connection.stream);
    Result<net::Chunk> chunk = co_await receive;
    if (!chunk || chunk->bytes().empty()) break;
    total += chunk->bytes().size();
  }
  connection.deadline.cancel();
}

void AdminServer::stop(uint64_t deadline_ms, std::function<void()> stopped) {
  is_stopping_ = true;
  stopped_ = std::move(stopped);
  if (listener_) listener_->stop();
  asks_timer_.arm(shard_.now_ns() + deadline_ms * ns_per_ms / 2);
  drain_timer_.arm(shard_.now_ns() + deadline_ms * ns_per_ms);
  end_connections(true);
}

void AdminServer::end_asks() {
  is_ending_several_ = true;
  routes_->asks.end();
  is_ending_several_ = false;
  end_if_drained();
}

void AdminServer::end_connections(bool idle_only) {
  is_ending_several_ = true;
  // A shutdown may end its connection at once and take it out of the list.
  for (auto at = connections_.begin(); at != connections_.end();) {
    Connection& connection = *at++;
    const bool is_idle = connection.phase == Phase::idle || connection.phase == Phase::linger;
    if (is_idle || !idle_only) connection.stream->shutdown();
  }
  is_ending_several_ = false;
  end_if_drained();
}

void AdminServer::end_if_drained() {
  // The last one of several may destroy this server when all were seen to, not before.
  if (is_ending_several_ || !stopped_ || !connections_.empty()) return;
  if (listener_ && !listener_->is_stopped()) {
    poll_timer_.arm(shard_.now_ns() + poll_ns);
    return;
  }
  asks_timer_.cancel();
  drain_timer_.cancel();
  // The callback may destroy this server.
  auto stopped = std::exchange(stopped_, nullptr);
  stopped();
}

}  // namespace ringfence::admin
