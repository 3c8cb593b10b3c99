#include "ringfence/proxy/core/trial_shard.h"

#include <future>

namespace ringfence::proxy {

namespace {

ring::ShardOptions trial_options() {
  ring::ShardOptions options;
  options.name = "rf-check";
  options.ring.entries = 64;
  options.ring.buffers = 16;
  return options;
}

ring::Task<void> run_and_tell(std::function<ring::Task<void>()> task, std::promise<void>& done) {
  auto running = task();
  co_await running;
  done.set_value();
}

struct Dialling {
  ShardCore& core;
  const std::vector<std::string>& hosts;
  uint16_t port;
  uint64_t connect_ms;
  OpeningStory& story;
  Result<void> done;
};

ring::Task<void> dial(Dialling& wanted) {
  Opening opening(wanted.core.shard, wanted.connect_ms);
  auto dialling = dial_hosts_told(wanted.core, wanted.hosts, wanted.port, {}, opening, &wanted.story);
  auto dialled = co_await dialling;
  if (dialled) dialled->stream->shutdown();
  else wanted.done = unexpected(std::move(dialled.error()));
}

}  // namespace

// What a login publishes nobody reads.
class TrialShard::NoRecords final : public audit::RecordSpace {
 public:
  NoRecords() : room_(audit::record_bytes_max) {}
  char* reserve(size_t) override { return room_.data(); }
  uint64_t publish(audit::RecordKind, size_t, uint64_t) override { return ++seq_; }

 private:
  std::vector<char> room_;
  uint64_t seq_ = 0;
};

TrialShard::TrialShard()
    : shard_(trial_options()),
      workers_(1, 16),
      space_(std::make_unique<NoRecords>()),
      core_({}, shard_, *space_, ShardWorkers(workers_), std::make_shared<const Snapshot>()) {}

TrialShard::~TrialShard() = default;

Result<void> TrialShard::run(std::function<ring::Task<void>()> task) {
  if (auto started = shard_.start(); !started) return started;
  std::promise<void> done;
  shard_.post([&] { ring::spawn(run_and_tell(std::move(task), done)); });
  done.get_future().wait();
  shard_.stop();
  shard_.join();
  return {};
}

Result<void> try_dial(const std::vector<std::string>& hosts, uint16_t port, uint64_t connect_ms,
                      OpeningStory& story) {
  TrialShard trial;
  Dialling wanted{trial.core(), hosts, port, connect_ms, story, {}};
  if (auto ran = trial.run([&wanted] { return dial(wanted); }); !ran) return ran;
  return wanted.done;
}

}  // namespace ringfence::proxy
