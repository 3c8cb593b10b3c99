#include "ringfence/pg/startup.h"

#include <algorithm>

#include "builder.h"
#include "ringfence/pg/frame.h"

namespace ringfence::pg {
namespace {

constexpr std::string_view option_prefix = "_pq_.";

ProtocolVersion version_of(uint32_t code) {
  return {static_cast<uint16_t>(code >> 16), static_cast<uint16_t>(code & 0xffff)};
}

void set_parameter(std::vector<StartupParameter>& list, ByteView name, ByteView value) {
  auto known = std::find_if(list.begin(), list.end(), [&](const auto& p) { return p.name == name; });
  if (known == list.end()) list.push_back({std::string(name), std::string(value)});
  else known->value = value;
}

Result<void> parse_parameters(Reader& in, StartupMessage& startup) {
  for (size_t count = 0;; ++count) {
    ByteView name = in.cstr();
    if (!in.ok()) return fail(Fault::malformed, "startup packet: expected terminator as last byte");
    if (name.empty()) break;
    if (count == startup_parameters_max) return fail(Fault::limit, "startup packet: too many parameters");
    ByteView value = in.cstr();
    if (!in.ok()) return fail(Fault::malformed, "startup packet: a parameter without a value");
    bool is_option = name.substr(0, option_prefix.size()) == option_prefix;
    set_parameter(is_option ? startup.protocol_options : startup.parameters, name, value);
  }
  if (!in.at_end()) return fail(Fault::malformed, "startup packet: expected terminator as last byte");
  return {};
}

Result<void> parse_cancel(Reader& in, CancelRequest& cancel) {
  cancel.process_id = in.u32();
  ByteView key = in.rest();
  if (!in.ok() || key.size() < cancel_key_size_min || key.size() > cancel_key_size_max)
    return fail(Fault::malformed, "cancel request: the key's length is wrong");
  cancel.key = key;
  return {};
}

void append_code_packet(std::string& out, uint32_t code) { Writer(out).u32(8).u32(code); }

}  // namespace

std::optional<std::string_view> StartupMessage::find(std::string_view name) const {
  for (const auto& parameter : parameters)
    if (parameter.name == name) return parameter.value;
  return std::nullopt;
}

std::string_view StartupMessage::database() const {
  std::string_view database = find("database").value_or(std::string_view());
  return database.empty() ? user() : database;
}

void StartupMessage::name_application(const std::vector<StartupParameter>& settings) {
  for (const auto& setting : settings)
    if (setting.name == "application_name") set_parameter(parameters, setting.name, setting.value);
}

Result<size_t> first_packet_size(ByteView so_far) {
  if (so_far.size() < 4) return 4;
  const uint32_t length = detail::load_be<uint32_t>(so_far.data());
  if (length < 8 || length - 4 > startup_length_max)
    return fail(Fault::malformed,
                "invalid length of startup packet: " + std::to_string(static_cast<int32_t>(length)));
  return length;
}

bool is_cancel_request(ByteView packet) {
  return packet.size() >= 8 && detail::load_be<uint32_t>(packet.data() + 4) == cancel_request_code;
}

Result<FirstPacket> parse_first_packet(ByteView packet) {
  auto size = first_packet_size(packet);
  if (!size) return unexpected(size.error());
  if (packet.size() < 8 || *size != packet.size())
    return fail(Fault::malformed, "startup packet: length and size differ");
  Reader in(packet.substr(4));
  const uint32_t code = in.u32();
  FirstPacket out;
  if (code == cancel_request_code) {
    out.kind = FirstPacket::Kind::cancel_request;
    if (auto parsed = parse_cancel(in, out.cancel); !parsed) return unexpected(parsed.error());
    return out;
  }
  if (code == ssl_request_code || code == gssenc_request_code) {
    out.kind = code == ssl_request_code ? FirstPacket::Kind::ssl_request : FirstPacket::Kind::gssenc_request;
    if (!in.at_end()) return fail(Fault::malformed, "encryption request: bytes after its code");
    return out;
  }
  out.startup.version = version_of(code);
  if (out.startup.version.major != 3) {
    out.kind = FirstPacket::Kind::unsupported_version;
    return out;
  }
  if (auto parsed = parse_parameters(in, out.startup); !parsed) return unexpected(parsed.error());
  return out;
}

void append_startup(std::string& out, const StartupMessage& startup) {
  const size_t start = out.size();
  Writer writer(out);
  writer.u32(0).u32(startup.version.code());
  for (const auto* list : {&startup.parameters, &startup.protocol_options})
    for (const auto& parameter : *list) writer.cstr(parameter.name).cstr(parameter.value);
  writer.u8(0);
  detail::store_be<uint32_t>(out.data() + start, static_cast<uint32_t>(out.size() - start));
}

void append_ssl_request(std::string& out) { append_code_packet(out, ssl_request_code); }
void append_gssenc_request(std::string& out) { append_code_packet(out, gssenc_request_code); }

void append_cancel_request(std::string& out, uint32_t process_id, ByteView key) {
  Writer(out).u32(static_cast<uint32_t>(12 + key.size())).u32(cancel_request_code).u32(process_id).bytes(key);
}

void append_negotiate_protocol_version(std::string& out, const NegotiateProtocolVersion& negotiate) {
  MessageBuilder message(out, from_server::negotiate_protocol_version);
  message.u32(negotiate.version.code()).u32(static_cast<uint32_t>(negotiate.unknown_options.size()));
  for (const auto& name : negotiate.unknown_options) message.cstr(name);
}

Result<NegotiateProtocolVersion> parse_negotiate_protocol_version(ByteView body) {
  Reader in(body);
  NegotiateProtocolVersion out;
  out.version = version_of(in.u32());
  const uint32_t count = in.u32();
  // Each name takes at least its NUL, so a count that the body cannot hold ends the loop at once.
  for (uint32_t i = 0; i < count && in.ok(); ++i) out.unknown_options.emplace_back(in.cstr());
  if (!in.at_end()) return fail(Fault::malformed, "NegotiateProtocolVersion");
  return out;
}

std::optional<NegotiateProtocolVersion> negotiate(const StartupMessage& startup) {
  if (startup.version <= protocol_newest && startup.protocol_options.empty()) return std::nullopt;
  NegotiateProtocolVersion out;
  out.version = std::min(startup.version, protocol_newest);
  for (const auto& option : startup.protocol_options) out.unknown_options.push_back(option.name);
  return out;
}

}  // namespace ringfence::pg
