// Changes that are refused because of what they say, in the trail: by whom, of what, and which fields are
// wrong. Values are not told, for they may be secrets.
#include "change_trail.h"
#include "refusal_tally.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/utf8.h"
#include "ringfence/control/registry.h"

namespace ringfence::control {

using model::Json;

namespace {

constexpr size_t told_fields_max = 20;
constexpr size_t told_name_bytes_max = 100;

bool is_by_validation(Answer::Kind kind) {
  return kind == Answer::Kind::invalid || kind == Answer::Kind::conflict || kind == Answer::Kind::stale;
}

Json fields_of(const Answer& answer) {
  Json out = Json::array();
  for (const model::Defect& defect : answer.defects)
    if (out.size() < told_fields_max && !defect.path.empty()) out.push_back(make_valid_text(defect.path));
  return out;
}

}  // namespace

Answer Registry::told(std::string_view action, const model::Noun& noun, const std::string& which,
                      Answer answer, const Actor& actor) {
  audit::RecordSpace* space = space_ ? space_() : nullptr;
  if (space == nullptr || !is_by_validation(answer.kind)) return answer;
  const RefusalTally::Room room =
      refusals_ != nullptr ? refusals_->take(actor.name + '\n' + to_string(actor.user_id), mono_ns())
                           : RefusalTally::Room{true, 0};
  if (!room.has_room) return answer;
  // What is invalid is told by its fields: their messages may hold what was given.
  const bool is_invalid = answer.kind == Answer::Kind::invalid;
  Json metadata = Json::object();
  if (!answer.defects.empty()) metadata["fields"] = fields_of(answer);
  if (room.left_out > 0) metadata["left_out"] = room.left_out;
  const std::string name = make_valid_text(text_prefix(which, told_name_bytes_max));
  ChangeTrail(space).not_valid(action, noun, name, is_invalid ? "it is not valid" : answer.message, metadata,
                               actor);
  return answer;
}

Answer Registry::note_refusal(std::string_view action, const model::Noun& noun, const std::string& which,
                              const std::string& why, const Actor& actor) {
  return told(action, noun, which, refusal(Answer::Kind::conflict, why), actor);
}

}  // namespace ringfence::control
