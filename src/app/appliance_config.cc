// Versions of the configuration, and how an earlier one comes into force again.
#include <csignal>

#include "appliance.h"
#include "ringfence/base/log.h"

namespace ringfence::app {

using audit::EventBuilder;
using audit::Outcome;
using audit::Severity;
using audit::Tag;

Result<void> Appliance::start_config_keeper() {
  auto history = control::ConfigHistory::open(config_.state_dir + "/config-versions");
  if (!history) return unexpected(std::move(history).error().in("versions of the configuration"));
  const pthread_t main_thread = pthread_self();
  // The main thread sleeps until a signal, or for a tick.
  config_keeper_ = std::make_unique<ConfigKeeper>(std::move(*history),
                                                  [main_thread] { pthread_kill(main_thread, SIGUSR1); });
  config_keeper_->took(config_, "start", "");
  return {};
}

// Its users, targets, policies and limits come back, and the rules of its listeners. The token does not: it
// may have been changed because somebody knew it.
control::Answer Appliance::roll_back(const ConfigKeeper::Order& order) {
  const std::string number = std::to_string(order.number);
  EventBuilder event = control::new_event("configuration_rolled_back", Severity::warning, Outcome::success);
  event.text(Tag::user_name, order.actor.name)
      .text(Tag::auth_method, order.actor.method)
      .text(Tag::client_addr, order.actor.client_addr)
      .text(Tag::entity_type, "configuration")
      .text(Tag::entity_id, number);
  const auto refused = [&](control::Answer::Kind kind, const std::string& why) {
    EventBuilder denied = control::new_event("configuration_rolled_back", Severity::warning, Outcome::denied);
    denied.text(Tag::user_name, order.actor.name)
        .text(Tag::auth_method, order.actor.method)
        .text(Tag::client_addr, order.actor.client_addr)
        .text(Tag::entity_type, "configuration")
        .text(Tag::entity_id, number)
        .text(Tag::reason, why);
    main_events_.publish(denied);
    return control::refusal(kind, why);
  };
  control::Answer known = config_keeper_->history().read(order.number);
  if (known.kind != control::Answer::Kind::ok) return refused(known.kind, known.message);
  if (known.body.value("is_current", false))
    return refused(control::Answer::Kind::conflict, "version " + number + " is in force");
  const Config* held = config_keeper_->held(order.number);
  if (held == nullptr)
    return refused(control::Answer::Kind::conflict,
                   "version " + number +
                       " is not held with its secrets any more: they are kept in memory alone, since the "
                       "start; put it back in the file, and reload");
  if (!main_events_.publish(event)) return control::unavailable("the trail has no room for this change");
  Config wanted = *held;
  wanted.admin.token = config_.admin.token;
  auto done = reload(std::move(wanted), "rollback to " + number, order.actor.text());
  if (!done) return refused(control::Answer::Kind::conflict, done.error().message);
  log_warning("an earlier version of the configuration is in force until the next reload",
              {{"version", number}, {"by", order.actor.text()}});
  return config_keeper_->history().current();
}

void Appliance::take_config_orders() {
  for (const ConfigKeeper::Order& order : config_keeper_->take_orders()) {
    control::Answer answer = roll_back(order);
    admin_shard_->deliver([done = order.done, answer = std::move(answer)] { done(answer); });
  }
}

}  // namespace ringfence::app
