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
  // Null: it does not end.
  const EndReason* reason() const { return reason_.get(); }

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
};

}  // namespace ringfence::proxy
