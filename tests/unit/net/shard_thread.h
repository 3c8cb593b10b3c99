// A started shard for tests of what runs on its thread, and ways to wait for that.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <future>

#include "ringfence/ring/shard.h"

namespace net_test {

class ShardThread {
 public:
  explicit ShardThread(unsigned buffers = 8) : shard(options(buffers)) { REQUIRE(shard.start().has_value()); }
  ~ShardThread() {
    shard.stop();
    shard.join();
  }

  // Runs it on the shard's thread, and waits.
  template <typename F>
  void run(F function) {
    std::promise<void> done;
    REQUIRE(shard.post([&] {
      function();
      done.set_value();
    }));
    done.get_future().wait();
  }
  // Asked on the shard's thread until it is so; false after a long while.
  template <typename F>
  bool wait_until(F is_so) {
    bool is = false;
    for (int i = 0; i < 20'000 && !is; ++i) {
      run([&] { is = is_so(); });
      if (!is) ::usleep(1'000);
    }
    return is;
  }

  ringfence::ring::Shard shard;

 private:
  static ringfence::ring::ShardOptions options(unsigned buffers) {
    ringfence::ring::ShardOptions out;
    out.ring.entries = 64;
    out.ring.buffers = buffers;
    return out;
  }
};

}  // namespace net_test
