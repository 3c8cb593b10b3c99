// The environment as a value: the variables that configuration looks at, and nothing else.
#pragma once

#include <map>
#include <string>

namespace ringfence::app {

using Environment = std::map<std::string, std::string>;

// This process's RINGFENCE_* variables and CREDENTIALS_DIRECTORY.
Environment current_environment();

}  // namespace ringfence::app
