#include "ringfence/admin/web/answer_stream.h"

#include <algorithm>

#include "ringfence/base/clock.h"
#include "ringfence/http/response.h"

namespace ringfence::admin {

using ring::Task;

namespace {
// Around a chunk: its length in hexadecimal and two line ends.
constexpr size_t chunk_overhead = 16 + 4;
}  // namespace

// Suspends until a signal, which is kept while nobody waits.
struct AnswerStream::Wait {
  AnswerStream& stream;
  bool await_ready() const noexcept { return stream.is_signalled_; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { stream.waiter_ = waiter; }
  // False: the time has passed.
  bool await_resume() noexcept { return std::exchange(stream.is_signalled_, false); }
};

AnswerStream::AnswerStream(ring::Shard& shard, net::Stream& stream, Framing framing, std::string head,
                           uint64_t stall_ms, uint64_t& stalled)
    : shard_(shard),
      stream_(stream),
      framing_(framing),
      stall_ms_(stall_ms),
      stalled_(stalled),
      buffer_(std::move(head)),
      has_ended_(framing == Framing::none),
      stall_timer_(shard.timers(),
                   [this] {
                     ++stalled_;
                     stream_.shutdown();
                   }),
      wait_timer_(shard.timers(), [this] { go_on(); }) {
  pump();
}

AnswerStream::~AnswerStream() { RINGFENCE_ASSERT(!is_sending_ && waiter_ == nullptr); }

bool AnswerStream::try_write(ByteView bytes) {
  RINGFENCE_ASSERT(bytes.size() <= max_write);
  if (has_ended_) return false;
  if (bytes.empty()) return true;
  if (buffer_.size() + bytes.size() + chunk_overhead > buffer_bytes_max) {
    wants_room_ = true;
    return false;
  }
  if (framing_ == Framing::chunks) http::append_chunk(buffer_, bytes);
  else buffer_.append(bytes);
  pump();
  return !has_ended_;
}

Task<bool> AnswerStream::write(ByteView bytes) {
  bool had_news = false;
  while (!bytes.empty()) {
    const ByteView piece = bytes.substr(0, std::min(bytes.size(), send_bytes_max));
    if (try_write(piece)) {
      bytes.remove_prefix(piece.size());
      continue;
    }
    if (has_ended_) co_return false;
    had_news = co_await Wait{*this};
  }
  // It may have been more than room: the next wait is told.
  if (had_news) is_signalled_ = true;
  co_return !has_ended_;
}

Task<bool> AnswerStream::wait(uint64_t ms) {
  if (ms > 0) wait_timer_.arm(shard_.now_ns() + ms * ns_per_ms);
  // Its end is no news twice; yet nobody shall wait for anything behind it.
  const bool is_over = has_ended_;
  if (is_over) is_signalled_ = true;
  bool has_news = co_await Wait{*this};
  wait_timer_.cancel();
  co_return has_news;
}

void AnswerStream::wake() { signal(); }

Task<bool> AnswerStream::finish() {
  if (framing_ == Framing::chunks && !is_broken_ && !is_lost_) {
    buffer_.append(http::last_chunk);
    pump();
  }
  has_ended_ = true;
  // Every send that ends signals from here on.
  while (is_sending_ || (!is_lost_ && !buffer_.empty())) {
    wants_room_ = true;
    co_await Wait{*this};
  }
  stall_timer_.cancel();
  co_return !is_lost_ && !is_broken_;
}

void AnswerStream::stop() {
  is_stopping_ = true;
  signal();
}

void AnswerStream::peer_left() {
  is_lost_ = has_ended_ = true;
  // A send that is under way completes, perhaps before this returns, and tells the producer.
  const bool was_sending = is_sending_;
  stream_.shutdown();
  if (!was_sending) signal();
}

// Gives what is there to the stream, as long as that takes it at once.
void AnswerStream::pump() {
  while (!is_sending_ && !is_lost_ && !buffer_.empty()) {
    sending_ = buffer_.substr(0, send_bytes_max);
    buffer_.erase(0, sending_.size());
    send_.emplace(stream_, sending_);
    stall_timer_.arm(shard_.now_ns() + stall_ms_ * ns_per_ms);
    is_sending_ = true;
    if (!send_->watch(*this)) return;
    if (!finish_send()) is_lost_ = has_ended_ = true;
  }
}

// False: it has failed.
bool AnswerStream::finish_send() {
  is_sending_ = false;
  stall_timer_.cancel();
  return send_->is_sent();
}

// The last thing that each of these does is to let the waiter go on, which may destroy this.
void AnswerStream::sent() {
  if (!finish_send()) {
    end();
    return;
  }
  pump();
  if (is_lost_ || (wants_room_ && (!is_sending_ || buffer_.size() <= buffer_bytes_max / 2))) {
    wants_room_ = false;
    signal();
  }
}

void AnswerStream::end() {
  is_lost_ = has_ended_ = true;
  signal();
}

void AnswerStream::signal() {
  is_signalled_ = true;
  go_on();
}

void AnswerStream::go_on() {
  if (auto waiter = std::exchange(waiter_, nullptr)) waiter.resume();
}

}  // namespace ringfence::admin
