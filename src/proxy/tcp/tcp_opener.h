// How a raw TCP session comes to be: who its client is, whether it may reach the target, and the server. Gone
// when the session is open.
#pragma once

#include <string_view>

#include "tcp_session.h"

namespace ringfence::proxy {

class TcpOpener {
 public:
  explicit TcpOpener(TcpSession& session) : s_(session) {}
  // False: it is over. True: the trail has the tcp_connect, and the session its relay.
  ring::Task<bool> run();

 private:
  bool is_within_bounds();
  ring::Task<bool> secure();
  bool identify();
  ring::Task<bool> wait_for_trail();
  ring::Task<bool> wait_for_room();
  // By the snapshot that is in force now: whether this is still the user, and may.
  bool is_allowed();
  bool take_place();
  ring::Task<bool> reach_server();
  ring::Task<bool> record_connect();
  // Of a client that is nobody.
  void refuse(const std::string& reason);
  // What anybody with a user can repeat: the first one is an event, those like it are counted.
  void deny(audit::Category category, std::string_view action, audit::Outcome outcome, std::string reason);
  void record_failed(std::string_view reason);
  void describe();

  TcpSession& s_;
};

}  // namespace ringfence::proxy
