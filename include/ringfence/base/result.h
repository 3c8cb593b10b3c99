// Result<T>: what a peer, the network, the store or a file can make fail. Nothing of ours throws.
//
//   if (!startup) return fail(Fault::malformed, "startup message: no user");
//
// An error is logged once, where it is decided; on the way there context is added with `in()`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace ringfence {

enum class Fault : uint8_t {
  malformed,    // Bytes that break a protocol or a file's grammar.
  limit,        // A bound was reached.
  denied,       // Not authenticated or not allowed.
  not_found,    // What was asked for does not exist.
  unavailable,  // A peer, the store or the kernel cannot serve now.
  closed,       // The stream or queue has ended.
  timeout,      // A deadline passed.
  io,           // The operating system refused; see `errno_value`.
  conflict,     // Somebody else holds it, or it changed meanwhile.
  internal,     // Our own mistake; please report.
};

std::string_view fault_name(Fault fault);

struct Error {
  Fault fault = Fault::internal;
  std::string message;  // A sentence fragment for people; no secrets.
  int errno_value = 0;  // 0 where no system call failed.

  // Puts context in front: "context: message".
  Error in(std::string_view context) && {
    message.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }
};

template <typename T>
using Result = tl::expected<T, Error>;
using tl::unexpected;

inline tl::unexpected<Error> fail(Fault fault, std::string message) {
  return tl::unexpected<Error>(Error{fault, std::move(message), 0});
}
// An operating system error; strerror's text is appended to the message.
tl::unexpected<Error> fail_errno(int errno_value, std::string_view what);

// For our own mistakes only, never for bytes from a wire. On in release: prints and aborts.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
#define RINGFENCE_ASSERT(expression) \
  ((expression) ? (void)0 : ::ringfence::assertion_failed(#expression, __FILE__, __LINE__))

}  // namespace ringfence
