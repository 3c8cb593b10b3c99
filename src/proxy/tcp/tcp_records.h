// What the trail has of a raw TCP session: tcp_connect before the first byte passes, tcp_disconnect behind
// the last, tcp_auth_failed for a client that is nobody, and the decision about the target.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/audit/event.h"
#include "ringfence/policy/policy_set.h"
#include "ringfence/proxy/core/session_volume.h"
#include "ringfence/proxy/core/trail_door.h"

namespace ringfence::proxy {

class TcpRecords {
 public:
  // The most that two of them take: the decision and the connection.
  static constexpr size_t record_bytes_max = 48 << 10;

  explicit TcpRecords(TrailDoor& door) : door_(door) {}

  struct Facts {
    Uuid session_id;
    std::string_view user;
    std::string_view auth_method;
    std::string_view client_addr;
    std::string_view transport;  // "tcp", "unix", "tls"
    std::string_view target;
    const std::vector<std::string>* tags = nullptr;
    std::string_view server_addr;
  };
  // What all records have from here on.
  void identify(const Facts& facts);
  // What each record is charged to.
  SessionVolume& volume() { return volume_; }

  bool has_room() const { return door_.has_room(record_bytes_max); }
  audit::EventBuilder event(std::string_view action, audit::Severity severity, audit::Outcome outcome,
                            uint64_t now_us) const;
  // policy_evaluated or access_denied.
  audit::EventBuilder access(const policy::Access& access, std::string_view target, bool is_granted,
                             uint64_t now_us) const;
  void publish(audit::EventBuilder event);

 private:
  TrailDoor& door_;
  std::string fields_;  // As append_field makes them.
  SessionVolume volume_;
};

}  // namespace ringfence::proxy
