#include "ringfence/crypto/traffic_key.h"

#include <doctest/doctest.h>

#include <string>

using namespace ringfence;

namespace {
std::string from_hex(std::string_view digits) {
  std::string out;
  for (size_t i = 0; i < digits.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  return out;
}
std::string expand(const std::string& secret, std::string_view label, size_t size) {
  uint8_t out[48];
  REQUIRE(crypto::expand_label(secret, label, out, size));
  return std::string(reinterpret_cast<const char*>(out), size);
}
}  // namespace

TEST_CASE("keys are those of RFC 8448, section 3") {
  std::string server = from_hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
  CHECK(expand(server, "key", 16) == from_hex("9f02283b6c9c07efc26bb9f2ac92e356"));
  CHECK(expand(server, "iv", 12) == from_hex("cf782b88dd83549aadf1e984"));
}

TEST_CASE("a secret of another length than a digest of TLS 1.3 has gives no key") {
  uint8_t out[16];
  CHECK_FALSE(crypto::expand_label(std::string(20, 's'), "key", out, 16));
  CHECK(expand(std::string(48, 's'), "key", 32).size() == 32);
}
