// When API keys were last used: noted for each use, written once a minute for each key at most.
//
// Of the home shard's thread; the store is written on the control plane's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "ringfence/base/uuid.h"
#include "ringfence/store/control_records.h"

namespace ringfence::control {

class KeyUses {
 public:
  static constexpr uint64_t pause_us = 60'000'000;
  // More at once are not kept apart: some of their uses are not written.
  static constexpr size_t keys_max = 10'000;

  using Uses = std::vector<store::ControlRecords::KeyUse>;
  // `write` has the uses written, and calls `done`, on the same thread, with whether they were.
  using Write = std::function<void(Uses, std::function<void(bool)> done)>;
  explicit KeyUses(Write write) : write_(std::move(write)) {}

  // A use at that time (Unix time in microseconds).
  void note(const Uuid& key, uint64_t now_us);

 private:
  void write();

  Write write_;
  std::map<Uuid, uint64_t> written_;  // The use that was last written, or is being written.
  std::map<Uuid, uint64_t> due_;      // Uses that are to be written.
  bool is_writing_ = false;
};

}  // namespace ringfence::control
