// All message builders, parsers and SQLSTATEs.
#pragma once

#include "ringfence/pg/build.h"     // IWYU pragma: export
#include "ringfence/pg/parse.h"     // IWYU pragma: export
#include "ringfence/pg/sqlstate.h"  // IWYU pragma: export
