#include "ringfence/control/key_uses.h"

#include "ringfence/base/clock.h"

namespace ringfence::control {

void KeyUses::note(const Uuid& key, uint64_t now_us) {
  const auto known = written_.find(key);
  if (known != written_.end() && now_us < known->second + pause_us) return;
  if (known == written_.end() && written_.size() >= keys_max) {
    // Those whose minute is over are written at their next use whether they are here or not.
    std::erase_if(written_, [now_us](const auto& each) { return now_us >= each.second + pause_us; });
    if (written_.size() >= keys_max) return;
  }
  written_[key] = now_us;
  due_[key] = now_us;
  if (!is_writing_) write();
}

// What is used meanwhile goes together, next.
void KeyUses::write() {
  Uses uses;
  for (const auto& [key, at] : due_) uses.push_back({to_string(key), rfc3339(at)});
  due_.clear();
  is_writing_ = true;
  // What fails is written by the first use after the minute.
  write_(std::move(uses), [this](bool) {
    is_writing_ = false;
    if (!due_.empty()) write();
  });
}

}  // namespace ringfence::control
