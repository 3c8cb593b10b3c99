#include <doctest/doctest.h>

#include <string>

#include "ringfence/pg/startup.h"

using namespace ringfence;
using namespace ringfence::pg;

namespace {
std::string packet(std::string_view rest) {
  std::string out;
  Writer(out).u32(static_cast<uint32_t>(rest.size() + 4)).bytes(rest);
  return out;
}
}  // namespace

TEST_CASE("a startup message round-trips with its protocol options apart") {
  StartupMessage startup;
  startup.version = {3, 2};
  startup.parameters = {{"user", "ann"}, {"database", "sales"}, {"application_name", "psql"}};
  startup.protocol_options = {{"_pq_.command_compression", "on"}};
  std::string bytes;
  append_startup(bytes, startup);
  auto parsed = parse_first_packet(bytes);
  REQUIRE(parsed);
  CHECK(parsed->kind == FirstPacket::Kind::startup);
  CHECK(parsed->startup.version == ProtocolVersion{3, 2});
  CHECK(parsed->startup.parameters == startup.parameters);
  CHECK(parsed->startup.protocol_options == startup.protocol_options);
  CHECK(parsed->startup.user() == "ann");
  CHECK(parsed->startup.database() == "sales");
  CHECK(parsed->startup.application_name() == "psql");
  for (size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(parse_first_packet(ByteView(bytes).substr(0, size)));
  CHECK_FALSE(parse_first_packet(bytes + "x"));
}

TEST_CASE("the last of a repeated key counts, and the database defaults to the user") {
  auto parsed = parse_first_packet(packet(std::string("\0\3\0\0user\0a\0user\0b\0database\0\0\0", 29)));
  REQUIRE(parsed);
  CHECK(parsed->startup.parameters.size() == 2);
  CHECK(parsed->startup.user() == "b");
  CHECK(parsed->startup.database() == "b");
}

TEST_CASE("encryption requests and cancel requests are recognised") {
  std::string ssl, gss, cancel, long_cancel;
  append_ssl_request(ssl);
  append_gssenc_request(gss);
  append_cancel_request(cancel, 42, "abcd");
  append_cancel_request(long_cancel, 43, std::string(256, 'k'));
  CHECK(parse_first_packet(ssl)->kind == FirstPacket::Kind::ssl_request);
  CHECK(parse_first_packet(gss)->kind == FirstPacket::Kind::gssenc_request);
  auto parsed = parse_first_packet(cancel);
  REQUIRE(parsed);
  CHECK(parsed->kind == FirstPacket::Kind::cancel_request);
  CHECK(parsed->cancel.process_id == 42);
  CHECK(parsed->cancel.key == "abcd");
  CHECK(parse_first_packet(long_cancel)->cancel.key.size() == 256);
  std::string short_key, too_long;
  append_cancel_request(short_key, 1, "abc");
  append_cancel_request(too_long, 1, std::string(257, 'k'));
  CHECK_FALSE(parse_first_packet(short_key));
  CHECK_FALSE(parse_first_packet(too_long));
}

TEST_CASE("the size of the first packet is known from four bytes and bounded as in PostgreSQL") {
  CHECK(first_packet_size("").value() == 4);
  CHECK(first_packet_size(ByteView("\0\0\0", 3)).value() == 4);
  CHECK(first_packet_size(ByteView("\0\0\0\x8", 4)).value() == 8);
  CHECK_FALSE(first_packet_size(ByteView("\0\0\0\x7", 4)));
  CHECK(first_packet_size(ByteView("\0\0\x27\x14", 4)).value() == 10004);
  CHECK_FALSE(first_packet_size(ByteView("\0\0\x27\x15", 4)));
  CHECK_FALSE(first_packet_size("GET / HTTP/1.1"));
}

TEST_CASE("a packet without terminator, with a key without value or with too many keys is refused") {
  const std::string version("\0\3\0\0", 4);
  CHECK_FALSE(parse_first_packet(packet(version)));
  CHECK_FALSE(parse_first_packet(packet(version + std::string("user\0ann\0", 9))));
  CHECK_FALSE(parse_first_packet(packet(version + std::string("user\0", 5))));
  CHECK_FALSE(parse_first_packet(packet(version + std::string("user\0ann\0\0x", 11))));
  std::string many = version;
  for (size_t i = 0; i < startup_parameters_max; ++i) many += std::string("k\0v\0", 4);
  CHECK(parse_first_packet(packet(many + std::string(1, '\0'))));
  auto over = parse_first_packet(packet(many + std::string("k\0v\0\0", 5)));
  REQUIRE_FALSE(over);
  CHECK(over.error().fault == Fault::limit);
}

TEST_CASE("another major version is told apart") {
  auto parsed = parse_first_packet(packet(std::string("\0\2\0\0anything", 12)));
  REQUIRE(parsed);
  CHECK(parsed->kind == FirstPacket::Kind::unsupported_version);
  CHECK(parsed->startup.version == ProtocolVersion{2, 0});
}

TEST_CASE("what is unknown is negotiated, and the answer round-trips") {
  StartupMessage startup;
  CHECK_FALSE(negotiate(startup));
  startup.version = {3, 2};
  CHECK_FALSE(negotiate(startup));
  startup.version = {3, 9999};
  startup.protocol_options = {{"_pq_.x", "1"}};
  auto answer = negotiate(startup);
  REQUIRE(answer);
  CHECK(answer->version == protocol_newest);
  std::string bytes;
  append_negotiate_protocol_version(bytes, *answer);
  CHECK(bytes == std::string("v\0\0\0\x13\0\3\0\2\0\0\0\1_pq_.x\0", 20));
  const ByteView body = ByteView(bytes).substr(5);
  auto parsed = parse_negotiate_protocol_version(body);
  REQUIRE(parsed);
  CHECK(parsed->version == answer->version);
  CHECK(parsed->unknown_options == answer->unknown_options);
  for (size_t size = 0; size < body.size(); ++size)
    CHECK_FALSE(parse_negotiate_protocol_version(body.substr(0, size)));
  CHECK_FALSE(parse_negotiate_protocol_version(ByteView("\0\3\0\0\xff\xff\xff\xff", 8)));
}
