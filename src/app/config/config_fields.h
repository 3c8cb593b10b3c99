// The effective configuration as paths and values, so that versions can be told apart field by field.
#pragma once

#include <map>
#include <string>

namespace ringfence::app {

// Of describe_effective()'s text: "limits.idle_ms" is "60000". An entry of a list stands by its name where it
// has one, "targets[shop].port", else by its place from 0.
std::map<std::string, std::string> effective_fields(const std::string& yaml);

}  // namespace ringfence::app
