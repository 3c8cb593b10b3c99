// Whether a session ends by our own doing, and why: what its client is told.
#pragma once

#include <memory>

#include "ringfence/proxy/pg/pg_shard.h"

namespace ringfence::proxy {

class Ending {
 public:
  // It ends at once.
  bool is_now() const { return stage_ == Stage::now; }
  // It ends as soon as nothing runs.
  bool is_pending() const { return stage_ == Stage::when_idle; }
  bool is_due() const { return stage_ != Stage::none; }
  // The shard takes no more sessions: it ends as soon as nothing runs and no transaction is open.
  bool is_draining() const { return is_draining_; }
  // Null: it does not end, or drains.
  const EndReason* reason() const { return reason_.get(); }

  void drain() { is_draining_ = true; }
  // The first reason counts.
  void set_pending(EndReason reason) {
    if (is_due()) return;
    stage_ = Stage::when_idle;
    reason_ = std::make_unique<EndReason>(std::move(reason));
  }
  void set_now(EndReason reason) {
    stage_ = Stage::now;
    reason_ = std::make_unique<EndReason>(std::move(reason));
  }

 private:
  enum class Stage : uint8_t { none, when_idle, now };
  std::unique_ptr<EndReason> reason_;
  Stage stage_ = Stage::none;
  bool is_draining_ = false;
};

}  // namespace ringfence::proxy
