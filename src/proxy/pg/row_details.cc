#include "row_details.h"

#include <algorithm>
#include <string_view>

#include "ringfence/pg/frame.h"

namespace ringfence::proxy {
namespace {

bool has_column_rule(const std::vector<policy::Rule>& rules) {
  return std::any_of(rules.begin(), rules.end(),
                     [](const policy::Rule& rule) { return !rule.columns.empty(); });
}

// Integrity constraints, and WITH CHECK OPTION of views.
bool tells_of_rows(std::string_view sqlstate) { return sqlstate.starts_with("23") || sqlstate == "44000"; }

}  // namespace

bool hides_columns(const policy::Access& access) {
  return std::any_of(access.policies.begin(), access.policies.end(), [](const policy::Policy* policy) {
    return has_column_rule(policy->deny) || has_column_rule(policy->allow);
  });
}

std::string without_row(ByteView body, uint32_t body_length) {
  const bool is_cut = body.size() < body_length;
  std::string fields;
  bool is_about_rows = false, has_detail = false;
  while (!body.empty() && body[0] != '\0') {
    const size_t end = body.find('\0', 1);
    if (end == body.npos) break;
    const ByteView field = body.substr(0, end + 1);
    body.remove_prefix(end + 1);
    // The server sends the code before the detail.
    if (field[0] == 'C') is_about_rows = tells_of_rows(field.substr(1, field.size() - 2));
    if (field[0] == 'D' && is_about_rows) has_detail = true;
    else fields.append(field);
  }
  if (!is_cut && !has_detail) return "";
  std::string message;
  Writer(message)
      .u8(pg::from_server::error_response)
      .u32(static_cast<uint32_t>(4 + fields.size() + 1))
      .cstr(fields);
  return message;
}

}  // namespace ringfence::proxy
