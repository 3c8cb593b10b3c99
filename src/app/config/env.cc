#include "ringfence/app/config/env.h"

#include <unistd.h>  // environ: _GNU_SOURCE.

#include <string_view>

namespace ringfence::app {

Environment current_environment() {
  Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view text(*entry);
    size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    std::string_view name = text.substr(0, equals);
    if (!name.starts_with("RINGFENCE_") && name != "CREDENTIALS_DIRECTORY") continue;
    out.emplace(name, text.substr(equals + 1));
  }
  return out;
}

}  // namespace ringfence::app
