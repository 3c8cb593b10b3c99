// What the two directions of a session share: the trail, the model of the server, the policies, and what is
// known of the client's message at hand. The directions change it in turn, on the shard's thread.
#pragma once

#include <memory>
#include <string>

#include "attribution.h"
#include "gate.h"
#include "message_judge.h"
#include "now.h"
#include "pending_message.h"
#include "recorder.h"
#include "ringfence/pg/response_queue.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/proxy/core/snapshot.h"
#include "sync_group.h"
#include "text_reading.h"
#include "text_watch.h"

namespace ringfence::proxy {

struct Exchange {
  Exchange(Recorder& its_recorder, pg::ObjectPools& its_pools, ShardCounters& its_counters,
           const Limits& its_limits, std::unique_ptr<Gate> its_gate)
      : recorder(its_recorder),
        pools(its_pools),
        counters(its_counters),
        limits(its_limits),
        attribution(*this),
        queue(its_pools, attribution),
        gate(std::move(its_gate)) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Recorder& recorder;
  pg::ObjectPools& pools;
  ShardCounters& counters;
  const Limits& limits;
  Attribution attribution;
  pg::ResponseQueue queue;
  Now now{};
  uint64_t statements = 0;
  std::unique_ptr<Error> error;  // Nothing goes on behind it.
  std::unique_ptr<Gate> gate;    // Null: everything may pass.
  uint32_t generation = 0;       // Of the policies: how often they have changed.
  bool has_renewed = false;      // The server may answer a renewal of a name.
  bool has_too_many_names = false;
  bool client_said_goodbye = false;
  SyncGroup group;
  TextReading reading;
  PendingMessage message;
  TextWatch watch;

  // Null: the grant, if there is one, has no bounds.
  Spending* spending() const { return gate ? gate->spending() : nullptr; }
  // Null: all of what the server sends goes on.
  WithheldResult* withheld() const { return gate ? gate->withheld() : nullptr; }
  bool may_hold() const { return gate && gate->access().has_hold; }
  // Whether the session is to stay read-only although functions may be called that are not known to be
  // harmless.
  bool is_watched() const { return gate && MessageJudge::is_watched(gate->access()); }
  // While a result is withheld nothing goes on to the server.
  bool has_room_in_queue() const {
    return withheld() == nullptr && queue.size() < pipeline_entries_max &&
           queue.pending_changes() < pending_changes_max;
  }
  // How a statement that passes was decided.
  Decided decided_by(std::string_view rule, std::string_view instead = {}) const {
    return {gate != nullptr, rule, instead};
  }
  // Of the message at hand; without a gate: nothing was judged.
  const Judgement& judged() const {
    static const Judgement none;
    return gate ? gate->judgement() : none;
  }
  // Decides what is asked of it into the gate's judgement. `names` outlives it.
  MessageJudge judge(UsedNames& names) {
    const Circumstances circumstances{
        .generation = generation,
        .is_read_as_utf8 = is_read_as_utf8(reading.client_encoding(), queue.encodings().server),
        .is_text_doubtful = reading.is_text_doubtful(),
        .guard = group.guard()};
    return MessageJudge(gate->check(), names, circumstances, gate->judgement());
  }
  void break_off(Fault fault, std::string why) {
    error = std::make_unique<Error>(Error{fault, std::move(why), 0});
  }
};

}  // namespace ringfence::proxy
