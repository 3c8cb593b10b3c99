// Statements that go on with another text than the one that was sent (sql/read_only_form.h). Their records
// have both.
#include <algorithm>

#include "conversation.h"
#include "message_text.h"
#include "ringfence/pg/build.h"

namespace ringfence::proxy {

// Each text stands where the other one stood: no length changes.
void Conversation::change_message(char type, ByteView body) {
  std::string& out = rare().replacement;
  const auto header = pg::frame_header(type, static_cast<uint32_t>(body.size()));
  out.assign(header.data(), header.size());
  out.append(body);
  for (const Judgement::Change& change : *judged().changes) {
    RINGFENCE_ASSERT(change.sent.size() == change.instead.size());
    const auto begin = static_cast<size_t>(change.sent.data() - body.data());
    RINGFENCE_ASSERT(begin + change.sent.size() <= body.size());
    out.replace(header.size() + begin, change.sent.size(), change.instead);
  }
}

void Conversation::warn_of_change(const pg::Completion& completion) {
  bool is_changed = completion.prepared != nullptr && !completion.prepared->instead().empty();
  if (rare_ && !rare_->changed.empty()) {
    const auto at = std::find(rare_->changed.begin(), rare_->changed.end(), completion.number);
    if (at != rare_->changed.end()) {
      rare_->changed.erase(at);
      is_changed = true;
    }
  }
  if (!is_changed || completion.ending != pg::Ending::success) return;
  pg::append_notice_response(rare().notices, {.severity = "WARNING",
                                              .sqlstate = "01000",
                                              // All ASCII, which every client encoding has.
                                              .message = "READ WRITE was replaced by READ ONLY",
                                              .detail = "Your access level here is read.",
                                              .hint = "Ask for a policy of level write on this target."});
}

}  // namespace ringfence::proxy
