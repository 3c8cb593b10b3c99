#include "judgement.h"

#include <algorithm>

namespace ringfence::proxy {

void Judgement::start() {
  // A burst's room is not kept for an idle session.
  constexpr size_t kept_statements_max = 16;
  if (statements.capacity() > kept_statements_max) statements = {};
  statements.clear();
  verdict = Verdict::pass;
  has_too_many = changes_names = false;
  inner_unseen = pg::Unseen::none;
  traits = {};
  begin = 0;
  own.reset();
  fetched = {};
}

void Judgement::wish_hold(uint64_t ms, std::string_view rule) {
  constexpr size_t rules_bytes_max = 1'024;
  if (ms == 0) return;
  std::optional<Hold>& hold = rare().hold;
  if (!hold) {
    hold = Hold{ms, std::string(rule)};
    return;
  }
  hold->ms = std::min(hold->ms, ms);
  if (hold->rule.find(rule) == std::string::npos && hold->rule.size() < rules_bytes_max)
    hold->rule.append(", ").append(rule);
}

}  // namespace ringfence::proxy
