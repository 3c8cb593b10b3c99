#include "broken_stream.h"

#include "ringfence/pg/sqlstate.h"

namespace ringfence::proxy {

EndReason broken_by(const Conversation& conversation, Side from) {
  Error error = conversation.error();
  if (conversation.is_contradicted()) {
    return {std::string(pg::sqlstate::protocol_violation),
            "terminating connection: the server " + error.message,
            "What it ran is not known. The trail's event attribution_mismatch has both sides; "
            "attribution_witness of the target's configuration says what follows from it."};
  }
  if (from == Side::server && error.fault != Fault::denied) {
    return {std::string(pg::sqlstate::protocol_violation), "the server broke the protocol: " + error.message,
            ""};
  }
  if (error.fault == Fault::denied) {
    return {std::string(pg::sqlstate::insufficient_privilege), "terminating connection: " + error.message,
            "Set it back, or ask for access without restrictions."};
  }
  bool is_limit = error.fault == Fault::limit;
  if (conversation.has_too_many_names()) {
    return {std::string(pg::sqlstate::configuration_limit_exceeded),
            "terminating connection: " + error.message,
            "Close those that are no longer used (DEALLOCATE, CLOSE), or raise limits.prepared_bytes_max of "
            "the appliance's configuration."};
  }
  return {std::string(is_limit ? pg::sqlstate::program_limit_exceeded : pg::sqlstate::protocol_violation),
          error.message,
          is_limit ? "The bound is limits.message_bytes_max of the appliance's configuration." : ""};
}

}  // namespace ringfence::proxy
