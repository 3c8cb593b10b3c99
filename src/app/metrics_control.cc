// What /metrics says of the control plane.
#include "appliance.h"
#include "ringfence/base/clock.h"

namespace ringfence::app {

void Appliance::write_control_metrics(MetricsWriter& out) const {
  if (passwords_) {
    const auth::PasswordCounts counts = passwords_->counts();
    const char* help = "Passwords of the API that were asked about, by how that went";
    out.counter("ringfence_password_checks_total", help, counts.hashed, {{"by", "hash"}});
    out.counter("ringfence_password_checks_total", help, counts.remembered, {{"by", "memory"}});
    out.counter("ringfence_password_checks_total", help, counts.busy, {{"by", "busy"}});
  }
  const std::optional<control::ControlStatus> status = records_.status();
  if (!status) return;
  out.gauge("ringfence_control_revision", "Change of the store that is in force",
            static_cast<double>(status->revision));
  const char* help = "Records of the store that are in force";
  out.gauge("ringfence_control_records", help, static_cast<double>(status->users), {{"kind", "user"}});
  out.gauge("ringfence_control_records", help, static_cast<double>(status->keys), {{"kind", "key"}});
  out.gauge("ringfence_control_records", help, static_cast<double>(status->targets), {{"kind", "target"}});
  const double age_s = status->heard_ns == 0 ? -1 : static_cast<double>(mono_ns() - status->heard_ns) / 1e9;
  out.gauge("ringfence_control_store_age_seconds",
            "Since the store has answered the control plane; -1: never", age_s);
  out.counter("ringfence_break_glass_total",
              "Grants that users of this node have given themselves in an emergency", status->break_glass);
  out.counter("ringfence_control_records_rejected_total",
              "Records of the store that no appliance wrote like this", status->rejected);
}

}  // namespace ringfence::app
