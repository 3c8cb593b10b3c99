// What holds for targets of every type.
#pragma once

#include <string>
#include <vector>

#include "ringfence/model/defect.h"

namespace ringfence::model {

inline constexpr size_t target_hosts_max = 16;
inline constexpr size_t target_tags_max = 64;

void add_host_defects(Defects& out, const std::vector<std::string>& hosts);
void add_tag_defects(Defects& out, const std::vector<std::string>& tags);

}  // namespace ringfence::model
