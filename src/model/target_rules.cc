#include "ringfence/model/target_rules.h"

#include <algorithm>

#include "ringfence/model/text_rules.h"

namespace ringfence::model {

std::string check_target_name(std::string_view name) {
  if (std::string wrong = check_identifier(name); !wrong.empty()) return wrong;
  if (name != console_database) return {};
  return "is \"ringfence\", which is the name of the appliance's console; choose another name";
}

void add_host_defects(Defects& out, const std::vector<std::string>& hosts) {
  if (hosts.empty()) out.push_back({"hosts", "is missing; add host or hosts"});
  if (hosts.size() > target_hosts_max)
    out.push_back({"hosts", "has more than " + std::to_string(target_hosts_max) + " entries"});
  for (size_t i = 0; i < hosts.size(); ++i) add_defect(out, path_of("hosts", i), check_host(hosts[i]));
}

void add_tag_defects(Defects& out, const std::vector<std::string>& tags) {
  if (tags.size() > target_tags_max)
    out.push_back({"tags", "has more than " + std::to_string(target_tags_max) + " entries"});
  for (auto tag = tags.begin(); tag != tags.end(); ++tag) {
    const std::string path = path_of("tags", static_cast<size_t>(tag - tags.begin()));
    if (std::string wrong = check_tag(*tag); !wrong.empty()) out.push_back({path, std::move(wrong)});
    else if (std::find(tags.begin(), tag, *tag) != tag)
      out.push_back({path, "\"" + *tag + "\" stands here for the second time; remove it"});
  }
}

}  // namespace ringfence::model
