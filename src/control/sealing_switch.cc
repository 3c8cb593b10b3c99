// Switching the sealing of kinds of things and of single fields. What is sealed is sealed always: there is no
// state in which a password would be kept in clear. What is not sealed by this version says so.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "key_question.h"

namespace ringfence::control {

using audit::Outcome;
using model::Json;
using Kind = Answer::Kind;

namespace {

struct SealedKind {
  std::string_view target_type;
  std::string_view why_not;  // Empty: it is sealed, always.
};
constexpr const char* of_a_database =
    "the appliance has no database files of its own: encrypt the disk of the store, or the server's own";
constexpr const char* of_rows = "the trail has counts of rows, not the rows: there is nothing to seal";
constexpr std::array<SealedKind, 8> kinds = {{
    {"credentials", ""},
    {"redacted_texts", ""},
    {"captured_rows", of_rows},
    {"database", of_a_database},
    {"tablespace", of_a_database},
    {"table", of_a_database},
    {"tde", of_a_database},
    {"hsm", "keys come from a file, a systemd credential or the environment; this version speaks to no HSM"},
}};

struct SealedColumn {
  std::string_view table;
  std::string_view column;
};
constexpr std::array<SealedColumn, 2> columns = {
    {{"targets", "password"}, {"ringfence_control.targets", "sealed_password"}}};

constexpr size_t name_bytes_max = 200;

// A text member that must be there; a defect where it is not.
std::string text_member(const Json& given, const char* member, model::Defects& wrong) {
  const auto found = given.find(member);
  if (found == given.end() || !found->is_string() || found->get_ref<const std::string&>().empty() ||
      found->get_ref<const std::string&>().size() > name_bytes_max) {
    wrong.push_back({member, "must be a text of 1 to 200 bytes"});
    return "";
  }
  return found->get<std::string>();
}

// `enabled` and `algorithm`, and no members but `known`.
bool check_members(const Json& given, std::initializer_list<std::string_view> known, model::Defects& wrong) {
  bool is_on = true;
  for (const auto& [member, value] : given.items()) {
    if (member == "enabled") {
      if (value.is_boolean()) is_on = value.get<bool>();
      else wrong.push_back({member, "must be true or false"});
    } else if (member == "algorithm") {
      if (value != key_algorithm) wrong.push_back({member, "must be AES-256-GCM, or left out"});
    } else if (std::find(known.begin(), known.end(), member) == known.end()) {
      wrong.push_back({member, "is no member here; remove it"});
    }
  }
  return is_on;
}

Answer sealed_always(const std::string& target_type, const std::string& target, bool is_on) {
  if (!is_on) return refusal(Kind::conflict, "this is sealed always; it cannot be switched off");
  Answer out;
  out.body = {{"success", true},
              {"target_type", target_type},
              {"target", target.empty() ? Json() : Json(target)},
              {"algorithm", key_algorithm},
              {"enabled", true},
              {"message", "is sealed always"}};
  return out;
}

}  // namespace

Answer KeyQuestion::told(const std::string& target_type, const std::string& target, bool is_on,
                         Answer answer) {
  const bool is_done = answer.kind == Kind::ok;
  trail_.tell({.action = is_on ? "encryption_enabled" : "encryption_disabled",
               .key_id = is_done ? keeper_.ring()->current_id() : "",
               .target = target,
               .target_type = target_type,
               .severity = is_done ? audit::Severity::info : audit::Severity::warning,
               .outcome = is_done ? Outcome::success : Outcome::denied,
               .message = is_done ? "is sealed always" : answer.message},
              actor_);
  return answer;
}

Answer KeyQuestion::enable(const Json& given) {
  model::Defects wrong;
  const std::string type = text_member(given, "target_type", wrong);
  const bool is_on = check_members(given, {"target_type"}, wrong);
  const auto* kind = std::find_if(kinds.begin(), kinds.end(),
                                  [&](const SealedKind& one) { return one.target_type == type; });
  if (kind == kinds.end() && !type.empty())
    wrong.push_back({"target_type",
                     "must be credentials, redacted_texts, captured_rows, database, "
                     "tablespace, table, tde or hsm"});
  if (!wrong.empty()) return invalid(std::move(wrong), "sealing cannot be switched like this");
  Answer answer = kind->why_not.empty() ? sealed_always(type, "", is_on)
                                        : refusal(Kind::impossible, std::string(kind->why_not));
  return told(type, "", is_on, std::move(answer));
}

Answer KeyQuestion::column(const Json& given) {
  model::Defects wrong;
  const std::string table = text_member(given, "table", wrong);
  const std::string field = text_member(given, "column", wrong);
  const bool is_on = check_members(given, {"table", "column"}, wrong);
  if (!wrong.empty()) return invalid(std::move(wrong), "sealing cannot be switched like this");
  const bool is_sealed = std::any_of(columns.begin(), columns.end(), [&](const SealedColumn& one) {
    return one.table == table && one.column == field;
  });
  const bool is_of_trail = table.starts_with("ringfence.audit_") || table.starts_with("audit_");
  Answer answer = is_sealed ? sealed_always("column", table + "." + field, is_on)
                  : is_of_trail
                      ? refusal(Kind::impossible,
                                "fields of the trail are not sealed as a whole in this version: secrets in "
                                "them are replaced, and what was replaced is sealed")
                      : refusal(Kind::impossible,
                                "the appliance has no tables but those of its store; columns of a target are "
                                "encrypted by the target's own means");
  return told("column", table + "." + field, is_on, std::move(answer));
}

}  // namespace ringfence::control
