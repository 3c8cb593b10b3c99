// Where the key ring is kept, and how it changes there: on the disk first, then in force.
//
// A file is looked at again and again: another one, as an operator brings it, is in force a second later.
// What cannot be read then leaves the ring that was in force.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "ringfence/control/authority.h"
#include "ringfence/control/key_source.h"

namespace ringfence::control {

class KeyKeeper {
 public:
  // `state_directory` has the ring where the source names no other place; it is made there.
  static Result<std::unique_ptr<KeyKeeper>> open(const KeySource& source, const std::string& state_directory);

  Authority& authority() { return authority_; }
  KeyRingPtr ring() const { return authority_.ring(); }
  // "file", "systemd credential", "environment".
  std::string_view kind() const;
  // Of this appliance: it has the trail's data keys, which the ring wraps.
  const std::string& state_directory() const { return state_directory_; }
  // Wraps them by the ring's active key. From any thread.
  Result<void> move_data_keys();
  // Of the file; else what people know the place by.
  const std::string& place() const { return place_; }
  // Why the ring cannot be changed by the appliance, and the cure; empty: it can be.
  std::string why_fixed() const;

  // Changes the ring as the file has it now. Nothing is in force that is not on the disk. From any thread.
  Result<KeyRingPtr> change(const std::function<Result<void>(KeyRing&)>& how);
  // Looks whether the file is another one; true: its ring is in force now. From any thread.
  Result<bool> reload();

 private:
  struct Stamp {
    uint64_t device = 0, inode = 0, size = 0;
    int64_t second = 0, nanosecond = 0;
    bool operator==(const Stamp&) const = default;
  };
  KeyKeeper(KeySource source, std::string state_directory, std::string place, KeyRing ring)
      : source_(std::move(source)),
        state_directory_(std::move(state_directory)),
        place_(std::move(place)),
        authority_(std::move(ring)) {}
  Stamp stamp() const;

  KeySource source_;
  std::string state_directory_;
  std::string place_;
  Authority authority_;
  std::mutex lock_;  // Around the file and `seen_`.
  Stamp seen_;
};

}  // namespace ringfence::control
