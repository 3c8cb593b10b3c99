// The control plane of a node: the registry on a thread of its own, and what follows the store.
//
//   auto plane = ControlPlane::open(options, home);
//   plane->ask([=](Registry& registry) { return registry.read(noun, name); }, [](Answer answer) { … });
//
// What an answer says holds on this node when the answer comes: it waits until the node has followed.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ringfence/control/answer.h"
#include "ringfence/control/in_force.h"
#include "ringfence/control/key_directory.h"
#include "ringfence/control/key_source.h"
#include "ringfence/ring/shard.h"

namespace ringfence::audit {
class EventBuilder;
class RecordSpace;
}  // namespace ringfence::audit

namespace ringfence::control {

class DeclaredRecords;
class Registry;

struct ControlPlaneOptions {
  std::string owner_dsn;        // Of the store's owner, for migrations.
  std::string dsn;              // Of the role that owns the tables.
  std::string state_directory;  // For control.versions, the key ring and the first password.
  KeySource keys;
  std::string node;  // Its name among the appliances of the store.
  // The node's, by which users who do not exist have salts, too: so nobody sees by a salt whether a name is a
  // user's, or since when. Empty: salts are random.
  std::string scram_secret;
  uint64_t verify_ms = 60'000;  // Every record is looked at so often.
  // Where the control thread writes its records; null: there is no trail. It outlives the plane.
  audit::RecordSpace* space = nullptr;
  // What holds from now on. On the follower's thread, and the first time perhaps on the caller's of open().
  std::function<void(const InForcePtr&)> in_force;
  // A record of the store that no appliance wrote, or an older one than was there. On the same threads.
  std::function<void(const std::string& record, const std::string& why)> distrusted;
  // When the store answered last (mono_ns), as it is at this moment; 0: it never has.
  std::shared_ptr<std::atomic<uint64_t>> heard_ns = std::make_shared<std::atomic<uint64_t>>(0);
  // An event for the trail that comes from no thread with a way into it. From any thread; null: it is lost.
  std::function<void(const audit::EventBuilder&)> tell;
};

// Of a moment ago.
struct ControlStatus {
  int64_t revision = 0;  // In force.
  size_t users = 0;      // In force; likewise the others.
  size_t keys = 0;
  size_t targets = 0;
  uint64_t heard_ns = 0;     // When the store answered last (mono_ns); 0: it never has.
  uint64_t break_glass = 0;  // Grants of this kind that this node has made, since the start.
  uint64_t rejected = 0;     // Records that were not believed, since the start.
  std::string key_problem;   // Why the key ring is not this store's; empty: it is.
};

class ControlPlane {
 public:
  static constexpr size_t waiting_max = 64;

  // Blocks until the store has been read. Where the store does not answer it begins without, and asks again;
  // nothing of the store is in force until then. A damaged key ring is an error, and one that is not the
  // store's. `home` outlives it.
  static Result<std::unique_ptr<ControlPlane>> open(ControlPlaneOptions options, ring::Shard& home);
  ~ControlPlane();
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;

  // On the home shard's thread; `done` is called there, later. When too many wait, or at the end, at once.
  void ask(std::function<Answer(Registry&)> question, std::function<void(Answer)> done);
  // The same of a question about keys, or an action on them.
  void ask_keys(KeyAction action, std::string which, model::Json given, Actor actor,
                std::function<void(Answer)> done);
  // From any thread: what the configuration declares from now on.
  void declare(std::shared_ptr<const DeclaredRecords> declared);
  InForcePtr in_force() const;   // Null: the store has not been read.
  ControlStatus status() const;  // From any thread.
  // From any thread: nothing is asked from here on.
  void close();

 private:
  struct Parts;
  void post(std::function<Answer()> question, std::function<void(Answer)> done);
  explicit ControlPlane(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace ringfence::control
