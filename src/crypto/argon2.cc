#include "ringfence/crypto/argon2.h"

#include <argon2.h>
#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "ringfence/base/base64.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::crypto {
namespace {

constexpr std::string_view argon2_name = "$argon2id$v=19$";
static_assert(ARGON2_VERSION_13 == 19);
constexpr size_t salt_bytes_max = 64;

// The heap would keep such pieces. Large pages spare most of the page faults.
int map_memory(uint8_t** memory, size_t size) {
  void* const room = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return ARGON2_MEMORY_ALLOCATION_ERROR;
  // Both are wishes: a kernel without them costs time, or shows the memory in a core dump.
  ::madvise(room, size, MADV_DONTDUMP);
  ::madvise(room, size, MADV_HUGEPAGE);
  *memory = static_cast<uint8_t*>(room);
  return ARGON2_OK;
}

// libargon2 has overwritten it.
void unmap_memory(uint8_t* memory, size_t size) { ::munmap(memory, size); }

std::string without_padding(ByteView bytes) {
  std::string out = base64_encode(bytes);
  while (out.ends_with('=')) out.pop_back();
  return out;
}

template <size_t size>
bool read_bytes(std::string_view text, std::array<uint8_t, size>& out) {
  constexpr size_t digits = (size * 4 + 2) / 3;
  if (text.size() != digits) return false;
  auto bytes = base64_decode(std::string(text).append((4 - digits % 4) % 4, '='));
  if (!bytes || bytes->size() != size) return false;
  std::memcpy(out.data(), bytes->data(), size);
  return true;
}

// Cuts what stands before the separator, or all of it; takes the separator away.
std::string_view cut(std::string_view& text, char separator) {
  const size_t at = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return part;
}

bool read_number(std::string_view text, std::string_view name, uint32_t& out) {
  if (!text.starts_with(name)) return false;
  text.remove_prefix(name.size());
  if (text.empty() || text.front() < '1' || text.front() > '9') return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

bool is_allowed(const Argon2Cost& cost) {
  return cost.lanes >= 1 && cost.lanes <= argon2_cost_max.lanes && cost.iterations >= 1 &&
         cost.iterations <= argon2_cost_max.iterations && cost.memory_kib >= 8 * cost.lanes &&
         cost.memory_kib <= argon2_cost_max.memory_kib;
}

Result<Digest> argon2id(ByteView password, ByteView salt, const Argon2Cost& cost) {
  RINGFENCE_ASSERT(is_allowed(cost));
  RINGFENCE_ASSERT(salt.size() >= ARGON2_MIN_SALT_LENGTH && salt.size() <= salt_bytes_max);
  if (password.size() > std::numeric_limits<uint32_t>::max())
    return fail(Fault::limit, "a password's length");
  Digest tag;
  argon2_context context{};
  context.out = tag.data();
  context.outlen = tag.size();
  // It takes them without const and does not write to them: no flag asks for that.
  context.pwd = reinterpret_cast<uint8_t*>(const_cast<char*>(password.data()));
  context.pwdlen = static_cast<uint32_t>(password.size());
  context.salt = reinterpret_cast<uint8_t*>(const_cast<char*>(salt.data()));
  context.saltlen = static_cast<uint32_t>(salt.size());
  context.t_cost = cost.iterations;
  context.m_cost = cost.memory_kib;
  context.lanes = cost.lanes;
  context.threads = 1;
  context.allocate_cbk = map_memory;
  context.free_cbk = unmap_memory;
  context.flags = ARGON2_DEFAULT_FLAGS;
  context.version = ARGON2_VERSION_13;
  const int error = argon2id_ctx(&context);
  if (error == ARGON2_MEMORY_ALLOCATION_ERROR) {
    return fail(Fault::limit,
                "the machine has no " + std::to_string(cost.memory_kib) + " KiB for a password");
  }
  if (error != ARGON2_OK) return fail(Fault::internal, std::string("Argon2: ") + argon2_error_message(error));
  return tag;
}

Result<Argon2Hash> make_argon2_hash(ByteView password, const Argon2Cost& cost) {
  Argon2Hash out;
  out.cost = cost;
  auto salt = random_array<argon2_salt_bytes>();
  if (!salt) return unexpected(salt.error());
  out.salt = *salt;
  auto tag = argon2id(password, view_of(out.salt), cost);
  if (!tag) return unexpected(tag.error());
  out.tag = *tag;
  return out;
}

Result<bool> verify_argon2_hash(ByteView password, const Argon2Hash& hash) {
  auto tag = argon2id(password, view_of(hash.salt), hash.cost);
  if (!tag) return unexpected(tag.error());
  const bool is_same = constant_time_equal(view_of(*tag), view_of(hash.tag));
  secure_zero(*tag);
  return is_same;
}

std::string format_argon2_hash(const Argon2Hash& hash) {
  std::string out(argon2_name);
  out += "m=" + std::to_string(hash.cost.memory_kib) + ",t=" + std::to_string(hash.cost.iterations);
  out += ",p=" + std::to_string(hash.cost.lanes);
  out += "$" + without_padding(view_of(hash.salt));
  out += "$" + without_padding(view_of(hash.tag));
  return out;
}

Result<Argon2Hash> parse_argon2_hash(std::string_view text) {
  const auto bad = [](const char* what) {
    return fail(Fault::malformed, std::string("not an Argon2id hash: ") + what);
  };
  if (!text.starts_with(argon2_name)) return bad("it does not begin with $argon2id$v=19$");
  text.remove_prefix(argon2_name.size());
  Argon2Hash out;
  if (!read_number(cut(text, ','), "m=", out.cost.memory_kib) ||
      !read_number(cut(text, ','), "t=", out.cost.iterations) ||
      !read_number(cut(text, '$'), "p=", out.cost.lanes))
    return bad("its parameters are not m=…,t=…,p=…");
  if (!is_allowed(out.cost)) return bad("its cost is out of bounds");
  if (!read_bytes(cut(text, '$'), out.salt)) return bad("its salt is not 16 bytes in base64");
  if (!read_bytes(text, out.tag)) return bad("its tag is not 32 bytes in base64");
  return out;
}

}  // namespace ringfence::crypto
