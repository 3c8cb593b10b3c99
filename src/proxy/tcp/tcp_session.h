// One client's connection to a target of type tcp, from its first byte to its last.
//
// Its life: live → open (TcpOpener: TLS, who it is, whether it may, the server) → relay (two pumps until both
// directions have ended) → close. No byte passes before the trail has its tcp_connect. It is owned by its
// shard, and removed when live() ends.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ringfence/net/tls_stream.h"
#include "ringfence/proxy/core/access_cache.h"
#include "ringfence/proxy/core/opening.h"
#include "ringfence/proxy/core/shard_core.h"
#include "tcp_identity.h"
#include "tcp_pump.h"
#include "tcp_records.h"

namespace ringfence::proxy {

class TcpSession final : public Session {
 public:
  TcpSession(ShardCore& core, AccessCache& accesses, std::unique_ptr<net::Stream> client,
             std::shared_ptr<ListenerFacts> listener);
  ~TcpSession() override;

  static ring::Task<void> live(TcpSession& session);

  const Uuid& id() const override { return id_; }
  bool is_logged_in() const override { return relay_ != nullptr; }
  model::SessionInfo info() const override;
  void end_by(const EndOrder& order) override { end(order.message); }
  // What passes cannot be told from what is finished: it ends once no byte has passed for a moment.
  void drain() override;
  // Ends where its listener, its target or its user's access is not what let it in any more.
  void reconsider() override;

  // What opens it needs all of it.
  friend class TcpOpener;

 private:
  // The two directions, once the server is reached.
  struct Relay {
    Relay(TcpSession& session);
    ring::Task<void> run(TcpPump& pump, TcpPump& other, ring::Event& ended);
    TcpSession& session;
    TcpPump to_server;
    TcpPump to_client;
    // The direction that broke first; what broke then, broke by our own hand. Null: none did.
    const TcpPump* broken = nullptr;
    ring::Event to_server_ended;
    ring::Event to_client_ended;
  };

  TcpIdentity identity_by(const Listener& listener) const;
  void end(std::string reason);
  void cut(bool is_in_the_middle);
  ring::Task<void> relay();
  void close();
  // Arms itself again for as long as there is a bound.
  void look();
  uint64_t quiet_ms() const;
  void record_disconnect();
  std::string reason_of_end(bool& is_failure) const;
  const TcpTarget* target() const { return snapshot_->find_tcp_target(target_); }
  const Listener* rules() const { return snapshot_->find_listener(listener_->name); }

  ShardCore& core_;
  AccessCache& accesses_;
  std::unique_ptr<net::Stream> client_;
  net::TlsStream* tls_ = nullptr;  // client_, where it is TLS.
  std::unique_ptr<net::Stream> server_;
  const std::shared_ptr<ListenerFacts> listener_;
  SnapshotPtr snapshot_;  // By which it was let in, or looked at last.
  const Uuid id_;
  const std::string peer_;  // The client's.
  const TcpMoment connected_;
  TcpRecords records_;
  TcpIdentity identity_;
  std::string target_;
  std::shared_ptr<std::atomic<uint32_t>> target_sessions_;  // Where it counts; null: nowhere.
  TcpMoment activity_;                                      // When bytes last passed, in either direction.
  Opening* opening_ = nullptr;                              // While the server is being reached.
  std::unique_ptr<Relay> relay_;
  ring::CallbackTimer timer_;
  std::optional<std::string> ended_;  // Why it ends from our side.
  bool is_draining_ = false;
};

}  // namespace ringfence::proxy
