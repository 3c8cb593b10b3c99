#include "ringfence/app/config/env.h"

#include <unistd.h>  // environ: _GNU_SOURCE.

#include <string_view>

namespace ringfence::app {

namespace {

// Goes through all variables until `take` says false.
template <typename Take>
void each_variable(Take take) {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos && !take(text.substr(0, equals), text.substr(equals + 1))) return;
  }
}

}  // namespace

Environment current_environment() {
  Environment out;
  each_variable([&out](std::string_view name, std::string_view value) {
    if (name.starts_with("RINGFENCE_") || name == "CREDENTIALS_DIRECTORY") out.emplace(name, value);
    return true;
  });
  return out;
}

std::string variable(std::string_view name) {
  std::string out;
  each_variable([&](std::string_view other, std::string_view value) {
    if (other != name) return true;
    out = value;
    return false;
  });
  return out;
}

}  // namespace ringfence::app
