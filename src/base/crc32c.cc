#include "ringfence/base/crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace ringfence {
namespace {

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> out{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
    out[i] = c;
  }
  return out;
}
constexpr auto table = make_table();

uint32_t portable(ByteView bytes, uint32_t c) {
  for (char byte : bytes) c = table[(c ^ static_cast<uint8_t>(byte)) & 255] ^ c >> 8;
  return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t hardware(ByteView bytes, uint32_t c) {
  const char* p = bytes.data();
  size_t left = bytes.size();
  uint64_t wide = c;
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  c = static_cast<uint32_t>(wide);
  for (; left > 0; ++p, --left) c = _mm_crc32_u8(c, static_cast<uint8_t>(*p));
  return c;
}
const bool has_hardware = __builtin_cpu_supports("sse4.2") != 0;
#endif

}  // namespace

uint32_t crc32c(ByteView bytes, uint32_t seed) {
#if defined(__x86_64__)
  if (has_hardware) return ~hardware(bytes, ~seed);
#endif
  return ~portable(bytes, ~seed);
}

}  // namespace ringfence
