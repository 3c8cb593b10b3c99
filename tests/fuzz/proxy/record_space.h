// What a session stands on in the fuzz targets, with a trail that counts what is open and stops at what none
// may be given.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "proxy/pg/recorder.h"
#include "ringfence/audit/event.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::fuzz {

inline void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

class Space final : public audit::RecordSpace {
 public:
  char* reserve(size_t size_max) override {
    must(size_max <= audit::record_bytes_max, "more room than a record may take was asked for");
    if (is_full) return nullptr;
    room_.resize(size_max);
    return room_.data();
  }
  uint64_t publish(audit::RecordKind kind, size_t size, uint64_t start_seq) override {
    must(size <= room_.size(), "more was published than reserved");
    ++seq_;
    if (kind == audit::RecordKind::start) open[seq_] = 0;
    if (kind == audit::RecordKind::outcome) {
      must(open.contains(start_seq), "an outcome names no start");
      must(++open[start_seq] == 1, "a statement ended twice");
    }
    return seq_;
  }
  std::map<uint64_t, int> open;
  bool is_full = false;

 private:
  std::string room_;
  uint64_t seq_ = 0;
};

struct Ground {
  explicit Ground(uint32_t statement_bytes_max) {
    limits.message_bytes_max = 1 << 20;
    limits.statement_bytes_max = statement_bytes_max;
    limits.parameters_bytes_max = 128;
  }
  void make_room() {
    space.is_full = false;
    door.flush_deferred();
  }
  // When the session is over.
  void must_be_whole() const {
    for (const auto& [number, ended] : space.open) must(ended == 1, "a statement has no outcome");
  }

  Space space;
  proxy::ShardCounters counters;
  proxy::TrailDoor door{space, counters, proxy::IdSource(1)};
  pg::ObjectPools pools{HashKey{1, 2}};
  proxy::Limits limits;
  proxy::Recorder recorder{door};
};

}  // namespace ringfence::fuzz
