// Questions to all shards at once.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "ringfence/ring/shard.h"

namespace ringfence::proxy {

// Asks each shard on its thread by `ask(place)`, its place in `shards`. When all have answered, `done` is
// called once on `home`'s thread with the answers in the order of `shards`, which is not empty. No question
// and no answer is lost while the shards run; one that does not run answers never, and `done` is let go of
// with the shard. Called on `home`'s thread.
template <typename Answer>
void ask_all(const std::vector<ring::Shard*>& shards, ring::Shard& home, std::function<Answer(size_t)> ask,
             std::function<void(std::vector<Answer>)> done) {
  struct Gathering {
    std::vector<Answer> answers;
    size_t missing = 0;
    std::function<void(std::vector<Answer>)> done;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->answers.resize(shards.size());
  gathering->missing = shards.size();
  gathering->done = std::move(done);
  auto shared_ask = std::make_shared<const std::function<Answer(size_t)>>(std::move(ask));
  for (size_t place = 0; place < shards.size(); ++place) {
    shards[place]->deliver([place, gathering, shared_ask, &home] {
      home.deliver([place, gathering, answer = (*shared_ask)(place)]() mutable {
        gathering->answers[place] = std::move(answer);
        if (--gathering->missing == 0) gathering->done(std::move(gathering->answers));
      });
    });
  }
}

}  // namespace ringfence::proxy
