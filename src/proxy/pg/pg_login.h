// A client's login, from its first byte to the greeting: TLS, the startup packet, the client's
// authentication, what it may do, the server's login. Everything here is reached before the client is known,
// so each phase has a deadline and each length a bound. Gone when it is over; what the session goes on with
// it hands over.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "applicant.h"
#include "client_startup.h"
#include "server_lease.h"
#include "session_access.h"

namespace ringfence::proxy {

struct LoginResult {
  SessionAccess access;
  std::unique_ptr<Gate> gate;                // Null: everything may pass.
  std::unique_ptr<ServerGreeting> greeting;  // What came behind it is its leftover.
  std::string client_leftover;               // What the client sent too early.
  // The user of the console, of the login's snapshot; the rest is not there then. Null: a target was found.
  const User* console_user = nullptr;
  const LoginKey* console_key = nullptr;       // By which he logged in; null: by none.
  std::unique_ptr<net::Gather> console_input;  // With what the client sent too early.
  std::unique_ptr<ConsoleSeat> console_seat;
};

class PgLogin {
 public:
  // Where what it gives goes to, each of which outlives it. `session`: whom its client may cancel.
  struct Into {
    PgSession& session;
    ServerLease& lease;
  };
  PgLogin(Applicant& applicant, Into into)
      : applicant_(applicant),
        shard_(applicant.shard),
        recorder_(applicant.recorder),
        into_(into),
        in_(*applicant.client.stream) {}

  // Nothing: it is over, and the client was told if it is still there. The lease may have a server then.
  ring::Task<std::optional<LoginResult>> run();

 private:
  // False: as above.
  ring::Task<bool> start();
  ring::Task<bool> take_first(Result<pg::FirstPacket> first, ClientStartup::Answer answer, bool is_late);
  ring::Task<bool> check_door();
  ring::Task<bool> check_room();
  ring::Task<bool> authenticate();
  bool wants_console() const;
  ring::Task<bool> open_console();
  ring::Task<bool> open_server();
  ring::Task<bool> check_access(std::vector<pg::StartupParameter>& parameters);
  ring::Task<bool> reach_server(std::vector<pg::StartupParameter> parameters);
  void name_for_server(std::vector<pg::StartupParameter>& parameters);
  ring::Task<bool> refuse_server(const UpstreamRefusal& refusal);
  ring::Task<bool> take_server();
  void record_server();
  ring::Task<bool> refuse_database();
  ring::Task<bool> greet();
  ring::Task<bool> send_greeting(std::string message);
  // Gives false.
  ring::Task<bool> refuse(std::string_view sqlstate, std::string message, std::string hint = {});
  void record_gone(std::string_view reason);

  Applicant& applicant_;
  PgShardState& shard_;
  Recorder& recorder_;
  Into into_;
  net::Gather in_;
  LoginResult result_;
  std::string notices_;  // For the client, behind its login.
};

}  // namespace ringfence::proxy
