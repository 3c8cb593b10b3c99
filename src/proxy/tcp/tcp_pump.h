// One direction of a raw TCP session: what comes from one stream goes into the other, unseen.
//
// Short pieces are received and sent. A stream that fills receive buffers goes through a pipe (net/splice.h)
// until it becomes quiet.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ringfence/net/splice.h"
#include "ringfence/proxy/core/shard_core.h"
#include "ringfence/ring/task.h"

namespace ringfence::proxy {

struct TcpMoment {
  uint64_t ns = 0;  // Of the shard's clock.
  uint64_t us = 0;  // Unix time.
};

class TcpPump {
 public:
  enum class End : uint8_t {
    none,           // It runs, or has not begun.
    input_ended,    // The sender has ended its direction, and the receiver was told.
    input_failed,   // The sender's connection is broken.
    output_failed,  // The receiver's connection is broken: what comes is not taken any more.
  };

  TcpPump(ShardCore& core, net::Stream& from, net::Stream& to, bool is_to_client, TcpMoment& activity)
      : core_(core), from_(from), to_(to), activity_(activity), is_to_client_(is_to_client) {}
  TcpPump(const TcpPump&) = delete;
  TcpPump& operator=(const TcpPump&) = delete;

  // Until the direction has ended. Both streams outlive it, and a shutdown of either ends it.
  ring::Task<void> run();
  End end() const { return end_; }
  int error() const { return error_; }  // errno of what is broken; 0: not known.
  // That the receiver's machine has taken, as far as that is known.
  uint64_t bytes() const { return bytes_ - std::min(bytes_, lost_); }
  // Bytes that were given to the receiver's socket are taken, though nothing new was given. Since the last
  // call.
  bool has_progressed();
  // What the receiver has not got it will not get: before its connection is cut.
  void lose_unsent() { lost_ = to_.unsent(); }
  // Bytes of the sender wait for the receiver.
  bool holds_bytes() const {
    return is_sending_ || (splice_ != nullptr && splice_->holds_bytes()) || to_.unsent() > 0;
  }

 private:
  // Pieces below this are not worth a pipe, and so many of them one after the other end a stream.
  static constexpr uint64_t stream_bytes_min = 16 * 1024;
  static constexpr uint8_t little_max = 16;
  // Full buffers one after the other that begin a stream.
  static constexpr uint8_t full_min = 2;

  // False: it has ended.
  ring::Task<bool> pass_chunk();
  // False: a receive is next.
  bool can_splice() const { return is_stream_ && from_.has_nothing_ahead(); }
  void note_splice(const net::Spliced& spliced);
  void note_size(uint64_t bytes);
  void count(uint64_t bytes, bool is_spliced);
  void finish(End end, int error = 0);

  ShardCore& core_;
  net::Stream& from_;
  net::Stream& to_;
  TcpMoment& activity_;
  const net::Splice* splice_ = nullptr;  // That runs.
  uint64_t bytes_ = 0;
  uint64_t lost_ = 0;    // Of those.
  uint64_t unsent_ = 0;  // When it was last looked at.
  int error_ = 0;
  End end_ = End::none;
  const bool is_to_client_;
  bool is_stream_ = false;
  bool is_sending_ = false;
  bool waits_first_ = false;
  uint8_t changes_wanted_ = 0;
};

}  // namespace ringfence::proxy
