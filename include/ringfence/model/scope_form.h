// How a scope is written: what somebody may do with one kind of resource.
//
// `resource:action` in lower-case letters, digits, `_` and `-`. `resource:*` covers each action on the
// resource, `*` all scopes. The star stands alone: there is no "au*:read" and no "*:read".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ringfence::model {

inline constexpr size_t scope_bytes_max = 64;
// Of one set. The API has some twenty resources.
inline constexpr size_t scopes_max = 64;

// What is wrong with it and how to mend it, or an empty text.
std::string check_scope(std::string_view scope);
// Both are valid. "audit:*" covers "audit:read" and "audit:*", not "*".
bool covers(std::string_view scope, std::string_view other);

}  // namespace ringfence::model
