// Advice about a configuration that is valid but probably not meant: what `ringfence check` prints as
// warnings.
#pragma once

#include <vector>

#include "ringfence/app/config/config.h"

namespace ringfence::app {

// `file` names the configuration in the warnings; they carry no lines.
std::vector<ConfigError> lint(const Config& config, const std::string& file);

}  // namespace ringfence::app
