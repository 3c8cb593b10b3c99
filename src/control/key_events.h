// What becomes of keys, for the trail: category encryption, entity type encryption_key.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ringfence/audit/event.h"
#include "ringfence/control/answer.h"

namespace ringfence::control {

inline constexpr const char* key_algorithm = "AES-256-GCM";
inline constexpr const char* key_type = "control";

struct KeyEvent {
  std::string_view action;  // "key_generated"
  std::string key_id;
  std::string target;       // What is sealed; empty: everything of the target type.
  std::string target_type;  // "control_store"
  int progress = -1;        // Of a rotation, in percent; below 0: it is about none.
  audit::Severity severity = audit::Severity::info;
  audit::Outcome outcome = audit::Outcome::success;
  std::string message = {};
  std::string started_by = {};  // Of a rotation that goes on by itself.
};
// `actor`: null, the appliance itself.
audit::EventBuilder event_of(const KeyEvent& event, const Actor* actor);

// Into the trail, from any thread.
using TellEvent = std::function<void(const audit::EventBuilder&)>;

// An action of an administrator: in the trail before it happens, and its outcome after that.
class KeyTrail {
 public:
  // `space`: of the calling thread; null: nothing is recorded.
  explicit KeyTrail(audit::RecordSpace* space) : space_(space) {}
  // False: the trail takes nothing, so that it must not happen.
  bool begin(KeyEvent event, const Actor& actor);
  void end(audit::Outcome outcome, const std::string& message);
  // What was refused, or has happened already.
  void tell(const KeyEvent& event, const Actor& actor);

 private:
  audit::RecordSpace* space_;
  KeyEvent event_;
  uint64_t start_seq_ = 0;
};

}  // namespace ringfence::control
