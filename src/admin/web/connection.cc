#include "connection.h"

#include "ringfence/base/clock.h"
#include "ringfence/net/linger.h"
#include "ringfence/net/tls_accept.h"

namespace ringfence::admin {

using http::Response;
using ring::Task;
using State = http::RequestParser::State;

namespace {
// What is read of a refused peer's rest, so that closing does not reset the connection before it saw our
// answer.
constexpr size_t linger_bytes_max = 256 * 1024;
// The first byte of a TLS handshake record.
constexpr char tls_handshake_byte = 0x16;
constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";

http::RequestLimits asking_limits() {
  http::RequestLimits limits;
  limits.asks_about_body = true;
  return limits;
}

void add_own_headers(Response& response) {
  response.headers.push_back({"Cache-Control", "no-store"});
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
}

bool asks_for(const http::Request& request, std::string_view protocol) {
  const std::string* connection = request.header("Connection");
  const std::string* upgrade = request.header("Upgrade");
  return request.method == "GET" && request.version_minor == 1 && connection != nullptr &&
         upgrade != nullptr && http::list_has(*connection, "upgrade") && http::list_has(*upgrade, protocol);
}
}  // namespace

Connection::Connection(ServerState& server, std::unique_ptr<net::Stream> stream)
    : server_(server),
      stream_(std::move(stream)),
      carrier_(stream_.get()),
      client_addr_(stream_->peer()),
      parser_(asking_limits()),
      deadline_(server.shard.timers(), [this] { stream_->shutdown(); }) {}

void Connection::shutdown() {
  if (carrier_ != nullptr) (phase_ == Phase::upgraded ? carrier_ : stream_.get())->shutdown();
}

void Connection::stop() {
  if (phase_ == Phase::idle || phase_ == Phase::linger) shutdown();
  else if (phase_ == Phase::upgraded && on_stop_) std::exchange(on_stop_, nullptr)();
  else if (streamed_) streamed_->stop();
}

// False when the connection has to end: the handshake failed, or the peer speaks plain HTTP, which it is
// told.
Task<bool> Connection::start_tls() {
  AdminCounters& counters = server_.counters;
  enter(Phase::idle);
  net::Gather in(*stream_);
  auto reading = in.at_least(1);
  Result<void> has_any = co_await reading;
  if (!has_any) {
    ++counters.tls_failures[static_cast<size_t>(net::TlsFailure::closed)];
    co_return false;
  }
  if (in.bytes()[0] != tls_handshake_byte) {
    ++counters.tls_failures[static_cast<size_t>(net::TlsFailure::protocol)];
    Response refusal = http::problem(400, "this port speaks HTTPS only: use https:// in the URL");
    Task<bool> responding = respond(std::move(refusal), false, false);
    co_await responding;
    co_return false;
  }
  net::TlsAccepting how{server_.tls, server_.tls_buffers, &counters.tls_legs, nullptr};
  auto accepting = net::accept_tls(stream_, std::move(how), std::string(in.bytes()));
  net::TlsAccepted accepted = co_await accepting;
  if (accepted.tls == nullptr) {
    ++counters.tls_failures[static_cast<size_t>(accepted.failure)];
    co_return false;
  }
  ++counters.tls_handshakes;
  if (accepted.tls->engine().is_resumed()) ++counters.tls_resumed;
  co_return true;
}

// Read a request, answer it, again.
Task<void> Connection::converse() {
  bool is_open = true;
  if (server_.tls) {
    Task<bool> starting = start_tls();
    is_open = co_await starting;
  }
  carrier_ = stream_.get();
  receive_.emplace(*stream_);
  while (is_open) {
    Task<Read> reading = read_request();
    const Read read = co_await reading;
    if (read == Read::end) break;
    Task<bool> serving = serve_request(read == Read::head);
    is_open = co_await serving;
  }
  if (upgrade_) {
    Task<void> running = run_upgrade();
    co_await running;
    co_return;
  }
  if (parser_.state() == State::failed && !has_answered_) {
    const auto& failure = parser_.failure();
    Task<bool> responding = respond(http::problem(failure.status, failure.detail), false, false);
    co_await responding;
  }
  Task<void> lingering = linger();
  co_await lingering;
  chunk_.reset();
}

void Connection::enter(Phase phase) {
  if (phase_ == phase) return;
  phase_ = phase;
  const ServerOptions& options = server_.options;
  uint64_t ms = options.body_ms;
  if (phase == Phase::idle) ms = is_new_ ? options.header_ms : options.idle_ms;
  if (phase == Phase::head) ms = options.header_ms;
  if (phase == Phase::linger) ms = options.linger_ms;
  deadline_.arm(server_.shard.now_ns() + ms * ns_per_ms);
}

// False: the peer has left, or the deadline has passed.
Task<bool> Connection::receive() {
  chunk_.reset();
  net::Receive& receiving = *receive_;
  Result<net::Chunk> chunk = co_await receiving;
  if (!chunk || chunk->bytes().empty()) co_return false;
  chunk_ = std::move(*chunk);
  is_new_ = false;
  co_return true;
}

// A client that waits for leave to send its body gets it, once.
Task<bool> Connection::allow_body() {
  if (!parser_.expects_continue() || std::exchange(was_allowed_, true)) co_return true;
  enter(Phase::send);
  net::Send send(*stream_, continue_line);
  Result<void> sent = co_await send;
  co_return sent.has_value();
}

// `end` when there is none to answer: the peer left, a deadline passed, the server stops, or the parser has
// failed. `head`: the body is for the handler to read.
Task<Connection::Read> Connection::read_request() {
  was_allowed_ = has_answered_ = false;
  for (;;) {
    size_t used = parser_.feed(chunk_.bytes());
    chunk_.consume(used);
    State state = parser_.state();
    if (state == State::complete) {
      request_ = parser_.take();
      co_return Read::whole;
    }
    if (state == State::failed) co_return Read::end;
    if (state == State::asking) {
      const Route* route = server_.router.find(parser_.request());
      const bool is_streamed = route != nullptr && route->streamed_body_bytes_max > 0;
      parser_.begin_body(is_streamed        ? route->streamed_body_bytes_max
                         : route != nullptr ? route->body_bytes_max
                                            : http::RequestLimits().body_bytes_max);
      if (!is_streamed || parser_.state() == State::failed) continue;
      request_ = parser_.request();
      co_return Read::head;
    }
    bool has_begun = parser_.has_begun();
    if (server_.is_stopping && !has_begun) co_return Read::end;
    Task<bool> allowing = allow_body();
    if (!co_await allowing) co_return Read::end;
    enter(!has_begun ? Phase::idle : state == State::head ? Phase::head : Phase::body);
    Task<bool> receiving = receive();
    if (!co_await receiving) {
      has_left_ = true;
      co_return Read::end;
    }
  }
}

// The next piece of a streamed body. Each has a deadline of its own.
Task<std::optional<std::string>> Connection::next() {
  while (body_follows_) {
    chunk_.consume(parser_.feed(chunk_.bytes()));
    const State state = parser_.state();
    if (state == State::failed) co_return std::nullopt;
    std::string piece = parser_.take_body();
    if (state == State::complete) {
      parser_.take();
      body_follows_ = false;
    }
    if (!piece.empty()) co_return piece;
    if (!body_follows_) break;
    Task<bool> allowing = allow_body();
    if (!co_await allowing) co_return std::nullopt;
    phase_ = Phase::answer;
    enter(Phase::body);
    Task<bool> receiving = receive();
    const bool has_come = co_await receiving;
    deadline_.cancel();
    phase_ = Phase::answer;
    if (!has_come) {
      has_left_ = true;
      co_return std::nullopt;
    }
  }
  co_return std::string();
}

// True: the next request may come.
Task<bool> Connection::serve_request(bool body_follows) {
  phase_ = Phase::answer;
  deadline_.cancel();
  ++server_.counters.requests;
  body_follows_ = body_follows;
  Router::Choice choice;
  {
    Task<Router::Choice> choosing = server_.router.choose(request_, client_addr_);
    choice = co_await choosing;
  }
  if (choice.handler == nullptr) {
    answer(std::move(choice.refusal));
  } else {
    Call call{request_, client_addr_, std::move(choice.principal), std::move(choice.captured), this};
    Task<void> handling = (*choice.handler)(call, *this);
    co_await handling;
  }
  Task<bool> finishing = finish_answer(keeps_alive());
  co_return co_await finishing;
}

bool Connection::keeps_alive() const {
  return request_.keep_alive && !server_.is_stopping && !body_follows_ && !has_left_;
}

Task<bool> Connection::finish_answer(bool keep_alive) {
  if (streamed_) {
    Task<bool> finishing = streamed_->finish();
    bool is_whole = co_await finishing;
    streamed_.reset();
    receive_->unwatch();
    is_whole = is_whole && keep_alive && !has_left_ && !server_.is_stopping;
    co_return is_whole;
  }
  if (upgrade_) co_return false;
  if (!whole_) {
    // A body that failed: the parser knows why, or nobody is there to be told.
    if (has_left_ || parser_.state() == State::failed) co_return false;
    answer(http::problem(500, "the request has no answer", request_.path));
  }
  Response response = std::move(*whole_);
  whole_.reset();
  Task<bool> responding = respond(std::move(response), request_.method == "HEAD", keep_alive);
  const bool was_sent = co_await responding;
  keep_alive = keep_alive && was_sent;
  co_return keep_alive;
}

void Connection::answer(Response response) {
  RINGFENCE_ASSERT(!std::exchange(has_answered_, true));
  whole_ = std::move(response);
}

AnswerStream& Connection::stream(Response head) {
  RINGFENCE_ASSERT(!std::exchange(has_answered_, true));
  add_own_headers(head);
  ++server_.counters.responses_by_class[head.status / 100 % 6];
  using Framing = AnswerStream::Framing;
  Framing framing = request_.version_minor == 0 ? Framing::closing : Framing::chunks;
  if (framing == Framing::closing) request_.keep_alive = false;
  http::Framing head_framing;
  head_framing.end = framing == Framing::closing ? http::BodyEnd::closing : http::BodyEnd::chunks;
  head_framing.keep_alive = keeps_alive();
  // Whatever becomes of the rest of the request until the stream's end: the peer was told so.
  request_.keep_alive = head_framing.keep_alive;
  head_framing.date_us = server_.shard.now_us();
  const bool has_content = head.status != 204 && head.status != 304;
  if (request_.method == "HEAD" || !has_content) framing = Framing::none;
  streamed_ =
      std::make_unique<AnswerStream>(server_.shard, *stream_, framing, http::serialize(head, head_framing),
                                     server_.options.body_ms, server_.counters.streams_stalled);
  if (server_.is_stopping) streamed_->stop();
  watch_peer();
  return *streamed_;
}

// A stream may be silent for long: only a receive tells that the peer has left. One that says more than that
// is heard later, and does not keep a receive buffer meanwhile.
void Connection::watch_peer() {
  if (body_follows_) return;
  if (!chunk_.bytes().empty()) {
    chunk_ = net::Chunk::copy_of(chunk_.bytes());
    return;
  }
  chunk_.reset();
  if (receive_->watch(*this)) received();
}

void Connection::received() {
  Result<net::Chunk> came = receive_->await_resume();
  if (came && !came->bytes().empty()) {
    chunk_ = net::Chunk::copy_of(came->bytes());
    return;
  }
  has_left_ = true;
  streamed_->peer_left();
}

void Connection::upgrade(std::string protocol, std::vector<http::Header> headers, UpgradeHandler handler) {
  RINGFENCE_ASSERT(!std::exchange(has_answered_, true));
  if (!asks_for(request_, protocol)) {
    whole_ = http::problem(426, "this speaks " + protocol + " alone", request_.path);
    whole_->headers.push_back({"Upgrade", std::move(protocol)});
    return;
  }
  upgrade_head_ = http::switch_protocols(protocol, headers, server_.shard.now_us());
  upgrade_ = std::move(handler);
}

Task<void> Connection::run_upgrade() {
  RINGFENCE_ASSERT(!receive_->is_started());
  ++server_.counters.responses_by_class[1];
  Task<bool> sending = send(std::move(upgrade_head_));
  const bool was_sent = co_await sending;
  if (!was_sent || server_.is_stopping) {
    stream_->shutdown();
    co_return;
  }
  deadline_.cancel();
  phase_ = Phase::upgraded;
  std::string ahead(chunk_.bytes());
  chunk_.reset();
  receive_.reset();
  {
    Task<void> running = upgrade_({std::move(stream_), std::move(ahead), client_addr_, on_stop_});
    co_await running;
    carrier_ = nullptr;
  }
  on_stop_ = nullptr;
}

Task<bool> Connection::send(std::string bytes) {
  out_ = std::move(bytes);
  enter(Phase::send);
  net::Send sending(*stream_, out_);
  Result<void> sent = co_await sending;
  out_.clear();
  co_return sent.has_value();
}

Task<bool> Connection::respond(Response response, bool head_only, bool keep_alive) {
  add_own_headers(response);
  ++server_.counters.responses_by_class[response.status / 100 % 6];
  http::Framing framing;
  framing.head_only = head_only;
  framing.keep_alive = keep_alive;
  framing.date_us = server_.shard.now_us();
  Task<bool> sending = send(http::serialize(response, framing));
  co_return co_await sending;
}

Task<void> Connection::linger() {
  enter(Phase::linger);
  chunk_.reset();
  Task<void> lingering = net::linger(*stream_, linger_bytes_max, &*receive_);
  co_await lingering;
  deadline_.cancel();
}

}  // namespace ringfence::admin
