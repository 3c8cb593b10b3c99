#include "ringfence/base/result.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ringfence {

std::string_view fault_name(Fault fault) {
  switch (fault) {
    case Fault::malformed: return "malformed";
    case Fault::limit: return "limit";
    case Fault::denied: return "denied";
    case Fault::not_found: return "not_found";
    case Fault::unavailable: return "unavailable";
    case Fault::closed: return "closed";
    case Fault::timeout: return "timeout";
    case Fault::io: return "io";
    case Fault::conflict: return "conflict";
    case Fault::internal: return "internal";
  }
  return "unknown";
}

tl::unexpected<Error> fail_errno(int errno_value, std::string_view what) {
  std::string message(what);
  message += ": ";
  char unknown[64];  // For the text of a number that has none.
  message += ::strerror_r(errno_value, unknown, sizeof unknown);
  return tl::unexpected<Error>(Error{Fault::io, std::move(message), errno_value});
}

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "ringfence: assertion failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace ringfence
