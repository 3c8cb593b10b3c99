// Which names of a session may stand for something else than was seen (pg/name_doubt.h), and what is done
// about it.
//
// An unrestricted session's record says so. A restricted one's next use of such a name is made certain first:
// before it the appliance drops the statement and prepares it again, out of the text and types that were
// decided. Where that cannot be done, and code has run that may have done anything, the use is refused. What
// always holds: nothing is sent as long as nothing has run that may have touched names.
#pragma once

#include <optional>

#include "message_judge.h"
#include "ringfence/pg/frame.h"

namespace ringfence::proxy {

struct Exchange;

class NameUse final : public UsedNames {
 public:
  explicit NameUse(Exchange& exchange) : x_(exchange) {}

  // Perhaps it is renewed, before the message at hand.
  Use use(const sql::Facts& facts, const Judgement& so_far, pg::Unseen unseen_before,
          bool is_behind_change) override;
  pg::Unseen resolved(pg::Unseen unseen) const override;

  // Whether what is bound may be used; perhaps it is renewed.
  bool settle_bound(const pg::Ref<pg::Prepared>& prepared, std::string_view name);
  // Whether a Bind that begins has to be whole for that. Where its names are there, they are settled here.
  bool is_to_be_settled(const pg::FrameSegment& segment);
  // Why what is executed is not to be used; `portal`: null: not known.
  std::optional<Refusal> settle_portal(pg::Portal* portal, std::string_view name) const;

  // What runs out of sight. Of what is bound or executed; null: nothing is known of it.
  pg::Unseen unseen_now(pg::Prepared* prepared) const;
  // Of a Query of which nothing was judged.
  pg::Unseen unseen_of_query(ByteView text, bool is_whole) const;

 private:
  static pg::Unseen unseen_of(pg::Prepared& prepared);
  bool can_renew(const pg::Prepared& prepared) const;
  void renew(const pg::Ref<pg::Prepared>& prepared, bool is_alone);

  Exchange& x_;
};

}  // namespace ringfence::proxy
