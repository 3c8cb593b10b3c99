// A stored Argon2id hash. What is taken has an allowed cost, and is written as it was read.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ringfence/crypto/argon2.h"

using namespace ringfence;
using namespace ringfence::crypto;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  auto hash = parse_argon2_hash(bytes);
  if (!hash) return 0;
  if (!is_allowed(hash->cost) || hash->cost.memory_kib > 256 * 1024) std::abort();
  if (format_argon2_hash(*hash) != bytes) std::abort();
  return 0;
}
