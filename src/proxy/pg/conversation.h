// Follows both directions of a session, byte for byte: cuts the messages, writes each statement's start
// before it may be sent on, and its outcome when the server has answered. Without a gate it changes nothing;
// with one it replaces what is refused, and the server's answers to that.
//
// Pure of IO: it is given chunks and says how far they may be sent. What always holds: a byte that ends a
// Query, Execute or FunctionCall is let through only after the statement's start is in the journal.
//
// Its halves are from_client.h and from_server.h; what they share is exchange.h.
#pragma once

#include <memory>

#include "exchange.h"
#include "from_client.h"
#include "from_server.h"
#include "waiting_message.h"

namespace ringfence::proxy {

class Conversation {
 public:
  // `gate`: null where everything may pass.
  Conversation(Recorder& recorder, pg::ObjectPools& pools, ShardCounters& counters, const Limits& limits,
               std::unique_ptr<Gate> gate = nullptr)
      : exchange_(recorder, pools, counters, limits, std::move(gate)),
        client_(exchange_),
        server_(exchange_) {}

  FromClient& client() { return client_; }
  const FromClient& client() const { return client_; }
  FromServer& server() { return server_; }
  const FromServer& server() const { return server_; }
  // While a message of the client's waits for a word or for its analysis.
  WaitingMessage waiting() { return WaitingMessage(exchange_); }

  // Other policies from now on, between two chunks from the client; without a gate only when
  // client().is_at_boundary().
  void use_judge(std::shared_ptr<StatementJudge> judge, std::string_view nonce);
  // Of the grant in force from now on; null: it has no bounds, and there need be no gate.
  void use_spending(std::unique_ptr<Spending> spending) {
    if (exchange_.gate)
      exchange_.gate->use_spending(std::move(spending),
                                   exchange_.queue.is_idle() && !exchange_.group.is_open());
  }
  Spending* spending() const { return exchange_.spending(); }
  bool has_gate() const { return exchange_.gate != nullptr; }
  // Whether the policies may be changed while a chunk from the client waits: not within a Query that is
  // partly recorded.
  bool can_change_policies() const { return exchange_.message.query_started == 0; }
  // Whether statements can be told apart under the settings that the session has.
  bool can_cut() const { return exchange_.reading.can_cut(); }
  pg::Encoding client_encoding() const { return exchange_.reading.client_encoding(); }
  // A setting that the server reported, at its login or later (ParameterStatus).
  void note_parameter(std::string_view name, std::string_view value) {
    exchange_.reading.note_parameter(exchange_, name, value);
  }
  // Settings that the server reports are noted there too, for as long as this lives.
  void report_to(ReportedSettings& settings) { exchange_.reading.report_to(settings); }
  // What follows from an answer that contradicts the trail.
  void use_witness(AttributionWitness witness) { exchange_.attribution.use_witness(witness); }
  // Which texts go to the server is noted there, too, for as long as this lives. From the beginning.
  void watch_by(WatchedSession& watched) { exchange_.watch.watch_by(watched); }

  Error error() const { return exchange_.error ? *exchange_.error : Error{}; }
  bool is_broken() const { return exchange_.error != nullptr; }
  // It is broken because its prepared statements and portals keep as much as they may.
  bool has_too_many_names() const { return exchange_.has_too_many_names; }
  // It is broken because the server's answers contradict what was recorded.
  bool is_contradicted() const { return exchange_.attribution.is_contradicted(); }
  // The connection has ended: open statements become unknown, or not executed where they did not go out.
  void abandon(Now now);

  const pg::ResponseQueue& queue() const { return exchange_.queue; }
  // All that has gone out is answered.
  bool server_is_idle() const { return exchange_.queue.is_idle_before(exchange_.group.unsent_from()); }
  // Nothing is under way in either direction, no transaction is open, not even one that only a Sync would
  // end, and nothing has gone wrong: all that the session leaves with the server is what DISCARD ALL
  // discards.
  bool is_at_rest() const;
  uint64_t statements() const { return exchange_.statements; }

 private:
  Exchange exchange_;
  FromClient client_;
  FromServer server_;
};

}  // namespace ringfence::proxy
