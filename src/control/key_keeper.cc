#include "key_keeper.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "ringfence/base/run_as.h"
#include "ringfence/base/state_file.h"
#include "ringfence/control/data_key_wrap.h"
#include "ringfence/crypto/secret.h"

namespace ringfence::control {

namespace {

constexpr const char* ring_file = "/control.keys";
constexpr const char* environment_place = "RINGFENCE_KEY_RING";

}  // namespace

Result<std::unique_ptr<KeyKeeper>> KeyKeeper::open(const KeySource& source,
                                                   const std::string& state_directory) {
  const bool is_text = source.file.empty() && source.credential.empty() && !source.text.empty();
  std::string place = !source.file.empty()         ? source.file
                      : !source.credential.empty() ? source.credential
                      : is_text                    ? environment_place
                                                   : state_directory + ring_file;
  const bool is_own = source.file.empty() && source.credential.empty() && !is_text;
  auto ring = is_text  ? KeyRing::parse(source.text.reveal(), place)
              : is_own ? KeyRing::read_or_make(place)
                       : KeyRing::read(place);
  if (!ring) {
    if (ring.error().fault == Fault::not_found)
      ring.error().message += "; bring the file that the other appliances of the store have";
    return unexpected(std::move(ring.error()));
  }
  std::unique_ptr<KeyKeeper> out(new KeyKeeper(source, state_directory, std::move(place), std::move(*ring)));
  out->seen_ = out->stamp();
  return out;
}

Result<void> KeyKeeper::move_data_keys() {
  const std::lock_guard guard(lock_);
  return audit::DataKeys::move(state_directory_, RingWrap(authority_.ring()));
}

std::string_view KeyKeeper::kind() const {
  if (!source_.file.empty()) return "file";
  if (!source_.credential.empty()) return "systemd credential";
  return source_.text.empty() ? "file" : "environment";
}

std::string KeyKeeper::why_fixed() const {
  if (kind() == "environment")
    return "the key ring comes from the environment (RINGFENCE_KEY_RING), which the appliance cannot change; "
           "name a file by store.key_ring_file";
  if (kind() == "systemd credential")
    return "the key ring is a systemd credential, which the appliance cannot change; name a file by "
           "store.key_ring_file";
  struct stat facts{};
  if (::lstat(place_.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode))
    return "the key ring " + place_ +
           " is no ordinary file, so that it is not replaced; put the file itself "
           "there";
  const std::string folder = std::filesystem::path(place_).parent_path();
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    return "the appliance may not write in " + folder +
           ", where the key ring is; give it a folder of its own";
  if (auto safe = check_folder(folder); !safe) return safe.error().message;
  return "";
}

KeyKeeper::Stamp KeyKeeper::stamp() const {
  struct stat facts{};
  if (kind() == "environment" || ::stat(place_.c_str(), &facts) != 0) return {};
  return {facts.st_dev, facts.st_ino, static_cast<uint64_t>(facts.st_size), facts.st_mtim.tv_sec,
          facts.st_mtim.tv_nsec};
}

Result<KeyRingPtr> KeyKeeper::change(const std::function<Result<void>(KeyRing&)>& how) {
  const std::lock_guard guard(lock_);
  if (std::string why = why_fixed(); !why.empty()) return fail(Fault::denied, std::move(why));
  auto ring = KeyRing::read(place_);
  if (!ring) return unexpected(std::move(ring.error()));
  std::string before = ring->text();
  if (auto changed = how(*ring); !changed) return unexpected(std::move(changed.error()));
  std::string text = ring->text();
  const bool differs = text != before;
  crypto::secure_zero(before);
  const std::filesystem::path path(place_);
  auto written = differs ? replace_file(path.parent_path(), path.filename(), text) : Result<void>();
  crypto::secure_zero(text);
  if (!written) return unexpected(std::move(written.error()).in("key ring"));
  seen_ = stamp();
  authority_.use(std::move(*ring));
  return authority_.ring();
}

Result<bool> KeyKeeper::reload() {
  const std::lock_guard guard(lock_);
  const Stamp now = stamp();
  // A file that is away for a moment is one that somebody brings.
  if (now == seen_ || now == Stamp{}) return false;
  seen_ = now;
  auto ring = KeyRing::read(place_);
  if (!ring) return unexpected(std::move(ring.error()));
  authority_.use(std::move(*ring));
  return true;
}

}  // namespace ringfence::control
