// Users and targets of the configuration as records of the API.
#pragma once

#include <memory>

#include "ringfence/app/config/config.h"
#include "ringfence/control/declared_records.h"

namespace ringfence::app {

// Without secrets.
std::shared_ptr<const control::DeclaredRecords> declared_records(const Config& config);

}  // namespace ringfence::app
