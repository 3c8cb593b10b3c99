#include "audit/state_identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "ringfence/audit/trail.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/run_as.h"
#include "ringfence/base/state_file.h"
#include "ringfence/crypto/digest.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::audit {
namespace {

Result<crypto::Ed25519KeyPair> read_node_key(const std::string& path) {
  crypto::Ed25519KeyPair pair{};
  auto fd = open_to_read(path);
  if (fd) {
    ssize_t n = ::read(*fd, pair.private_key.data(), pair.private_key.size());
    struct stat info{};
    ::fstat(*fd, &info);
    ::close(*fd);
    if (n != static_cast<ssize_t>(pair.private_key.size()) || info.st_size != n) {
      return fail(Fault::malformed, "node key: " + path + " does not hold 32 bytes");
    }
    if ((info.st_mode & 077) != 0) {
      return fail(Fault::denied, "node key: " + path + " is readable by others: chmod 600 " + path);
    }
    auto public_key = crypto::ed25519_public_key(pair.private_key);
    if (!public_key) return unexpected(std::move(public_key.error()));
    pair.public_key = *public_key;
    return pair;
  }
  if (fd.error().fault == Fault::not_found) {
    return fail(Fault::not_found, "node key: " + path + " does not exist yet");
  }
  return unexpected(std::move(fd.error()).in("node key"));
}

// The node's signing key: made at the first start, readable by us alone.
Result<crypto::Ed25519KeyPair> node_key(const std::string& directory) {
  auto known = read_node_key(directory + "/node.key");
  if (known || known.error().fault != Fault::not_found) return known;
  auto made = crypto::ed25519_generate();
  if (!made) return made;
  auto kept = create_file(directory, "node.key", crypto::view_of(made->private_key));
  if (!kept) return unexpected(std::move(kept).error().in("node key"));
  return made;
}

}  // namespace

Result<Uuid> read_state_id(const std::string& directory) {
  std::string path = directory + "/state.id";
  auto fd = open_to_read(path);
  if (!fd) {
    if (fd.error().fault == Fault::not_found) return fail(Fault::not_found, path + " does not exist yet");
    return unexpected(std::move(fd.error()).in("state directory"));
  }
  char text[36];
  ssize_t n = ::read(*fd, text, sizeof text);
  ::close(*fd);
  auto id = parse_uuid(std::string_view(text, n > 0 ? static_cast<size_t>(n) : 0));
  if (!id) return fail(Fault::malformed, "state directory: " + path + " does not hold an id");
  return id;
}

Result<std::string> read_public_key(const std::string& directory) {
  auto key = read_node_key(directory + "/node.key");
  if (!key) return unexpected(std::move(key.error()));
  crypto::secure_zero(key->private_key);
  return std::string(crypto::view_of(key->public_key));
}

Result<StateIdentity> state_identity(const std::string& directory) {
  auto key = node_key(directory);
  if (!key) return unexpected(std::move(key.error()));
  StateIdentity out;
  out.key = *key;
  crypto::secure_zero(key->private_key);
  auto id = read_state_id(directory);
  if (!id && id.error().fault == Fault::not_found) {
    auto random = crypto::random_array<8>();
    if (!random) return unexpected(std::move(random.error()));
    uint64_t bits = 0;
    std::memcpy(&bits, random->data(), sizeof bits);
    id = uuid_v7(wall_us(), bits);
    auto kept = create_file(directory, "state.id", to_string(*id) + "\n");
    if (!kept) return unexpected(std::move(kept).error().in("state directory"));
  }
  if (!id) return unexpected(std::move(id.error()));
  out.id = *id;
  return out;
}

}  // namespace ringfence::audit
