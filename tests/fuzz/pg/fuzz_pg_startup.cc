// What parses has to build and parse again to the same.
#include <cstdint>
#include <cstdlib>

#include "ringfence/pg/startup.h"

using namespace ringfence;
using namespace ringfence::pg;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView packet(reinterpret_cast<const char*>(data), size);
  (void)first_packet_size(packet);
  (void)parse_negotiate_protocol_version(packet);
  auto parsed = parse_first_packet(packet);
  if (!parsed) return 0;
  std::string again;
  switch (parsed->kind) {
    case FirstPacket::Kind::unsupported_version: return 0;
    case FirstPacket::Kind::ssl_request: append_ssl_request(again); break;
    case FirstPacket::Kind::gssenc_request: append_gssenc_request(again); break;
    case FirstPacket::Kind::cancel_request:
      append_cancel_request(again, parsed->cancel.process_id, parsed->cancel.key);
      break;
    case FirstPacket::Kind::startup: {
      (void)negotiate(parsed->startup);
      append_startup(again, parsed->startup);
      auto reparsed = parse_first_packet(again);
      if (!reparsed || reparsed->startup.parameters != parsed->startup.parameters ||
          reparsed->startup.protocol_options != parsed->startup.protocol_options)
        std::abort();
      return 0;
    }
  }
  if (again != packet) std::abort();
  return 0;
}
