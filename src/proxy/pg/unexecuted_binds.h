// The portals that a sync group has bound and not executed so far.
//
// The server plans at Bind, and planning runs functions: those that are declared immutable or stable, of the
// text or of a view, a policy or an index behind it (plancache.c, "eval_const_expressions"; execMain.c for
// pruning). What such a function writes is committed with the group, whether an Execute follows or not. So a
// Bind that no Execute follows has a record of its own.
#pragma once

#include <vector>

#include "ringfence/pg/session_objects.h"

namespace ringfence::proxy {

class UnexecutedBinds {
 public:
  // As many are told at once, whatever comes behind them: they are not answered before somebody asks.
  static constexpr size_t binds_max = 256;

  bool is_empty() const { return binds_.empty(); }
  bool is_full() const { return binds_.size() >= binds_max; }
  void note(pg::Ref<pg::Portal> portal) {
    portal->is_unexecuted = true;
    binds_.push_back(std::move(portal));
  }
  // Has its own record. Nearly always the last one.
  void executed(pg::Portal& portal) {
    portal.is_unexecuted = false;
    while (!binds_.empty() && !binds_.back()->is_unexecuted) binds_.pop_back();
  }
  // The first that was not executed, until it is dropped; null: none was.
  pg::Portal* first() {
    while (at_ < binds_.size() && !binds_[at_]->is_unexecuted) ++at_;
    if (at_ < binds_.size()) return binds_[at_].get();
    clear();
    return nullptr;
  }
  void drop_first() { binds_[at_]->is_unexecuted = false; }

 private:
  void clear() {
    binds_.clear();
    at_ = 0;
    // A burst's room is not kept for an idle session.
    if (binds_.capacity() > 16) binds_.shrink_to_fit();
  }

  std::vector<pg::Ref<pg::Portal>> binds_;
  size_t at_ = 0;  // Before it all are told.
};

}  // namespace ringfence::proxy
