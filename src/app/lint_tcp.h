// Advice about targets whose bytes pass unseen: above all where one is a way around the decisions.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ringfence/app/config/config.h"

namespace ringfence::app {

void lint_tcp(const Config& config, const std::string& file, std::vector<ConfigError>& out);

}  // namespace ringfence::app
