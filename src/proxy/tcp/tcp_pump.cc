#include "tcp_pump.h"

#include <limits>
#include <utility>

namespace ringfence::proxy {

using ring::Task;

Task<void> TcpPump::run() {
  while (end_ == End::none) {
    if (can_splice()) {
      // More than a turn moves: the last byte of a turn is not held back for those that follow.
      net::Splice splice(core_.shard.ring(), core_.splice_pipes, from_, to_,
                         std::numeric_limits<uint32_t>::max(), std::exchange(waits_first_, true));
      splice_ = &splice;
      const net::Spliced spliced = co_await splice;
      splice_ = nullptr;
      note_splice(spliced);
      if (end_ != End::none || waits_first_) continue;
    }
    auto passing = pass_chunk();
    co_await passing;
  }
}

Task<bool> TcpPump::pass_chunk() {
  net::Receive receive(from_);
  Result<net::Chunk> chunk = co_await receive;
  if (!chunk) {
    finish(End::input_failed, chunk.error().errno_value);
    co_return false;
  }
  const uint64_t size = chunk->bytes().size();
  if (size == 0) {
    to_.shutdown_write();
    finish(End::input_ended);
    co_return false;
  }
  net::Send sending(to_, chunk->bytes(), *chunk);
  is_sending_ = true;
  Result<void> sent = co_await sending;
  is_sending_ = false;
  if (!sent) {
    finish(End::output_failed, sent.error().errno_value);
    co_return false;
  }
  count(size, false);
  note_size(size);
  co_return true;
}

void TcpPump::note_splice(const net::Spliced& spliced) {
  count(spliced.given, true);
  switch (spliced.end) {
    case net::Spliced::End::none: note_size(spliced.taken); return;
    case net::Spliced::End::output_failed: finish(End::output_failed, spliced.error); return;
    case net::Spliced::End::no_pipe:
    case net::Spliced::End::no_head:
      core_.counters.splice_pipes_out.add();
      waits_first_ = false;
      return;
    // A receive says how it has ended.
    case net::Spliced::End::input_ended:
    case net::Spliced::End::cancelled: waits_first_ = false; return;
  }
}

// A stream begins with full buffers, and ends with many small pieces.
void TcpPump::note_size(uint64_t bytes) {
  if (is_stream_ ? bytes >= stream_bytes_min : bytes < stream_bytes_min) {
    changes_wanted_ = 0;
    return;
  }
  if (++changes_wanted_ < (is_stream_ ? little_max : full_min)) return;
  changes_wanted_ = 0;
  if (!is_stream_ && (!from_.can_splice() || !to_.can_splice())) return;
  is_stream_ = !is_stream_;
  waits_first_ = false;
  from_.expect_long_bodies(is_stream_);
}

bool TcpPump::has_progressed() {
  const uint64_t before = unsent_;
  unsent_ = to_.unsent();
  return unsent_ < before;
}

void TcpPump::count(uint64_t bytes, bool is_spliced) {
  if (bytes == 0) return;
  bytes_ += bytes;
  activity_ = {core_.shard.now_ns(), core_.shard.now_us()};
  ShardCounters& counters = core_.counters;
  (is_to_client_ ? counters.bytes_to_client : counters.bytes_to_server).add(bytes);
  if (is_spliced) (is_to_client_ ? counters.spliced_to_client : counters.spliced_to_server).add(bytes);
}

void TcpPump::finish(End end, int error) {
  end_ = end;
  error_ = error;
}

}  // namespace ringfence::proxy
