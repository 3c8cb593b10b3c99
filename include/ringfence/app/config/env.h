// The environment of this process: one variable, or as a value those that the configuration looks at.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace ringfence::app {

using Environment = std::map<std::string, std::string>;

// This process's RINGFENCE_* variables and CREDENTIALS_DIRECTORY.
Environment current_environment();
// Any variable of this process; empty where it is not set.
std::string variable(std::string_view name);

}  // namespace ringfence::app
