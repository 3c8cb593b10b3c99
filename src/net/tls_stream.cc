#include "ringfence/net/tls_stream.h"

#include <cerrno>

namespace ringfence::net {

namespace {
// How much is encrypted before the stream beneath is asked to take it: a bound on what waits there.
constexpr size_t slice_bytes = 64 * 1024;

// Of numbers that one thread alone writes.
void add(std::atomic<uint64_t>& number, int difference) {
  uint64_t now = number.load(std::memory_order_relaxed);
  number.store(now + static_cast<uint64_t>(static_cast<int64_t>(difference)), std::memory_order_relaxed);
}
}  // namespace

// ---------------------------------------------------------------- buffers

TlsBuffers::Buffer TlsBuffers::take() {
  ++in_use_;
  uint32_t id = 0;
  if (!free_.empty()) {
    id = free_.back();
    free_.pop_back();
  } else if (!emptied_.empty()) {
    id = emptied_.back();
    emptied_.pop_back();
    buffers_[id] = std::make_unique_for_overwrite<char[]>(buffer_bytes);
  } else {
    id = static_cast<uint32_t>(buffers_.size());
    buffers_.push_back(std::make_unique_for_overwrite<char[]>(buffer_bytes));
  }
  return {buffers_[id].get(), id};
}

void TlsBuffers::release(uint32_t id) {
  --in_use_;
  if (free_.size() < kept_max) {
    free_.push_back(id);
  } else {
    buffers_[id].reset();
    emptied_.push_back(id);
  }
}

// ---------------------------------------------------------------- the handshake

TlsStream::TlsStream(std::unique_ptr<Stream> inner, std::shared_ptr<const TlsContext> context,
                     TlsBuffers& buffers, TlsLegs* legs)
    : inner_(std::move(inner)),
      legs_(legs),
      buffers_(buffers),
      engine_(context, *this),
      inner_receive_(*inner_),
      kernel_at_once_(context->kernel().at_once) {}

TlsStream::~TlsStream() {
  RINGFENCE_ASSERT(receive_ == nullptr && send_ == nullptr && !inner_send_);
  if (!is_counted_) return;
  add(legs_->open, -1);
  if (kernel_sends_) add(legs_->kernel_sends, -1);
}

ring::Task<Result<void>> TlsStream::handshake(std::string first) {
  first_ = std::move(first);
  size_t total = first_.size();
  engine_.give(first_);
  for (;;) {
    TlsEngine::Step step = engine_.handshake();
    if (!pending_.empty()) {
      std::string out = std::exchange(pending_, {});
      Send sending(*inner_, out);
      Result<void> sent = co_await sending;
      if (!sent && step != TlsEngine::Step::failed) co_return unexpected(std::move(sent).error());
    }
    if (step == TlsEngine::Step::done) {
      is_counted_ = legs_ != nullptr;
      if (is_counted_) add(legs_->open, 1);
      co_return Result<void>{};
    }
    if (step != TlsEngine::Step::wants_input) {
      bool is_denial =
          engine_.failure() >= TlsFailure::no_certificate && engine_.failure() <= TlsFailure::certificate;
      std::string reason = step == TlsEngine::Step::ended ? "ended by the peer" : engine_.reason();
      co_return fail(is_denial ? Fault::denied : Fault::malformed, "TLS handshake: " + reason);
    }
    release_input();
    Receive receive(*inner_);
    Result<Chunk> chunk = co_await receive;
    if (!chunk) co_return unexpected(std::move(chunk).error());
    if (chunk->bytes().empty())
      co_return fail(Fault::closed, "the peer closed the connection during the TLS handshake");
    total += chunk->bytes().size();
    if (total > handshake_bytes_max)
      co_return fail(Fault::limit, "TLS handshake: longer than any needs to be");
    chunk_ = std::move(*chunk);
    engine_.give(chunk_.bytes());
  }
}

// ---------------------------------------------------------------- receiving

void TlsStream::begin_receive(Receive& receive) {
  RINGFENCE_ASSERT(receive_ == nullptr);
  receive_ = &receive;
  advance_receive();
}

void TlsStream::advance_receive() {
  while (receive_ != nullptr) {
    if (engine_.may_have_plaintext() && decrypt()) return;
    if (is_at_end_ || receive_error_ != 0) {
      finish_receive(Chunk(), receive_error_);
      return;
    }
    if (is_cancelled_) {
      finish_receive(Chunk(), ECANCELED);
      return;
    }
    if (!inner_receive_.watch(*this)) return;
    take_inner();
  }
}

void TlsStream::received() {
  take_inner();
  advance_receive();
}

void TlsStream::take_inner() {
  Result<Chunk> chunk = inner_receive_.await_resume();
  if (!chunk) {
    // A cancelled receive is over, not the stream.
    if (chunk.error().errno_value == ECANCELED && is_cancelled_) return;
    receive_error_ = chunk.error().errno_value != 0 ? chunk.error().errno_value : ECONNRESET;
    return;
  }
  if (chunk->bytes().empty()) {
    receive_error_ = ECONNRESET;  // The end without close_notify: somebody may have cut it.
    return;
  }
  chunk_ = std::move(*chunk);
  engine_.give(chunk_.bytes());
}

// True when the receive was completed.
bool TlsStream::decrypt() {
  if (is_at_end_ || receive_error_ != 0) return false;
  TlsBuffers::Buffer buffer = buffers_.take();
  size_t got = 0;
  TlsEngine::Step step = engine_.read(buffer.bytes, TlsBuffers::buffer_bytes, got);
  if (!engine_.has_input()) release_input();
  if (got == 0) {
    buffers_.release(buffer.id);
    if (step == TlsEngine::Step::ended) is_at_end_ = true;
    if (step == TlsEngine::Step::failed) note_failure();
    return false;
  }
  Chunk chunk(ByteView(buffer.bytes, got), &buffers_, buffer.id);
  if (!receive_->is_awaited() && buffers_.are_scarce()) chunk.detach();
  finish_receive(std::move(chunk), 0);
  return true;
}

void TlsStream::note_failure() {
  bool is_key_update = engine_.failure() == TlsFailure::key_update;
  receive_error_ = is_key_update ? EKEYEXPIRED : EPROTO;
  if (is_key_update && legs_ != nullptr) add(legs_->key_updates_refused, 1);
}

void TlsStream::release_input() {
  chunk_.reset();
  if (!first_.empty()) first_ = std::string();
}

void TlsStream::finish_receive(Chunk chunk, int error) {
  is_cancelled_ = false;
  // May destroy this.
  std::exchange(receive_, nullptr)->complete(std::move(chunk), error);
}

void TlsStream::cancel_receive() {
  if (receive_ == nullptr) return;
  is_cancelled_ = true;
  inner_->cancel_receive();
}

// ---------------------------------------------------------------- sending

void TlsStream::take(ByteView ciphertext, bool more) {
  // The records of one send leave as one: each by itself would wake the peer, and costs a seventh more CPU.
  if (pending_.empty() && !inner_send_) ciphertext.remove_prefix(inner_->try_send(ciphertext, more));
  pending_.append(ciphertext);
}

// True when the kernel encrypts from now on.
bool TlsStream::try_kernel(size_t size) {
  bool is_streaming = kernel_at_once_;
  if (!is_streaming && size >= kernel_send_bytes_min) {
    streamed_bytes_ += size;
    is_streaming = streamed_bytes_ >= kernel_from_bytes;
  }
  // What is encrypted already goes first.
  if (!is_streaming || !pending_.empty() || inner_send_) return false;
  TlsSendingKeys keys;
  int error = engine_.sending_keys(keys) ? inner_->encrypt_by_kernel(keys) : ENOTSUP;
  if (error != 0) {
    kernel_refused_ = true;
    if (legs_ != nullptr) add(legs_->kernel_refused, 1);
    return false;
  }
  engine_.leave_sending();
  kernel_sends_ = true;
  if (is_counted_) {
    add(legs_->kernel_sends, 1);
    add(legs_->kernel_sends_total, 1);
  }
  return true;
}

void TlsStream::begin_send(Send& send, ByteView bytes) {
  RINGFENCE_ASSERT(send_ == nullptr);
  if (kernel_sends_ || (engine_.may_leave_sending() && !kernel_refused_ && try_kernel(bytes.size()))) {
    pass_on(*inner_, send, bytes);
    return;
  }
  send_ = &send;
  rest_ = bytes;
  advance_send();
}

void TlsStream::send_moved(Send& to) {
  if (send_ != nullptr) send_ = &to;
  else pass_on_moved(*inner_, to);
}

void TlsStream::advance_send() {
  for (;;) {
    if (!pending_.empty()) {
      sending_ = std::exchange(pending_, {});
      // All of it stands in memory of our own by now: the shard's buffer goes back while the peer makes us
      // wait.
      if (rest_.empty()) send_->settle(ByteView());
      inner_send_.emplace(*inner_, sending_);
      if (!inner_send_->watch(*this)) return;
      Result<void> done = inner_send_->await_resume();
      inner_send_.reset();
      if (!done) {
        finish_send(done.error().errno_value != 0 ? done.error().errno_value : EPIPE);
        return;
      }
      continue;
    }
    if (rest_.empty()) {
      finish_send(0);
      return;
    }
    ByteView slice = rest_.substr(0, slice_bytes);
    if (engine_.write(slice) == TlsEngine::Step::failed) {
      finish_send(EPIPE);
      return;
    }
    rest_.remove_prefix(slice.size());
  }
}

void TlsStream::sent() {
  Result<void> done = inner_send_->await_resume();
  inner_send_.reset();
  if (!done) {
    finish_send(done.error().errno_value != 0 ? done.error().errno_value : EPIPE);
    return;
  }
  advance_send();
}

void TlsStream::finish_send(int error) {
  sending_ = std::string();
  rest_ = {};
  // May destroy this.
  std::exchange(send_, nullptr)->complete(error);
}

// ---------------------------------------------------------------- ending

void TlsStream::shutdown() {
  engine_.close();
  inner_->shutdown();
}

void TlsStream::shutdown_write() {
  engine_.close();
  inner_->shutdown_write();
}

}  // namespace ringfence::net
