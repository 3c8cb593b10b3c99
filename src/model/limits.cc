#include "ringfence/model/limits.h"

namespace ringfence::model {

namespace {

template <typename Value>
void add_numbers(Defects& out, const std::string& path, const Value& value) {
  each_number(value, [&](const char* key, uint64_t number, const Range& range) {
    add_defect(out, path + key, check_number(number, range));
  });
}

// Less than one record of the largest kind a second would hold every session up.
void add_volume(Defects& out, const std::string& path, const VolumeRule& rule) {
  add_numbers(out, path, rule);
  if (rule.bytes_per_s != 0 && rule.bytes_per_s < mib) {
    out.push_back({path + "bytes_per_s",
                   "is less than 1 MiB, the largest record; use 1MiB or more, or 0 for no bound"});
  }
}

}  // namespace

Defects defects(const AccessRules& rules) {
  Defects out;
  add_numbers(out, "", rules);
  return out;
}

Defects defects(const Limits& limits) {
  Defects out;
  add_numbers(out, "", limits);
  return out;
}

Defects defects(const RecordLimits& limits) {
  Defects out;
  add_numbers(out, "", limits);
  add_volume(out, "volume_per_user.", limits.volume_per_user);
  add_volume(out, "volume_per_address.", limits.volume_per_address);
  return out;
}

}  // namespace ringfence::model
