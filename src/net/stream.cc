#include "ringfence/net/stream.h"

#include <cerrno>

#include "ringfence/net/deadline.h"

namespace ringfence::net {

namespace {
tl::unexpected<Error> stream_error(int error, const char* what) {
  if (error == ECONNRESET || error == EPIPE || error == ECANCELED || error == ENOTCONN) {
    return tl::unexpected<Error>(Error{Fault::closed, std::string(what) + ": connection lost", error});
  }
  return fail_errno(error, what);
}
}  // namespace

void Receive::start() {
  if (started_) return;
  started_ = true;
  stream_.begin_receive(*this);
}

void Receive::take_over(Receive& begun) {
  RINGFENCE_ASSERT(&stream_ == &begun.stream_ && !started_ && !begun.is_awaited());
  if (!std::exchange(begun.started_, false)) return;
  started_ = true;
  done_ = std::exchange(begun.done_, false);
  if (done_) {
    chunk_ = std::move(begun.chunk_);
    error_ = std::exchange(begun.error_, 0);
  } else {
    stream_.redirect_receive(*this);
  }
}

Result<Chunk> Receive::await_resume() {
  started_ = false;
  done_ = false;
  if (error_ != 0) return stream_error(std::exchange(error_, 0), "receive");
  return std::move(chunk_);
}

Send::Send(Send&& begun) noexcept
    : stream_(begun.stream_),
      bytes_(begun.bytes_),
      own_(std::move(begun.own_)),
      error_(begun.error_),
      is_begun_(begun.is_begun_),
      done_(begun.done_) {
  RINGFENCE_ASSERT(begun.waiter_ == nullptr && begun.watcher_ == nullptr);
  if (is_begun_ && !done_) stream_.send_moved(*this);
}

bool Send::begin() {
  if (bytes_.empty()) return true;
  is_begun_ = true;
  stream_.begin_send(*this, bytes_);
  return done_;
}

bool Send::await_suspend(std::coroutine_handle<> waiter) {
  if (!is_begun_ && begin()) return false;
  waiter_ = waiter;
  return true;
}

bool Send::watch(Watcher& watcher) {
  stream_.begin_send(*this, bytes_);
  if (!done_) watcher_ = &watcher;
  return done_;
}

Result<void> Send::await_resume() {
  if (error_ != 0) return stream_error(error_, "send");
  return {};
}

ring::Task<Result<void>> Gather::at_least(size_t size) {
  while (this->size() < size) {
    Receive receive(*stream_);
    Result<Chunk> chunk = co_await receive;
    if (!chunk) co_return unexpected(std::move(chunk).error());
    if (chunk->bytes().empty()) co_return fail(Fault::closed, "the peer closed the connection");
    if (begin_ > 0) {
      buffer_.erase(0, begin_);
      begin_ = 0;
    }
    buffer_.append(chunk->bytes());
  }
  co_return Result<void>{};
}

void Gather::consume(size_t size) {
  begin_ += size;
  if (begin_ == buffer_.size()) {
    buffer_.clear();
    begin_ = 0;
  }
}

Deadline::Deadline(ring::Shard& shard, Stream& stream, uint64_t ms)
    : timer_(shard.timers(), [this, &stream] {
        passed_ = true;
        stream.shutdown();
      }) {
  if (ms > 0) timer_.arm(shard.now_ns() + ms * 1'000'000);
}

}  // namespace ringfence::net
