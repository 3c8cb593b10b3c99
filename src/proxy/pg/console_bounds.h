// Every bound of the console, with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringfence::proxy {

// Sessions of the console on one shard; each may hold a table of console_rows_max rows, some megabytes.
inline constexpr uint32_t consoles_max = 16;
// Of one user on one shard, so that he leaves room for others.
inline constexpr uint32_t consoles_per_user_max = 4;
inline constexpr size_t console_rows_max = 10'000;
// A message to the console: its commands are short.
inline constexpr uint32_t console_message_bytes_max = 64 * 1024;
// Prepared statements of one session of the console, and as many portals.
inline constexpr size_t console_statements_max = 64;
// How long a command of the console waits for its answer.
inline constexpr uint64_t console_answer_ms = 5'000;
// How long a client may leave the bytes of an answer where they are: the shard holds the rest of it for so
// long.
inline constexpr uint64_t console_send_ms = 10'000;
// After so many bytes an answer of the console goes out, and the shard's other sessions have their turn.
inline constexpr size_t console_send_bytes = 64 * 1024;

}  // namespace ringfence::proxy
