// Who wants to see a sealed text leaves a file in the state directory, and the appliance, which alone writes
// the trail while it runs, makes an event of it and takes the file away. Who may put a file there, and whose
// it is, the kernel says.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "ringfence/audit/event.h"
#include "ringfence/base/result.h"
#include "ringfence/base/uuid.h"

namespace ringfence::app {

struct RevealRequest {
  Uuid id;     // Of the event that tells of it.
  Uuid event;  // Whose texts are wanted.
  std::string reason;
  uid_t uid = 0;  // Whose the file is.
};

inline constexpr std::string_view reveal_action = "audit_reveal";
inline constexpr size_t reveal_reason_bytes_max = 1'024;

// Leaves the file; nothing else of the request is said than what is in it.
Result<void> leave_request(const std::string& directory, const RevealRequest& request);
void take_back_request(const std::string& directory, const Uuid& id);
// Those that wait, a few at a time. A file that is no request, or not the directory owner's or root's, is
// removed.
std::vector<RevealRequest> waiting_requests(const std::string& directory);

// What the trail says of it.
audit::EventBuilder reveal_event(const RevealRequest& request, uint64_t now_us);
// Fault::denied: this user is neither the directory's owner nor root.
Result<void> check_owner(const std::string& directory);

}  // namespace ringfence::app
