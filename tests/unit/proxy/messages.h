// Messages as the tests' clients and servers say them, whole and with their headers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ringfence/base/bytes.h"
#include "ringfence/pg/build.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/messages.h"
#include "ringfence/pg/parse.h"

namespace ringfence::proxy {

inline std::string message(char type, ByteView body = {}) {
  auto header = pg::frame_header(type, static_cast<uint32_t>(body.size()));
  return std::string(header.data(), header.size()) + std::string(body);
}
inline std::string query(std::string_view text) {
  std::string out;
  pg::append_query(out, text);
  return out;
}
// A statement of that name, bound to the unnamed portal and executed: no Sync.
inline std::string executed(std::string_view text, std::string_view name = "") {
  std::string out;
  pg::append_parse(out, name, text);
  pg::append_bind(out, "", name);
  pg::append_execute(out, "");
  return out;
}
inline std::string complete(std::string_view tag) {
  std::string out;
  pg::append_command_complete(out, tag);
  return out;
}
inline std::string ready(char state = 'I') {
  std::string out;
  pg::append_ready_for_query(out, state);
  return out;
}
inline std::string status(std::string_view name, std::string_view value) {
  std::string out;
  pg::append_parameter_status(out, name, value);
  return out;
}
// What a server says of itself, whatever it was asked.
inline std::string notice() {
  std::string out;
  pg::append_notice_response(out, {.severity = "NOTICE", .sqlstate = "00000", .message = "of itself"});
  return out;
}
inline std::string notification() { return message('A', std::string_view("\0\0\0\7channel\0payload\0", 20)); }

// The first BackendKeyData of what a server said; zeros when there is none.
inline pg::BackendKeyData key_of(std::string_view bytes) {
  for (size_t at = 0; at + 5 <= bytes.size(); at += 1 + detail::load_be<uint32_t>(bytes.data() + at + 1)) {
    if (bytes[at] == 'K')
      return *pg::parse_backend_key_data(
          bytes.substr(at + 5, detail::load_be<uint32_t>(bytes.data() + at + 1) - 4));
  }
  return {};
}

}  // namespace ringfence::proxy
