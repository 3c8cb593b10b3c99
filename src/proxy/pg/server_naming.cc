#include "server_naming.h"

#include "goodbye.h"
#include "ringfence/proxy/core/bounds.h"
#include "watched_session.h"

namespace ringfence::proxy {

using ring::Task;

ServerNaming::ServerNaming(Of of, std::string_view application_name, OwnAnswer::Kind kind)
    : of_(std::move(of)),
      message_(naming_message(application_name)),
      answer_(kind, of_.server.ticket->settings),
      timer_(of_.shard.timers(), [this] { is_late(); }) {
  timer_.arm(of_.shard.now_ns() + pool_naming_after_ms * 1'000'000);
}

bool ServerNaming::goes_before(ByteView bytes) const {
  if (bytes.empty()) return false;
  return state_ == State::sending || (state_ == State::due && !is_over_ && bytes != goodbye);
}

// The client has said nothing yet, or the server does not answer.
void ServerNaming::is_late() {
  if (is_over_) return;
  if (state_ == State::due) ring::spawn(send_alone());
  else of_.fail("the server did not answer in time");
}

Task<void> ServerNaming::send_alone() {
  auto sending = send(nullptr);
  co_await sending;  // Of a connection that is lost the server's pump hears.
}

Task<bool> ServerNaming::send(ByteView* along) {
  if (state_ == State::sending) {
    co_await sent_;
    co_return true;
  }
  state_ = State::sending;
  timer_.arm(of_.shard.now_ns() + pool_naming_ms * 1'000'000);
  std::string message = std::move(message_);
  if (of_.watched != nullptr) of_.watched->texts.note_unknown();
  if (along != nullptr && along->size() <= pool_naming_bytes_max) message.append(std::exchange(*along, {}));
  net::Send sending(*of_.server.stream, message);
  Result<void> sent = co_await sending;
  const bool is_sent = sent.has_value();
  state_ = State::sent;
  sent_.set();  // The session may be gone when this returns.
  co_return is_sent;
}

// What the server said of itself before it was asked may have come in part: the rest of that is the
// session's.
bool ServerNaming::take(net::Chunk& chunk, size_t begun_bytes) {
  const ByteView begun = chunk.bytes().substr(0, begun_bytes);
  const size_t own = answer_.take_own(chunk.bytes().substr(begun.size()));
  switch (answer_.state()) {
    case OwnAnswer::State::open:
      if (begun.empty()) chunk.consume(own);
      else if (own > 0) chunk = net::Chunk::copy_of(begun);
      return true;
    case OwnAnswer::State::failed: of_.fail(answer_.reason()); return false;
    case OwnAnswer::State::done: break;
  }
  // Settings that changed at this very moment are the session's to know.
  std::string passed = std::string(begun) + answer_.for_the_session();
  const ByteView behind = chunk.bytes().substr(begun.size() + own);
  if (passed.empty()) chunk.consume(own);
  else chunk = net::Chunk::copy_of(passed.append(behind));
  end();
  return true;
}

void ServerNaming::end() {
  if (is_over_) return;
  is_over_ = true;
  timer_.cancel();
  const std::vector<ring::Event*> waiters = std::exchange(waiters_, {});
  for (ring::Event* waiter : waiters) waiter->set();
}

Task<void> ServerNaming::wait() {
  if (!is_awaited()) co_return;
  ring::Event over;
  waiters_.push_back(&over);
  co_await over;
}

}  // namespace ringfence::proxy
