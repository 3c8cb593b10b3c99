// The console's answers as messages of the protocol ("Message Formats").
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ringfence/proxy/core/console_source.h"

namespace ringfence::proxy {

// The formats that a Bind asks results in: 0 text, 1 binary. None: all text; one: that for all.
using ResultFormats = std::vector<uint16_t>;

// False: a number of formats that fits neither, or a format that is none.
bool fits(const ResultFormats& formats, size_t columns);
void append_row_description(std::string& out, std::span<const ConsoleColumn> columns,
                            const ResultFormats& formats);
void append_data_row(std::string& out, std::span<const ConsoleColumn> columns, const ConsoleTable::Row& row,
                     const ResultFormats& formats);
// So many parameters, each of the type that the client has given, or a text.
void append_parameter_description(std::string& out, uint16_t parameters, std::optional<uint32_t> type);
// One without a body.
void append_empty(std::string& out, char type);

}  // namespace ringfence::proxy
