// Views as JSON texts. Numbers are integers, times RFC 3339 in UTC, what is not there is null.
#pragma once

#include <string>
#include <vector>

#include "ringfence/admin/api/sources.h"

namespace ringfence::admin {

std::string to_json(const model::SessionInfo& session);
// `next_cursor` empty: this is the last page.
std::string to_json(const std::vector<model::SessionInfo>& page, const std::string& next_cursor);
std::string to_json(const StatsSnapshot& stats, const std::string& node, uint64_t now_us);
std::string version_json(const std::string& node);

}  // namespace ringfence::admin
