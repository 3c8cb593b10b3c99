#include "ringfence/base/keyed_hash.h"

#include <bit>
#include <cstring>

namespace ringfence {

namespace {

struct State {
  uint64_t a, b, c, d;

  void round() {
    a += b;
    c += d;
    b = std::rotl(b, 13) ^ a;
    d = std::rotl(d, 16) ^ c;
    a = std::rotl(a, 32);
    c += b;
    a += d;
    b = std::rotl(b, 17) ^ c;
    d = std::rotl(d, 21) ^ a;
    c = std::rotl(c, 32);
  }
  void word(uint64_t value) {
    d ^= value;
    round();
    a ^= value;
  }
};

uint64_t little_endian(uint64_t value) {
  if constexpr (std::endian::native == std::endian::big) return __builtin_bswap64(value);
  return value;
}

}  // namespace

uint64_t keyed_hash(const HashKey& key, ByteView bytes) {
  // "somepseudorandomlygeneratedbytes", as the paper has it.
  State state{key.low ^ 0x736f6d6570736575u, key.high ^ 0x646f72616e646f6du, key.low ^ 0x6c7967656e657261u,
              key.high ^ 0x7465646279746573u};
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, 8);
    state.word(little_endian(word));
  }
  // What is left, with the length's last byte on top.
  uint64_t last = 0;
  std::memcpy(&last, bytes.data() + at, bytes.size() - at);
  state.word(little_endian(last) | static_cast<uint64_t>(bytes.size()) << 56);
  state.c ^= 0xff;
  for (int i = 0; i < 3; ++i) state.round();
  return state.a ^ state.b ^ state.c ^ state.d;
}

}  // namespace ringfence
