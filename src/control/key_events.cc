#include "key_events.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "ringfence/base/log.h"
#include "ringfence/control/events.h"

namespace ringfence::control {

using audit::Outcome;
using audit::Tag;
using model::Json;

namespace {

std::string metadata_of(const KeyEvent& event) {
  Json out = {{"key_type", key_type},
              {"algorithm", key_algorithm},
              {"target_type", event.target_type},
              {"success", event.outcome == Outcome::success}};
  if (!event.key_id.empty()) out["key_id"] = event.key_id;
  if (!event.target.empty()) out["target"] = event.target;
  if (event.progress >= 0) out["rotation_progress"] = event.progress;
  if (!event.message.empty()) out["message"] = event.message;
  if (!event.started_by.empty()) out["started_by"] = event.started_by;
  return model::canonical_json(out);
}

uint64_t publish_key_record(audit::RecordSpace& space, audit::RecordKind kind, ByteView fields,
                            uint64_t start_seq) {
  char* room = space.reserve(fields.size());
  if (room == nullptr) return 0;
  std::memcpy(room, fields.data(), fields.size());
  return space.publish(kind, fields.size(), start_seq);
}

}  // namespace

audit::EventBuilder event_of(const KeyEvent& event, const Actor* actor) {
  audit::EventBuilder out =
      new_event(event.action, event.severity, event.outcome, audit::Category::encryption);
  if (actor != nullptr)
    out.text(Tag::user_name, actor->name)
        .text(Tag::auth_method, actor->method)
        .text(Tag::client_addr, actor->client_addr);
  if (!event.key_id.empty()) out.text(Tag::entity_type, "encryption_key").text(Tag::entity_id, event.key_id);
  if (event.outcome != Outcome::success && event.outcome != Outcome::running)
    out.text(Tag::reason, event.message);
  return out.text(Tag::metadata, metadata_of(event));
}

bool KeyTrail::begin(KeyEvent event, const Actor& actor) {
  if (space_ == nullptr) return true;
  event.outcome = Outcome::running;
  event_ = event;
  start_seq_ = publish_key_record(*space_, audit::RecordKind::start, event_of(event, &actor).bytes(), 0);
  return start_seq_ != 0;
}

void KeyTrail::end(Outcome outcome, const std::string& message) {
  if (space_ == nullptr || start_seq_ == 0) return;
  event_.outcome = outcome;
  if (!message.empty()) event_.message = message;
  std::string fields;
  audit::append_field(fields, Tag::severity,
                      audit::name(outcome == Outcome::success ? event_.severity : audit::Severity::error));
  audit::append_field(fields, Tag::outcome, audit::name(outcome));
  audit::append_field(fields, Tag::metadata, metadata_of(event_));
  if (outcome != Outcome::success && !message.empty()) audit::append_field(fields, Tag::reason, message);
  if (publish_key_record(*space_, audit::RecordKind::outcome, fields, start_seq_) == 0)
    log_error("the outcome of a change of keys found no room in the trail");
}

void KeyTrail::tell(const KeyEvent& event, const Actor& actor) {
  if (space_ == nullptr) return;
  if (!event_of(event, &actor).publish(*space_)) log_error("an event about keys found no room in the trail");
}

}  // namespace ringfence::control
