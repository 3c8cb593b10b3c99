// Access requests: made by a user for himself, and decided once, by somebody else.
//
// An approval makes the grant in the same transaction: both are there, or none. That a request may not be
// decided any more is looked at in that transaction, and so is that the approver may still decide: changes of
// all nodes wait for one another there.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "change.h"

namespace ringfence::control {

// Whether a request waits in vain: nobody has decided it, and its time is over.
bool is_over(const model::Json& request, uint64_t now_us);

class RequestChange final : public Change {
 public:
  RequestChange(Registry& registry, const Actor& actor);

  // `given` is {"reason": …}.
  Answer decide(const std::string& which, Decision decision, const model::Json& given,
                std::optional<int64_t> if_version);

  // As the trail names it: "access_request_approved".
  static std::string_view action_of(Decision decision);

 private:
  // Who asks, when that expires, and whether a rule approves it.
  std::optional<Answer> complete_new(store::ControlRecord& record) override;
  std::optional<Answer> check_times(model::Json& body) const;
  std::optional<Answer> check_number(const std::string& user);
  // The name of the first rule that approves the request; empty: none does.
  Result<std::string> rule_for(const model::Json& request);
  Result<bool> covers(const model::Json& rule, const model::Json& request);
  Result<model::Json> tags_of(const model::Json& request);

  Answer decide_within(const std::string& which, Decision decision, const std::string& reason,
                       std::optional<int64_t> if_version);
  // Something: he may not.
  std::optional<Answer> check_who(Decision decision, const model::Json& request);
  std::optional<Answer> check_requester(const std::string& user);
  // Fills in what the decision sets, and makes the grant of an approval.
  std::optional<Answer> settle(store::ControlRecord& record, Decision decision, const std::string& by,
                               const std::string& reason);
  std::optional<Answer> make_grant(model::Json& request, const std::string& by);
  void tell(Decision decision, const model::Json& request, const std::string& reason);
};

}  // namespace ringfence::control
