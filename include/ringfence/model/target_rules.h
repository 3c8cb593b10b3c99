// What holds for targets of every type.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ringfence/model/defect.h"

namespace ringfence::model {

inline constexpr size_t target_hosts_max = 16;
inline constexpr size_t target_tags_max = 64;

// The database whose name is the console's: no target has it.
inline constexpr std::string_view console_database = "ringfence";

// What is wrong with a target's name, and the cure; empty: nothing.
std::string check_target_name(std::string_view name);
void add_host_defects(Defects& out, const std::vector<std::string>& hosts);
void add_tag_defects(Defects& out, const std::vector<std::string>& tags);

}  // namespace ringfence::model
