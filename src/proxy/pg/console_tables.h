// What the console's SHOW commands show, made of values. Pure.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "console_bounds.h"
#include "console_command.h"
#include "ringfence/proxy/core/console_source.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::proxy {

// Of the command's rows; none: it gives no rows. A setting's column has the setting's name, which outlives
// it.
std::vector<ConsoleColumn> console_columns(const ConsoleCommand& command);

// By name.
ConsoleTable targets_table(const Snapshot& snapshot);
// Users and the targets that policies let them reach, by both names. Where it `is_late` the table is cut.
ConsoleTable grants_table(const Snapshot& snapshot, const std::function<bool()>& is_late);
ConsoleTable help_table();
ConsoleTable version_table(std::string_view node);
// Of rows that others have made, for the command's columns.
ConsoleTable table_of(const ConsoleCommand& command, std::vector<ConsoleTable::Row> rows);

}  // namespace ringfence::proxy
