// What a client command ends with: the process's exit status, and for a failure what to say about it.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "ringfence/base/result.h"

namespace ringfence::client {

// docs/cli.md lists them: scripts depend on the numbers.
enum class Exit : uint8_t {
  ok = 0,
  refused = 1,      // The appliance, or this machine, refused or failed.
  usage = 2,        // The command line makes no sense.
  not_found = 3,    // There is no such record.
  denied = 4,       // Not logged in, or not allowed.
  conflict = 5,     // In conflict with what there is.
  unreachable = 6,  // The appliance does not answer, or is too busy.
};

struct Failure {
  Exit exit = Exit::refused;
  std::string message;  // What, where, and the cure; without "error: ". May have several lines.
};

template <typename T>
using Outcome = tl::expected<T, Failure>;

inline tl::unexpected<Failure> failed(Exit exit, std::string message) {
  return tl::unexpected<Failure>(Failure{exit, std::move(message)});
}
inline tl::unexpected<Failure> passed_on(Failure failure) {
  return tl::unexpected<Failure>(std::move(failure));
}
// Of a file or the operating system.
inline tl::unexpected<Failure> failed(Error error) { return failed(Exit::refused, std::move(error.message)); }

}  // namespace ringfence::client
