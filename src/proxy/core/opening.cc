#include "ringfence/proxy/core/opening.h"

#include <utility>

namespace ringfence::proxy {

Opening::Opening(ring::Shard& shard, uint64_t ms)
    : shard_(shard), end_ns_(shard.now_ns() + ms * 1'000'000), timer_(shard.timers(), [this] {
        has_passed_ = true;
        end();
      }) {
  timer_.arm(end_ns_);
}

void Opening::abandon() {
  if (std::exchange(is_abandoned_, true)) return;
  end();
}

// Whoever is woken may take this object with it.
void Opening::end() {
  const std::vector<std::function<void()>> all = std::exchange(breaks_, {});
  for (const auto& what : all) what();
}

uint64_t Opening::left_ms() const {
  const uint64_t now_ns = shard_.now_ns();
  return is_over() || now_ns >= end_ns_ ? 1 : (end_ns_ - now_ns) / 1'000'000 + 1;
}

Opening::Break::Break(Opening& opening, std::function<void()> what) : opening_(opening) {
  if (opening.is_over()) what();
  else opening.breaks_.push_back(std::move(what));
}

Opening::Break::~Break() {
  if (!opening_.breaks_.empty()) opening_.breaks_.pop_back();
}

Opening::Break::Break(Opening& opening, net::Stream& stream)
    : Break(opening, [&stream] { stream.shutdown(); }) {}

}  // namespace ringfence::proxy
