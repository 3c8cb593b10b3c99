// A change in the trail: what is about to be changed, and how that ended.
#pragma once

#include <string>
#include <string_view>

#include "ringfence/audit/event.h"
#include "ringfence/control/answer.h"
#include "ringfence/model/noun.h"

namespace ringfence::control {

// What is about to happen to a record.
struct ChangeEvent {
  std::string_view action;  // CREATE, UPDATE, DELETE, or what that means: access_request_approved.
  const model::Noun* noun = nullptr;
  std::string id;
  // As they are shown; null: there is none. Only what differs is recorded.
  model::Json before;
  model::Json after;
  audit::Severity severity = audit::Severity::info;
  audit::Category category = audit::Category::system;
  std::string reason;    // Of who asks for it.
  model::Json metadata;  // Null: none.
};

class ChangeTrail {
 public:
  // `space`: null, nothing is recorded.
  explicit ChangeTrail(audit::RecordSpace* space) : space_(space) {}

  // False: the trail takes nothing, so that the change must not be made.
  bool begin(const ChangeEvent& event, const Actor& actor);
  // What was not begun has no end.
  void end(audit::Outcome outcome, const std::string& reason);
  // After a change that was made: what it tied to the record, or untied from it. Of a user's roles
  // role_assigned and role_revoked, of other references LINK and UNLINK; of a grant privilege_granted and
  // privilege_revoked. `before` and `after` as in begin().
  void links(const model::Noun& noun, const std::string& id, const model::Json& before,
             const model::Json& after, const Actor& actor);
  // What was refused: a record of its own.
  void refused(std::string_view action, const model::Noun& noun, const std::string& which,
               const std::string& reason, const Actor& actor);
  // The same of what is refused because of what it says: its outcome is a failure. `metadata`: {} for none.
  void not_valid(std::string_view action, const model::Noun& noun, const std::string& which,
                 const std::string& reason, const model::Json& metadata, const Actor& actor);

 private:
  void link(const model::Noun& noun, const model::Field& field, const std::string& id,
            const std::string& other, bool is_tied, const Actor& actor);
  void privilege(const std::string& id, const model::Json& before, const model::Json& after,
                 const Actor& actor);
  audit::RecordSpace* space_;
  uint64_t start_seq_ = 0;
  audit::Severity severity_ = audit::Severity::info;
};

}  // namespace ringfence::control
