// The life of the keys that seal and prove what the store keeps: made, rotated, expired, destroyed.
//
// Questions come from the control thread; the thread that follows the store looks in between.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "key_rotation.h"
#include "ringfence/control/key_directory.h"

namespace ringfence::control {

class EncryptionKeys {
 public:
  // `keeper` outlives it.
  EncryptionKeys(RotationOptions options, KeyKeeper& keeper)
      : options_(std::move(options)), keeper_(keeper) {}
  ~EncryptionKeys() { stop(); }
  EncryptionKeys(const EncryptionKeys&) = delete;
  EncryptionKeys& operator=(const EncryptionKeys&) = delete;

  // On the control thread, with its connection and its way into the trail (null: there is none).
  // `problem`: what is wrong with the ring for this store, empty: nothing.
  Answer ask(KeyAction action, const std::string& which, const model::Json& given, const Actor& actor,
             store::Connection& connection, audit::RecordSpace* space, const std::string& problem);

  // On the thread that follows the store, again and again. True: the ring is another one.
  bool look();
  // On the same, after the store has been read: tells it which keys are here, and goes on with a rotation of
  // this node that was cut short.
  void looked(store::Connection& connection);
  // From any thread: a rotation stops where it is, and none begins.
  void stop();

 private:
  friend class KeyQuestion;
  void begin(store::KeyRotation rotation);
  Result<void> resume(store::Connection& connection);
  Result<void> announce(store::Connection& connection);
  void tell_expiry();

  RotationOptions options_;
  KeyKeeper& keeper_;
  std::mutex lock_;  // Around the two that follow.
  std::unique_ptr<KeyRotation> rotation_;
  bool is_stopped_ = false;
  // Of the thread that follows.
  KeyRingPtr announced_;  // That the store was told of last.
  uint64_t announce_due_ns_ = 0;
  bool has_resumed_ = false;
  bool is_store_told_ = false;     // That it does not take what is here for it.
  std::set<std::string> expired_;  // Keys that were told of.
};

}  // namespace ringfence::control
