// What holds for targets of every type.
#pragma once

#include <string>
#include <vector>

#include "ringfence/model/defect.h"

namespace ringfence::model {

void add_host_defects(Defects& out, const std::vector<std::string>& hosts, size_t hosts_max);
void add_tag_defects(Defects& out, const std::vector<std::string>& tags, size_t tags_max);

}  // namespace ringfence::model
