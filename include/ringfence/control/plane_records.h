// The record directory of a control plane, which may come later than those who ask.
#pragma once

#include <atomic>
#include <optional>

#include "ringfence/control/control_plane.h"
#include "ringfence/control/record_directory.h"
#include "ringfence/store/control_records.h"

namespace ringfence::control {

class PlaneRecords final : public RecordDirectory, public KeyDirectory {
 public:
  using Done = RecordDirectory::Done;
  // From any thread, once: what is asked from here on goes to the plane, which outlives those who ask. Until
  // then each answer is that the appliance starts.
  void serve(ControlPlane& plane) { plane_ = &plane; }
  // Null: there is no plane yet.
  InForcePtr in_force() const;
  // Nothing: there is no plane yet.
  std::optional<ControlStatus> status() const;

  // A target of the store with its secrets, enabled or not; `done` as RecordDirectory has it. Null: the
  // answer says why.
  void find_target(std::string which, std::function<void(Answer, std::shared_ptr<const TargetFacts>)> done);

  void list(const model::Noun& noun, ListRequest request, Done done) override;
  void read(const model::Noun& noun, std::string which, Done done) override;
  void create(const model::Noun& noun, model::Json given, Actor actor, std::string idempotency_key,
              Done done) override;
  void change(const model::Noun& noun, std::string which, model::Json given,
              std::optional<int64_t> if_version, Actor actor, Done done) override;
  void remove(const model::Noun& noun, std::string which, std::optional<int64_t> if_version, Actor actor,
              Done done) override;
  void identify(std::vector<Called> called, Done done) override;
  void decide(std::string which, Decision decision, model::Json given, std::optional<int64_t> if_version,
              Actor actor, Done done) override;
  void break_glass(model::Json given, Actor actor, std::string idempotency_key, Done done) override;
  void note_refusal(std::string_view action, const model::Noun& noun, std::string which, std::string why,
                    Actor actor) override;
  void change_own_password(Actor user, model::Secret password, int64_t if_version, Done done) override;
  void ask_keys(KeyAction action, std::string which, model::Json given, Actor actor, Done done) override;
  // `done`: whether they were noted.
  void note_key_uses(std::vector<store::ControlRecords::KeyUse> uses, std::function<void(bool)> done);

 private:
  void ask(std::function<Answer(Registry&)> question, Done done);

  std::atomic<ControlPlane*> plane_{nullptr};
};

}  // namespace ringfence::control
