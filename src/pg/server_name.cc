#include "ringfence/pg/server_name.h"

#include "ringfence/base/utf8.h"

namespace ringfence::pg {

ByteView message_name(ByteView sent, const NameEncodings& encodings, std::string& room) {
  if (is_ascii(sent)) return sent.substr(0, name_bytes_max);
  if (encodings.is_sure) {
    if (auto name = convert(sent, encodings.client, encodings.server, room))
      return name->substr(0, name_bytes_max);
  }
  room = unknown_name(sent);
  return room;
}

ByteView cut_identifier(ByteView name, Encoding server) {
  if (name.size() <= name_bytes_max) return name;
  size_t end = 0;
  while (end < name_bytes_max) {
    const size_t length = server.character_bytes(static_cast<uint8_t>(name[end]));
    if (end + length > name_bytes_max) break;
    end += length;
  }
  return name.substr(0, end);
}

std::string unknown_name(ByteView sent) {
  return std::string(1, '\0').append(sent.substr(0, name_bytes_max));
}

}  // namespace ringfence::pg
