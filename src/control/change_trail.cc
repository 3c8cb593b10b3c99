#include "change_trail.h"

#include <cstring>
#include <set>

#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"
#include "ringfence/control/events.h"

namespace ringfence::control {

using audit::EventBuilder;
using audit::Tag;
using model::Json;

namespace {

// {"before": …, "after": …} with the members that differ; those that every change changes are left out.
std::string changes_of(const Json& before, const Json& after) {
  Json out = Json::object();
  const auto add = [&](const char* side, const Json& record, const Json& other) {
    if (record.is_null()) return;
    Json members = Json::object();
    for (const auto& [name, value] : record.items()) {
      const bool is_own = name == "updated_at" || name == "updated_by" || name == "source" ||
                          name == "declared_in" || name == "not_declared_here";
      const auto found = other.is_null() ? other.end() : other.find(name);
      if (!is_own && (other.is_null() || found == other.end() || *found != value)) members[name] = value;
    }
    out[side] = std::move(members);
  };
  add("before", before, after);
  add("after", after, before);
  return model::canonical_json(out);
}

void add_actor(EventBuilder& event, const Actor& actor) {
  event.text(Tag::user_name, actor.name)
      .text(Tag::auth_method, actor.method)
      .text(Tag::client_addr, actor.client_addr);
}

uint64_t publish(audit::RecordSpace& space, audit::RecordKind kind, ByteView fields, uint64_t start_seq) {
  char* room = space.reserve(fields.size());
  if (room == nullptr) return 0;
  std::memcpy(room, fields.data(), fields.size());
  return space.publish(kind, fields.size(), start_seq);
}

}  // namespace

bool ChangeTrail::begin(const ChangeEvent& begun, const Actor& actor) {
  if (space_ == nullptr) return true;
  severity_ = begun.severity;
  EventBuilder event = new_event(begun.action, begun.severity, audit::Outcome::running, begun.category);
  add_actor(event, actor);
  event.text(Tag::entity_type, begun.noun->name).text(Tag::entity_id, begun.id);
  const std::string changes = changes_of(begun.before, begun.after);
  if (changes != "{}") event.text(Tag::changes, changes);
  if (!begun.reason.empty()) event.text(Tag::reason, begun.reason);
  if (!begun.metadata.is_null()) event.text(Tag::metadata, model::canonical_json(begun.metadata));
  start_seq_ = publish(*space_, audit::RecordKind::start, event.bytes(), 0);
  return start_seq_ != 0;
}

void ChangeTrail::end(audit::Outcome outcome, const std::string& reason) {
  if (space_ == nullptr || start_seq_ == 0) return;
  std::string fields;
  audit::append_field(fields, Tag::severity,
                      audit::name(outcome == audit::Outcome::success || severity_ > audit::Severity::warning
                                      ? severity_
                                      : audit::Severity::warning));
  audit::append_field(fields, Tag::outcome, audit::name(outcome));
  if (!reason.empty()) audit::append_field(fields, Tag::reason, reason);
  if (publish(*space_, audit::RecordKind::outcome, fields, start_seq_) == 0)
    log_error("the outcome of a change found no room in the trail");
}

void ChangeTrail::link(const model::Noun& noun, const model::Field& field, const std::string& id,
                       const std::string& other, bool is_tied, const Actor& actor) {
  const bool is_role = noun.name == "user" && field.of == "role";
  const std::string_view action =
      is_role ? (is_tied ? "role_assigned" : "role_revoked") : (is_tied ? "LINK" : "UNLINK");
  EventBuilder event = new_event(action, audit::Severity::info, audit::Outcome::success,
                                 is_role ? audit::Category::authorization : audit::Category::system);
  add_actor(event, actor);
  event.text(Tag::entity_type, noun.name).text(Tag::entity_id, id);
  const Json metadata = is_role ? Json{{"role_id", other}, {"granted", is_tied}}
                                : Json{{"relationship_type", field.name}, {"target", other}};
  event.text(Tag::metadata, model::canonical_json(metadata));
  if (!event.publish(*space_)) log_error("a link of a record found no room in the trail");
}

void ChangeTrail::privilege(const std::string& id, const Json& before, const Json& after,
                            const Actor& actor) {
  // One in doubt gave nothing.
  const auto gives = [](const Json& grant) { return !grant.is_null() && grant.value("enabled", false); };
  if (gives(before) == gives(after)) return;
  const Json& grant = after.is_null() ? before : after;
  EventBuilder event =
      new_event(gives(after) ? "privilege_granted" : "privilege_revoked", audit::Severity::info,
                audit::Outcome::success, audit::Category::authorization);
  add_actor(event, actor);
  event.text(Tag::entity_type, "grant").text(Tag::entity_id, id);
  Json metadata = {{"granted", gives(after)}, {"privilege", grant.at("level")}};
  for (const char* field : {"user", "declared_user", "group", "target", "declared_target", "target_group",
                            "tag", "controls", "expires_at"})
    if (!grant.at(field).is_null()) metadata[field] = grant.at(field);
  event.text(Tag::metadata, model::canonical_json(metadata));
  if (!event.publish(*space_)) log_error("a grant's event found no room in the trail");
}

void ChangeTrail::links(const model::Noun& noun, const std::string& id, const Json& before, const Json& after,
                        const Actor& actor) {
  if (space_ == nullptr) return;
  if (noun.name == "grant") privilege(id, before, after, actor);
  for (const model::Field& field : noun.fields) {
    if (field.kind != model::FieldKind::references) continue;
    const std::string name(field.name);
    const auto of = [&](const Json& record) {
      const bool has = !record.is_null() && record.contains(name);  // One in doubt is an id alone.
      return has ? record.at(name).get<std::set<std::string>>() : std::set<std::string>();
    };
    const std::set<std::string> old = of(before), now = of(after);
    for (const std::string& other : now) {
      if (!old.contains(other)) link(noun, field, id, other, true, actor);
    }
    for (const std::string& other : old) {
      if (!now.contains(other)) link(noun, field, id, other, false, actor);
    }
  }
}

void ChangeTrail::refused(std::string_view action, const model::Noun& noun, const std::string& which,
                          const std::string& reason, const Actor& actor) {
  if (space_ == nullptr) return;
  EventBuilder event = new_event(action, audit::Severity::warning, audit::Outcome::denied);
  add_actor(event, actor);
  event.text(Tag::entity_type, noun.name).text(Tag::entity_id, which).text(Tag::reason, reason);
  if (!event.publish(*space_)) log_error("a refused change found no room in the trail");
}

void ChangeTrail::not_valid(std::string_view action, const model::Noun& noun, const std::string& which,
                            const std::string& reason, const Json& metadata, const Actor& actor) {
  if (space_ == nullptr) return;
  EventBuilder event = new_event(action, audit::Severity::warning, audit::Outcome::failure);
  add_actor(event, actor);
  event.text(Tag::entity_type, noun.name).text(Tag::reason, reason);
  if (!which.empty()) event.text(Tag::entity_id, which);
  if (!metadata.empty()) event.text(Tag::metadata, model::canonical_json(metadata));
  if (!event.publish(*space_)) log_error("a refused change found no room in the trail");
}

}  // namespace ringfence::control
