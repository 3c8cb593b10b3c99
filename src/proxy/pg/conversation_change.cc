// Statements that go on with another text than the one that was sent (sql/read_only_form.h). Their records
// have both.
#include <algorithm>

#include "conversation.h"
#include "message_text.h"
#include "ringfence/pg/build.h"

namespace ringfence::proxy {

// Of a statement of the message at hand that has just passed, before what let it is noted.
void Conversation::note_change(ByteView statement) {
  const std::string_view instead = gate_->instead();
  if (!instead.empty()) rare().changes.push_back({gate_->rules().size(), statement, std::string(instead)});
}

std::string_view Conversation::instead_of(size_t statement) const {
  if (!has_changes()) return {};
  for (const Rare::Change& change : rare_->changes)
    if (change.statement == statement) return change.instead;
  return {};
}

// Each text stands where the other one stood: no length changes.
void Conversation::change_message(char type, ByteView body) {
  std::string& out = rare().replacement;
  const auto header = pg::frame_header(type, static_cast<uint32_t>(body.size()));
  out.assign(header.data(), header.size());
  out.append(body);
  for (const Rare::Change& change : rare_->changes) {
    RINGFENCE_ASSERT(change.sent.size() == change.instead.size());
    const auto begin = static_cast<size_t>(change.sent.data() - body.data());
    RINGFENCE_ASSERT(begin + change.sent.size() <= body.size());
    out.replace(header.size() + begin, change.sent.size(), change.instead);
  }
  rare_->changes.clear();
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

// Nothing is known yet of the message at hand.
void Conversation::begin_judging() {
  traits_ = {};
  inner_unseen_ = pg::Unseen::none;
  fetched_ = {};
  gate_->rules().clear();
  changes_names_ = false;
}

}  // namespace ringfence::proxy
