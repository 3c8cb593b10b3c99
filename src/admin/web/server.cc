#include "ringfence/admin/web/server.h"

#include <unistd.h>

#include "connection.h"
#include "ringfence/base/clock.h"
#include "ringfence/net/socket_stream.h"

namespace ringfence::admin {

using ring::Task;

namespace {
// How often stop() looks whether the kernel has let go of the listening socket.
constexpr uint64_t poll_ns = 1'000'000;
}  // namespace

Server::Server(ring::Shard& shard, const ServerOptions& options, const Router& router,
               AdminCounters& counters, Asks& asks)
    : state_{shard, options, router, counters, nullptr, {}, false},
      asks_(asks),
      asks_timer_(shard.timers(), [this] { end_asks(); }),
      drain_timer_(shard.timers(), [this] { end_connections(); }),
      poll_timer_(shard.timers(), [this] { end_if_drained(); }) {}

Server::~Server() { RINGFENCE_ASSERT(connections_.empty()); }

void Server::listen(int fd) {
  listener_ = std::make_unique<net::Listener>(state_.shard, fd, [this](int accepted) {
    if (connections_.size() >= state_.options.connections_max) {
      ++state_.counters.connections_refused;
      ::close(accepted);
      return;
    }
    serve(std::make_unique<net::SocketStream>(state_.shard, accepted));
  });
}

void Server::serve(std::unique_ptr<net::Stream> stream) {
  if (state_.is_stopping || connections_.size() >= state_.options.connections_max) {
    ++state_.counters.connections_refused;
    stream->shutdown();
    return;
  }
  auto at = connections_.insert(connections_.end(), std::make_unique<Connection>(state_, std::move(stream)));
  ring::spawn(run(at));
}

Task<void> Server::run(Connections::iterator at) {
  Task<void> conversation = (*at)->converse();
  co_await conversation;
  connections_.erase(at);
  if (state_.is_stopping) end_if_drained();
}

void Server::stop(uint64_t deadline_ms, std::function<void()> stopped) {
  state_.is_stopping = true;
  stopped_ = std::move(stopped);
  if (listener_) listener_->stop();
  asks_timer_.arm(state_.shard.now_ns() + deadline_ms * ns_per_ms / 2);
  drain_timer_.arm(state_.shard.now_ns() + deadline_ms * ns_per_ms);
  is_ending_several_ = true;
  // Each may end at once and leave the list.
  for (auto at = connections_.begin(); at != connections_.end();) (*at++)->stop();
  is_ending_several_ = false;
  end_if_drained();
}

void Server::end_asks() {
  is_ending_several_ = true;
  asks_.end();
  is_ending_several_ = false;
  end_if_drained();
}

void Server::end_connections() {
  is_ending_several_ = true;
  for (auto at = connections_.begin(); at != connections_.end();) (*at++)->shutdown();
  is_ending_several_ = false;
  end_if_drained();
}

void Server::end_if_drained() {
  // The last one of several may destroy this server when all were seen to, not before.
  if (is_ending_several_ || !stopped_ || !connections_.empty()) return;
  if (listener_ && !listener_->is_stopped()) {
    poll_timer_.arm(state_.shard.now_ns() + poll_ns);
    return;
  }
  asks_timer_.cancel();
  drain_timer_.cancel();
  // The callback may destroy this server.
  auto stopped = std::exchange(stopped_, nullptr);
  stopped();
}

}  // namespace ringfence::admin
