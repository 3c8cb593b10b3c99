// Bytes that nobody has to see go from one socket to another through a pipe: splice(2) moves the kernel's
// pages, and none of them enters user space.
//
// Both directions are tried first and waited for by a poll on the ring: the ring's own splice operation runs
// on the kernel's worker threads and costs twice as much. SIGPIPE is ignored by whoever does this: splice(2)
// cannot be told not to raise it. A pipe is waited for by nobody: where all are taken, bytes go by receive
// and send as ever. What always holds: a Splice that waits for input has no pipe, and a pipe goes back to the
// others only when it is empty.
#pragma once

#include <coroutine>
#include <cstdint>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"
#include "ringfence/net/stream.h"
#include "ringfence/ring/ring.h"

namespace ringfence::net {

// A shard's pipes. Made when they are wanted, at most `all_max` at a time.
class SplicePipes {
 public:
  // Two descriptors each, and as much in pages of the kernel as a slow reader lets stand in them.
  static constexpr unsigned all_max = 64;
  static constexpr unsigned kept_max = 16;
  // What a pipe has room for, at pages of 4 KiB; with larger ones, as the loopback interface has, for more.
  static constexpr int pipe_bytes = 256 * 1024;
  // Less than that is not worth its system calls.
  static constexpr int pipe_bytes_min = 64 * 1024;

  struct Pipe {
    int output = -1;
    int input = -1;
  };

  SplicePipes() = default;
  ~SplicePipes();
  SplicePipes(const SplicePipes&) = delete;
  SplicePipes& operator=(const SplicePipes&) = delete;

  // None is to be had. Asked once for each body: where the system refused one, it is asked again after many.
  bool are_out();
  unsigned taken() const { return taken_; }

 private:
  friend class Splice;
  static constexpr unsigned refusals_after_one = 1000;

  bool may_take() const { return refused_for_ == 0 && taken_ < all_max; }
  // False where there is none.
  bool take(Pipe& pipe);
  void give_back(Pipe pipe, bool is_empty);

  std::vector<Pipe> free_;
  unsigned taken_ = 0;
  unsigned refused_for_ =
      0;  // The system has no descriptors or pages left; until a pipe comes back, or so many bodies later.
};

struct Spliced {
  enum class End : uint8_t {
    none,         // As much was moved as was there, or as one turn of the loop may.
    no_pipe,      // Nothing was moved, nor can be this way now: bytes have to be received and sent.
    no_head,      // The same, and the head has not gone out either.
    input_ended,  // The next receive says how.
    cancelled,    // By cancel_receive().
    output_failed,
  };
  uint64_t taken = 0;  // From the input.
  uint64_t given = 0;  // To the output, without the head. Less than was taken only when that has failed.
  End end = End::none;
  int error = 0;  // Of the output.
};

// Moves some bytes, at most `bytes` and no more than are good for one turn, of those that `from` brings next;
// others follow them at once, which may leave together with the last. In place of a receive of `from`, which
// has_nothing_ahead(), and of a send of `to`. `waits_first`: another Splice has just moved what a turn may.
//
// `head`: bytes that go before them, at most head_bytes_max. They are written into the pipe, so that the
// socket gets them and what can be taken at once by one call, and they leave in as few segments as the window
// allows. TCP that is paced (bbr) arms a timer for each segment that follows another. `chunk`, which holds
// the head, is let go then.
class Splice final : private ring::Operation {
 public:
  static constexpr uint32_t turn_bytes_max = 256 * 1024;
  // An empty pipe takes as much whole, and the smallest has as much room again.
  static constexpr uint32_t head_bytes_max = SplicePipes::pipe_bytes_min / 2;

  Splice(ring::Ring& ring, SplicePipes& pipes, Stream& from, Stream& to, uint32_t bytes, bool waits_first,
         ByteView head = {}, Chunk* chunk = nullptr)
      : ring_(ring),
        pipes_(pipes),
        from_(from),
        to_(to),
        head_(head),
        chunk_(chunk),
        left_(bytes),
        waits_first_(waits_first) {}
  Splice(const Splice&) = delete;
  Splice& operator=(const Splice&) = delete;

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter);
  Spliced await_resume() const { return result_; }

  // It waits for the output.
  bool holds_bytes() const { return in_pipe_ > 0; }

  // For the stream: the wait for input ends.
  void cancel();

 private:
  enum class Wait : uint8_t { none, input, output };

  void complete(int result, uint32_t flags, bool more) override;
  bool take_pipe();
  void give_pipe_back(bool is_empty);
  bool put_head();
  // Until something has to be waited for, or it is over, which is what true says.
  bool advance();
  bool gathers() const;
  bool stop_gathering();
  bool take_in();
  bool give_out();
  void wait_for(Wait what);
  bool finish(Spliced::End end, int error = 0);

  ring::Ring& ring_;
  SplicePipes& pipes_;
  Stream& from_;
  Stream& to_;
  SplicePipes::Pipe pipe_;
  std::coroutine_handle<> waiter_;
  Spliced result_;
  int input_fd_ = -1;
  int output_fd_ = -1;
  ByteView head_;  // Until it is in the pipe.
  Chunk* chunk_;
  uint32_t head_left_ = 0;  // Of in_pipe_.
  uint32_t left_;
  uint32_t in_pipe_ = 0;
  Wait wait_ = Wait::none;
  bool waits_first_;
  bool has_pipe_ = false;
  bool is_gathering_ = false;
  bool is_cancelled_ = false;
  bool is_input_said_ = false;  // The poll's last word.
};

}  // namespace ringfence::net
