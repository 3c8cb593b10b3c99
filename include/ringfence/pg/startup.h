// A connection's first packets, which have no type byte: StartupMessage, SSLRequest, GSSENCRequest and
// CancelRequest ("Message Formats", "Message Flow: Start-up").
//
// Everything here is reached before authentication. Strings are copied: a StartupMessage outlives its packet
// and is bounded by startup_length_max.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/base/result.h"

namespace ringfence::pg {

// PostgreSQL's MAX_STARTUP_PACKET_LENGTH; it bounds what follows the length word.
constexpr uint32_t startup_length_max = 10000;
// Keys that one StartupMessage may carry; drivers send fewer than ten.
constexpr size_t startup_parameters_max = 64;
// Protocol 3.2 lets the secret key be longer than the four bytes of 3.0.
constexpr size_t cancel_key_size_min = 4;
constexpr size_t cancel_key_size_max = 256;

struct ProtocolVersion {
  uint16_t major = 3;
  uint16_t minor = 0;
  auto operator<=>(const ProtocolVersion&) const = default;
  uint32_t code() const { return static_cast<uint32_t>(major) << 16 | minor; }
};
constexpr ProtocolVersion protocol_newest{3, 2};

constexpr uint32_t cancel_request_code = 80877102;
constexpr uint32_t ssl_request_code = 80877103;
constexpr uint32_t gssenc_request_code = 80877104;

struct StartupParameter {
  std::string name;
  std::string value;
  bool operator==(const StartupParameter&) const = default;
};

struct StartupMessage {
  ProtocolVersion version;
  std::vector<StartupParameter> parameters;  // In order of first mention; of a key sent twice the last value.
  std::vector<StartupParameter> protocol_options;  // Those whose names begin with `_pq_.`, likewise.

  std::optional<std::string_view> find(std::string_view name) const;
  // Empty if none was sent; PostgreSQL answers that with 28000.
  std::string_view user() const { return find("user").value_or(std::string_view()); }
  // The user's name if none was sent, or an empty one.
  std::string_view database() const;
  // Takes the application_name of these settings, if there is one, in place of its own.
  void name_application(const std::vector<StartupParameter>& settings);
  std::string_view application_name() const { return find("application_name").value_or(std::string_view()); }
};

struct CancelRequest {
  uint32_t process_id = 0;
  std::string key;  // cancel_key_size_min..max bytes.
};

struct FirstPacket {
  enum class Kind : uint8_t {
    startup,
    ssl_request,
    gssenc_request,
    cancel_request,
    unsupported_version,  // Only startup.version is filled: major is not 3. PostgreSQL answers 0A000.
  };
  Kind kind = Kind::startup;
  StartupMessage startup;
  CancelRequest cancel;
};

// The first byte of a TLS handshake record: a client that skips SSLRequest (sslnegotiation=direct).
constexpr char tls_handshake_byte = 0x16;

// How many bytes the packet has in all, its length word included, given what has come so far. 4 while the
// length word itself is not complete. An error if the length is outside 8..4+startup_length_max.
Result<size_t> first_packet_size(ByteView so_far);
// Whether a packet, of which the first eight bytes are there, asks to cancel, well or badly made.
bool is_cancel_request(ByteView packet);
// Parses one whole packet, its length word included.
Result<FirstPacket> parse_first_packet(ByteView packet);

// Builders append to `out`. No name or value may hold a NUL; names may not be empty.
void append_startup(std::string& out, const StartupMessage& startup);
void append_ssl_request(std::string& out);
void append_gssenc_request(std::string& out);
void append_cancel_request(std::string& out, uint32_t process_id, ByteView key);

// NegotiateProtocolVersion: the server speaks at most `version` and does not know these `_pq_.` options. Like
// PostgreSQL this sends the whole version code, although the documentation speaks of the minor number alone.
struct NegotiateProtocolVersion {
  ProtocolVersion version;
  std::vector<std::string> unknown_options;
};
void append_negotiate_protocol_version(std::string& out, const NegotiateProtocolVersion& negotiate);
Result<NegotiateProtocolVersion> parse_negotiate_protocol_version(ByteView body);
// What a server of versions up to protocol_newest, without protocol options, answers to this start: nothing,
// or the message to send before the authentication request.
std::optional<NegotiateProtocolVersion> negotiate(const StartupMessage& startup);

}  // namespace ringfence::pg
