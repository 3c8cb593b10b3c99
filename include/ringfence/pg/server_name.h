// Names of prepared statements and portals as the server keeps them: in its encoding, and at most 63 bytes.
#pragma once

#include <string>
#include <string_view>

#include "ringfence/pg/encoding.h"

namespace ringfence::pg {

// NAMEDATALEN - 1.
inline constexpr size_t name_bytes_max = 63;

// What a session's text is written in. `is_sure` is false while something unanswered may have changed the
// client's.
struct NameEncodings {
  Encoding client;
  Encoding server;
  bool is_sure = true;
};

// The name of a protocol message, which the server cuts at byte 63, also inside of a character. The result
// stands in `sent` or in `room`. Where it cannot be told which name the server makes of it: an unknown name.
ByteView message_name(ByteView sent, const NameEncodings& encodings, std::string& room);

// An SQL identifier, in the server's encoding already, which the server cuts at a character's edge.
ByteView cut_identifier(ByteView name, Encoding server);

// Stands for a name of which only what was sent is known. It is no name's equal, not even its own.
std::string unknown_name(ByteView sent);
inline bool is_unknown_name(std::string_view name) { return !name.empty() && name[0] == '\0'; }
// For people: as it was sent, where it is unknown.
inline std::string_view shown_name(std::string_view name) {
  return is_unknown_name(name) ? name.substr(1) : name;
}

}  // namespace ringfence::pg
