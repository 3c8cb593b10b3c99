// An event that is in the store, and which ones somebody wants to see.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ringfence/audit/chain.h"
#include "ringfence/audit/event.h"
#include "ringfence/audit/writer.h"
#include "ringfence/base/bytes.h"
#include "ringfence/base/uuid.h"

namespace ringfence::live {

// What filters ask about, as views into the row's bytes. An empty view, or nothing: the row does not have it.
struct EventView {
  uint64_t chain_no = 0;
  uint64_t recorded_at_us = 0;
  ByteView fields;  // Canonical bytes (audit/chain.h).

  ByteView category;
  ByteView action;
  ByteView outcome;
  ByteView user;
  ByteView target;
  std::optional<audit::Severity> severity;
  std::optional<Uuid> session;
};
EventView view_of(uint64_t chain_no, uint64_t recorded_at_us, ByteView fields);

// One that many may keep. Immutable, so that any thread may read it.
class Event {
 public:
  explicit Event(const EventView& view)
      : fields_(view.fields), view_(view_of(view.chain_no, view.recorded_at_us, fields_)) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  const EventView& view() const { return view_; }

 private:
  const std::string fields_;
  const EventView view_;
};
using EventPtr = std::shared_ptr<const Event>;

// An event matches when it matches each of these; an empty list, or nothing, matches all.
struct Filter {
  std::vector<std::string> categories;
  std::vector<std::string> actions;
  std::vector<std::string> outcomes;
  std::vector<std::string> users;
  std::vector<std::string> targets;
  std::optional<audit::Severity> severity_min;
  std::optional<Uuid> session;

  bool matches(const EventView& event) const;
};

}  // namespace ringfence::live
