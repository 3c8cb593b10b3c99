#include "tcp_records.h"

#include <utility>

#include "ringfence/audit/json.h"
#include "ringfence/base/utf8.h"
#include "ringfence/proxy/core/authorization.h"

namespace ringfence::proxy {

using audit::Category;
using audit::Outcome;
using audit::Severity;
using audit::Tag;

void TcpRecords::identify(const Facts& facts) {
  fields_.clear();
  const auto text = [this](Tag tag, std::string_view value) { audit::append_field(fields_, tag, value); };
  text(Tag::user_name, facts.user);
  text(Tag::auth_method, facts.auth_method);
  text(Tag::client_addr, facts.client_addr);
  text(Tag::transport, facts.transport);
  audit::append_uuid(fields_, Tag::session_id, facts.session_id);
  text(Tag::target, facts.target);
  if (facts.tags != nullptr) audit::append_tags(fields_, *facts.tags);
  text(Tag::server_addr, facts.server_addr);
}

audit::EventBuilder TcpRecords::event(std::string_view action, Severity severity, Outcome outcome,
                                      uint64_t now_us) const {
  audit::EventBuilder out(Category::authentication, action, severity, outcome);
  out.id(door_.ids.uuid(now_us)).ts(now_us).encoded(fields_);
  return out;
}

audit::EventBuilder TcpRecords::access(const policy::Access& access, std::string_view target, bool is_granted,
                                       uint64_t now_us) const {
  audit::EventBuilder out(Category::authorization, is_granted ? "policy_evaluated" : "access_denied",
                          is_granted ? Severity::info : Severity::warning,
                          is_granted ? Outcome::success : Outcome::denied);
  out.id(door_.ids.uuid(now_us)).ts(now_us).encoded(fields_);
  out.text(Tag::entity_type, "target").text(Tag::entity_id, target);
  out.text(Tag::decision, is_granted ? "allow" : "refuse");
  out.text(Tag::metadata, describe(access, {is_granted, "connect", {}}));
  return out;
}

void TcpRecords::publish(audit::EventBuilder event) {
  volume_.charge(event.bytes().size());
  door_.publish(std::move(event));
}

}  // namespace ringfence::proxy
