#include "ringfence/proxy/core/authorization.h"

#include "ringfence/audit/json.h"
#include "ringfence/base/utf8.h"
#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

namespace {

// An object whose keys are given in their order.
class Object {
 public:
  Object& text(std::string_view key, std::string_view value) {
    begin(key);
    const std::string valid = make_valid_text(text_prefix(value, told_name_bytes_max));
    audit::append_json_string(out_, valid);
    return *this;
  }
  Object& json(std::string_view key, std::string_view value) {
    begin(key);
    out_.append(value);
    return *this;
  }
  Object& boolean(std::string_view key, bool value) { return json(key, value ? "true" : "false"); }
  std::string finish() { return out_ + "}"; }

 private:
  void begin(std::string_view key) {
    if (out_.size() > 1) out_.push_back(',');
    out_.append("\"").append(key).append("\":");
  }
  std::string out_ = "{";
};

std::string policies_of(const policy::Access& access) {
  std::vector<std::string> names;
  for (const policy::Policy* policy : access.policies) {
    if (names.size() == told_policies_max) break;
    names.push_back(make_valid_text(text_prefix(policy->name, told_name_bytes_max)));
  }
  std::string out;
  audit::append_json_strings(out, names);
  return out;
}

}  // namespace

std::string describe(const policy::Access& access, const Authorization& what) {
  Object out;
  if (access.grant) out.text("grant_id", access.grant->id);
  out.boolean("granted", what.is_granted);
  if (access.is_granted()) out.text("level", sql::level_name(access.level));
  out.text("permission", what.permission);
  out.json("policies", policies_of(access));
  if (!what.related_id.empty()) out.text("related_id", what.related_id);
  if (!access.roles.empty()) out.text("role_id", access.roles.front());
  if (access.is_granted()) out.boolean("unrestricted", access.is_unrestricted());
  return out.finish();
}

std::string describe_blocked(const policy::Access& access, std::string_view permission, uint32_t position) {
  Object out;
  out.boolean("allowed", false).text("level", sql::level_name(access.level)).text("permission", permission);
  out.json("policies", policies_of(access));
  if (position > 0) out.json("position", std::to_string(position));
  return out.finish();
}

}  // namespace ringfence::proxy
