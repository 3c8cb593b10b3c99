#include "ringfence/proxy/pg/login_trial.h"

#include <future>
#include <vector>

#include "goodbye.h"
#include "pg_shard_state.h"
#include "pinned_settings.h"
#include "ringfence/proxy/core/opening.h"
#include "upstream.h"

namespace ringfence::proxy {

namespace {

// What a login publishes nobody reads.
class NoRecords final : public audit::RecordSpace {
 public:
  NoRecords() : room_(audit::record_bytes_max) {}
  char* reserve(size_t) override { return room_.data(); }
  uint64_t publish(audit::RecordKind, size_t, uint64_t) override { return ++seq_; }

 private:
  std::vector<char> room_;
  uint64_t seq_ = 0;
};

struct Trial {
  const Target& target;
  const Credential& credential;
  bool is_read;
  uint64_t connect_ms;
  std::promise<Result<void>> done;
};

ring::Task<void> run(PgShardState& shard, Trial& trial) {
  std::vector<pg::StartupParameter> parameters = {{"application_name", "ringfence check"},
                                                  {"client_encoding", "UTF8"}};
  if (trial.is_read) parameters.push_back({"default_transaction_read_only", "on"});
  (void)pin_strings(parameters);
  Opening opening(shard.core.shard, trial.connect_ms);
  auto reaching = open_upstream(shard, trial.target, trial.credential, opening, std::move(parameters));
  auto upstream = co_await reaching;
  if (!upstream) {
    trial.done.set_value(fail(Fault::unavailable, upstream.error().reason));
    co_return;
  }
  auto parting = say_goodbye(*upstream->stream);
  co_await parting;
  trial.done.set_value({});
}

}  // namespace

Result<void> try_login(const Target& target, const Credential& credential, bool is_read,
                       uint64_t connect_ms) {
  ring::ShardOptions options;
  options.name = "rf-check";
  options.ring.entries = 64;
  options.ring.buffers = 16;
  ring::Shard shard(options);
  ring::Workers workers(1, 16);
  NoRecords space;
  ShardCore core({}, shard, space, ShardWorkers(workers), std::make_shared<const Snapshot>());
  PgShard pg(core);
  if (auto started = shard.start(); !started) return started;
  Trial trial{target, credential, is_read, connect_ms, {}};
  shard.post([&] { ring::spawn(run(pg.state(), trial)); });
  Result<void> out = trial.done.get_future().get();
  shard.stop();
  shard.join();
  return out;
}

}  // namespace ringfence::proxy
