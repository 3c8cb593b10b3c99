#include "ringfence/crypto/secret.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace ringfence::crypto {

namespace {

// The generator costs some microseconds whenever it is called, however little is wanted. What is taken is
// wiped.
class SmallRandom {
 public:
  static constexpr size_t request_max = 64;

  SmallRandom() = default;
  SmallRandom(const SmallRandom&) = delete;
  SmallRandom& operator=(const SmallRandom&) = delete;
  ~SmallRandom() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }
  bool take(char* out, size_t size) {
    if (left_ < size) {
      left_ = 0;
      if (RAND_bytes(bytes_.data(), static_cast<int>(bytes_.size())) != 1) return false;
      left_ = bytes_.size();
    }
    left_ -= size;
    std::memcpy(out, bytes_.data() + left_, size);
    OPENSSL_cleanse(bytes_.data() + left_, size);
    return true;
  }

 private:
  std::array<unsigned char, 1024> bytes_;
  size_t left_ = 0;
};

}  // namespace

Result<void> random_fill(char* out, size_t size) {
  if (size <= SmallRandom::request_max) {
    static thread_local SmallRandom small;
    if (!small.take(out, size)) return fail(Fault::unavailable, "the random generator gives no bytes");
    return {};
  }
  while (size > 0) {
    size_t step = std::min<size_t>(size, std::numeric_limits<int>::max());
    if (RAND_bytes(reinterpret_cast<unsigned char*>(out), static_cast<int>(step)) != 1)
      return fail(Fault::unavailable, "the random generator gives no bytes");
    out += step;
    size -= step;
  }
  return {};
}

Result<std::string> random_bytes(size_t size) {
  std::string out(size, '\0');
  auto filled = random_fill(out.data(), size);
  if (!filled) return unexpected(filled.error());
  return out;
}

bool constant_time_equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

void secure_zero(void* bytes, size_t size) { OPENSSL_cleanse(bytes, size); }

void secure_zero(std::string& secret) {
  // The capacity too: an earlier, longer value may stand there.
  secret.resize(secret.capacity());
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace ringfence::crypto
