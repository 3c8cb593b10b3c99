#include "ringfence/control/plane_records.h"

#include "ringfence/control/registry.h"

namespace ringfence::control {

InForcePtr PlaneRecords::in_force() const {
  const ControlPlane* plane = plane_.load();
  return plane == nullptr ? nullptr : plane->in_force();
}

std::optional<ControlStatus> PlaneRecords::status() const {
  const ControlPlane* plane = plane_.load();
  return plane == nullptr ? std::nullopt : std::optional(plane->status());
}

void PlaneRecords::ask(std::function<Answer(Registry&)> question, Done done) {
  if (ControlPlane* plane = plane_.load()) {
    plane->ask(std::move(question), std::move(done));
    return;
  }
  done(unavailable("there is no store yet that records are in"));
}

void PlaneRecords::find_target(std::string which,
                               std::function<void(Answer, std::shared_ptr<const TargetFacts>)> done) {
  auto found = std::make_shared<std::shared_ptr<const TargetFacts>>();
  ask([found, which = std::move(which)](Registry& from) { return from.find_target(which, *found); },
      [found, done = std::move(done)](const Answer& answer) { done(answer, *found); });
}

void PlaneRecords::ask_keys(KeyAction action, std::string which, model::Json given, Actor actor, Done done) {
  if (ControlPlane* plane = plane_.load()) {
    plane->ask_keys(action, std::move(which), std::move(given), std::move(actor), std::move(done));
    return;
  }
  done(unavailable("there is no store yet that keys are for"));
}

void PlaneRecords::list(const model::Noun& noun, ListRequest request, Done done) {
  ask([&noun, request = std::move(request)](Registry& to) { return to.list(noun, request); },
      std::move(done));
}

void PlaneRecords::read(const model::Noun& noun, std::string which, Done done) {
  ask([&noun, which = std::move(which)](Registry& to) { return to.read(noun, which); }, std::move(done));
}

void PlaneRecords::create(const model::Noun& noun, model::Json given, Actor actor,
                          std::string idempotency_key, Done done) {
  ask([&noun, given = std::move(given), actor = std::move(actor),
       key = std::move(idempotency_key)](Registry& to) { return to.create(noun, given, actor, key); },
      std::move(done));
}

void PlaneRecords::change(const model::Noun& noun, std::string which, model::Json given,
                          std::optional<int64_t> if_version, Actor actor, Done done) {
  ask([&noun, which = std::move(which), given = std::move(given), if_version,
       actor = std::move(actor)](Registry& to) { return to.change(noun, which, given, if_version, actor); },
      std::move(done));
}

void PlaneRecords::remove(const model::Noun& noun, std::string which, std::optional<int64_t> if_version,
                          Actor actor, Done done) {
  ask([&noun, which = std::move(which), if_version,
       actor = std::move(actor)](Registry& to) { return to.remove(noun, which, if_version, actor); },
      std::move(done));
}

void PlaneRecords::identify(std::vector<Called> called, Done done) {
  ask([called = std::move(called)](Registry& to) { return to.identify(called); }, std::move(done));
}

void PlaneRecords::decide(std::string which, Decision decision, model::Json given,
                          std::optional<int64_t> if_version, Actor actor, Done done) {
  ask([which = std::move(which), decision, given = std::move(given), if_version, actor = std::move(actor)](
          Registry& to) { return to.decide(which, decision, given, if_version, actor); },
      std::move(done));
}

void PlaneRecords::break_glass(model::Json given, Actor actor, std::string idempotency_key, Done done) {
  ask([given = std::move(given), actor = std::move(actor),
       key = std::move(idempotency_key)](Registry& to) { return to.break_glass(given, actor, key); },
      std::move(done));
}

void PlaneRecords::change_own_password(Actor user, model::Secret password, int64_t if_version, Done done) {
  ask([user = std::move(user), password = std::move(password),
       if_version](Registry& to) { return to.change_own_password(user, password, if_version); },
      std::move(done));
}

void PlaneRecords::note_refusal(std::string_view action, const model::Noun& noun, std::string which,
                                std::string why, Actor actor) {
  ask([action = std::string(action), &noun, which = std::move(which), why = std::move(why),
       actor = std::move(actor)](Registry& to) { return to.note_refusal(action, noun, which, why, actor); },
      [](const Answer&) {});
}

void PlaneRecords::note_key_uses(std::vector<store::ControlRecords::KeyUse> uses,
                                 std::function<void(bool)> done) {
  ask([uses = std::move(uses)](Registry& to) { return to.note_key_uses(uses); },
      [done = std::move(done)](const Answer& answer) { done(answer.kind == Answer::Kind::ok); });
}

}  // namespace ringfence::control
