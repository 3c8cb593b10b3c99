// A client that logs in: what is known of it so far, and how it is answered. Gone when the login is over.
#pragma once

#include <string>
#include <string_view>

#include "client_end.h"
#include "pg_shard_state.h"
#include "recorder.h"
#include "ringfence/pg/startup.h"

namespace ringfence::proxy {

struct Applicant {
  Applicant(PgShardState& shard_of, const SnapshotPtr& by, const ListenerFacts& at, Recorder& trail,
            ClientEnd& who, const Uuid& session);

  // Tells the trail who it is, as far as that is known. Before each record that shall have what is new.
  void identify();
  audit::EventBuilder event(audit::Category category, std::string_view action, audit::Severity severity,
                            audit::Outcome outcome);
  // What is unsent goes before. Fault::timeout: the client did not take it in time, and is hung up on.
  ring::Task<Result<void>> send(std::string bytes);
  ring::Task<Result<void>> send_within(std::string bytes, uint64_t ms);
  // What is unsent by itself. False: the client is gone.
  ring::Task<bool> send_unsent();
  // Tells the client why its login comes to nothing.
  ring::Task<void> refuse(std::string_view sqlstate, std::string message, std::string hint = {});
  ring::Task<void> refuse_authentication(std::string reason, bool by_certificate = false);
  void record_failed_login(std::string_view sqlstate, std::string_view reason);
  // The client's TLS, as the event's metadata.
  void describe_tls(audit::EventBuilder& event) const;
  const Limits& limits() const { return snapshot->limits; }
  // Nobody on the way reads or changes what passes.
  bool is_protected() const { return client.tls != nullptr || listener.transport == "unix"; }

  // All of these outlive it.
  PgShardState& shard;
  const SnapshotPtr& snapshot;
  const ListenerFacts& listener;
  Recorder& recorder;
  ClientEnd& client;
  const Uuid& id;

  const Listener* policy;  // What the listener asks of the client's transport; null: TLS is off.
  std::string client_addr;
  std::string_view auth_method;
  const LoginKey* login_key = nullptr;  // That was the password, right or refused; null: none was.
  pg::StartupMessage startup;
  std::string_view user;      // Of the startup packet.
  std::string_view database;  // The same: the target's name.
  const Target* target = nullptr;
  policy::Level level = policy::Level::read;  // Whose credential the server knows the session by.
  std::string server_addr;                    // Once it has a server.
  std::string unsent;  // To the client: goes with what is sent next, before any wait for others.
};

}  // namespace ringfence::proxy
