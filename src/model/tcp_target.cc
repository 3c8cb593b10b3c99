#include "ringfence/model/tcp_target.h"

#include <algorithm>

#include "ringfence/model/target_rules.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::model {

Defects defects(const TcpTarget& target) {
  Defects out;
  add_defect(out, "name", check_given(target.name, check_target_name));
  add_host_defects(out, target.hosts);
  const bool needs_port = std::any_of(target.hosts.begin(), target.hosts.end(),
                                      [](const std::string& host) { return !host.starts_with('/'); });
  if (needs_port && target.port == 0) out.push_back({"port", "is missing; add the server's port"});
  each_number(target, [&out](const char* key, uint64_t value, const Range& range) {
    add_defect(out, key, check_number(value, range));
  });
  add_tag_defects(out, target.tags);
  return out;
}

}  // namespace ringfence::model
