#include "ringfence/net/splice.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "ringfence/base/result.h"
#include "ringfence/base/thread_counts.h"

namespace ringfence::net {
namespace {

// What is put together before it goes out: the whole of an answer of medium size.
constexpr uint32_t gathered_max = 128 * 1024;

}  // namespace

// ---------------------------------------------------------------- pipes

SplicePipes::~SplicePipes() {
  // Those that are taken yet belong to sessions that the end of the process cuts off.
  for (const Pipe& pipe : free_) {
    ::close(pipe.output);
    ::close(pipe.input);
  }
}

bool SplicePipes::are_out() {
  const bool has_one = may_take();
  if (refused_for_ > 0) --refused_for_;
  return !has_one;
}

bool SplicePipes::take(Pipe& pipe) {
  if (!may_take()) return false;
  if (!free_.empty()) {
    pipe = free_.back();
    free_.pop_back();
  } else {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
      refused_for_ = refusals_after_one;
      return false;
    }
    pipe = {ends[0], ends[1]};
    // A user has so many pages for pipes (pipe-user-pages-soft); where they are used up, too little fits into
    // this one.
    if (::fcntl(pipe.input, F_SETPIPE_SZ, pipe_bytes) < pipe_bytes_min) {
      ::close(pipe.output);
      ::close(pipe.input);
      refused_for_ = refusals_after_one;
      return false;
    }
  }
  ++taken_;
  return true;
}

void SplicePipes::give_back(Pipe pipe, bool is_empty) {
  --taken_;
  refused_for_ = 0;
  if (is_empty && free_.size() < kept_max) {
    free_.push_back(pipe);
    return;
  }
  ::close(pipe.output);
  ::close(pipe.input);
}

// ---------------------------------------------------------------- moving

bool Splice::await_suspend(std::coroutine_handle<> waiter) {
  RINGFENCE_ASSERT(head_.empty() || !waits_first_);
  if (!waits_first_ && !take_pipe()) {
    result_.end = head_.empty() ? Spliced::End::no_pipe : Spliced::End::no_head;
    return false;
  }
  if (!head_.empty() && !put_head()) return false;
  output_fd_ = to_.splice_into();
  input_fd_ = from_.begin_splice(*this);
  if (waits_first_) wait_for(Wait::input);
  else if (advance()) return false;
  waiter_ = waiter;
  return true;
}

bool Splice::take_pipe() { return has_pipe_ = has_pipe_ || pipes_.take(pipe_); }

void Splice::give_pipe_back(bool is_empty) {
  if (std::exchange(has_pipe_, false)) pipes_.give_back(pipe_, is_empty);
}

// False: it is over.
bool Splice::put_head() {
  RINGFENCE_ASSERT(head_.size() <= head_bytes_max);
  count_system_call();
  const ssize_t put = ::write(pipe_.input, head_.data(), head_.size());
  if (put == static_cast<ssize_t>(head_.size())) {
    in_pipe_ = head_left_ = static_cast<uint32_t>(put);
    is_gathering_ = true;
    if (chunk_ != nullptr) chunk_->reset();
    return true;
  }
  // The system has no page for it.
  give_pipe_back(put <= 0);
  result_.end = Spliced::End::no_head;
  return false;
}

void Splice::cancel() {
  is_cancelled_ = true;
  if (wait_ == Wait::input) ring_.cancel(*this);
}

void Splice::complete(int, uint32_t, bool) {
  // Whatever woke us, splice() says what it was.
  is_input_said_ = wait_ == Wait::input;
  wait_ = Wait::none;
  const bool is_over = take_pipe() ? advance() : finish(Spliced::End::no_pipe);
  if (is_over) std::exchange(waiter_, nullptr).resume();
}

bool Splice::advance() {
  for (;;) {
    if (gathers() || in_pipe_ == 0 ? take_in() : give_out()) return wait_ == Wait::none;
  }
}

// What is there is put behind the head before that goes out.
bool Splice::gathers() const { return is_gathering_ && left_ > 0 && in_pipe_ < gathered_max; }

// False: what is in the pipe goes out next, and then the input is asked again.
bool Splice::stop_gathering() {
  is_gathering_ = false;
  return false;
}

// True: it waits or is over.
bool Splice::take_in() {
  if (left_ == 0 || result_.taken >= turn_bytes_max) return finish(Spliced::End::none);
  if (is_cancelled_) return is_gathering_ ? stop_gathering() : finish(Spliced::End::cancelled);
  count_system_call();
  const size_t wanted = std::min(left_, turn_bytes_max);
  ssize_t got = ::splice(input_fd_, nullptr, pipe_.input, nullptr, wanted, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  if (got > 0) {
    in_pipe_ += static_cast<uint32_t>(got);
    left_ -= static_cast<uint32_t>(got);
    result_.taken += static_cast<uint64_t>(got);
    return false;
  }
  if (in_pipe_ > 0) return stop_gathering();
  if (got == 0) {
    // The end of the stream shows again at a receive.
    return finish(Spliced::End::input_ended);
  }
  if (errno == EINTR) return false;
  if (errno != EAGAIN) return finish(Spliced::End::input_ended, errno);
  if (result_.taken > 0) return finish(Spliced::End::none);
  // The poll says that there is something, splice(2) that there is nothing: before a byte of urgent data,
  // say, which only a receive steps over.
  if (is_input_said_) return finish(Spliced::End::no_pipe);
  wait_for(Wait::input);
  return true;
}

bool Splice::give_out() {
  count_system_call();
  // What follows leaves together with the last of these.
  const unsigned more = left_ == 0 ? SPLICE_F_MORE : 0;
  ssize_t given = ::splice(pipe_.output, nullptr, output_fd_, nullptr, in_pipe_,
                           SPLICE_F_NONBLOCK | SPLICE_F_MOVE | more);
  if (given > 0) {
    const uint32_t of_head = std::min(head_left_, static_cast<uint32_t>(given));
    head_left_ -= of_head;
    in_pipe_ -= static_cast<uint32_t>(given);
    result_.given += static_cast<uint64_t>(given) - of_head;
    is_gathering_ = false;
    return false;
  }
  if (given < 0 && errno == EINTR) return false;
  if (given < 0 && errno == EAGAIN) {
    wait_for(Wait::output);
    return true;
  }
  return finish(Spliced::End::output_failed, given < 0 ? errno : EPIPE);
}

void Splice::wait_for(Wait what) {
  wait_ = what;
  if (what == Wait::input) {
    give_pipe_back(true);
    ring_.poll(input_fd_, POLLIN | POLLRDHUP, *this);
  } else {
    ring_.poll(output_fd_, POLLOUT, *this);
  }
}

bool Splice::finish(Spliced::End end, int error) {
  if ((end == Spliced::End::none || end == Spliced::End::no_pipe) && is_cancelled_)
    end = Spliced::End::cancelled;
  result_.end = end;
  const bool is_input = end == Spliced::End::input_ended;
  if (!is_input) result_.error = error;
  from_.end_splice(is_input ? error : 0);
  give_pipe_back(in_pipe_ == 0);
  return true;
}

}  // namespace ringfence::net
