// A RecordSpace that keeps records in a vector, and refuses room at random where told to.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "ringfence/audit/event.h"

namespace ringfence::proxy {

class VectorSpace final : public audit::RecordSpace {
 public:
  struct Record {
    audit::RecordKind kind;
    uint64_t seq;
    uint64_t start_seq;
    std::map<audit::Tag, std::string> fields;
    std::string operator[](audit::Tag tag) const {
      auto found = fields.find(tag);
      return found == fields.end() ? std::string() : found->second;
    }
    int64_t integer(audit::Tag tag) const {
      auto found = fields.find(tag);
      return found == fields.end() ? -1 : detail::load_be<int64_t>(found->second.data());
    }
  };

  char* reserve(size_t size_max) override {
    RINGFENCE_ASSERT(size_max <= audit::record_bytes_max);
    if (is_full || size_max > granted_max) return nullptr;
    // Room that was given and not used is there a moment later.
    bool has_room = granted_ >= size_max;
    if (!has_room && refuse_one_in > 0 && random() % refuse_one_in == 0) return nullptr;
    granted_ = std::max(granted_, size_max);
    room_.assign(size_max, '\0');
    return room_.data();
  }
  uint64_t waiting_bytes() const override { return waiting; }
  uint64_t publish(audit::RecordKind kind, size_t size, uint64_t start_seq) override {
    granted_ = 0;
    Record record{kind, ++seq_, start_seq, {}};
    Reader in(ByteView(room_).substr(0, size));
    while (in.remaining() > 0) {
      auto tag = static_cast<audit::Tag>(in.u16());
      ByteView value = in.bytes(in.u32());
      RINGFENCE_ASSERT(in.ok());
      record.fields[tag] = std::string(value);
    }
    records.push_back(std::move(record));
    return seq_;
  }
  // Events with this action, in order.
  std::vector<const Record*> events(std::string_view action) const {
    std::vector<const Record*> out;
    for (const Record& record : records) {
      if (record.kind == audit::RecordKind::event && record[audit::Tag::action] == action)
        out.push_back(&record);
    }
    return out;
  }

  std::vector<Record> records;
  std::mt19937_64 random{1};
  unsigned refuse_one_in = 0;
  bool is_full = false;
  uint64_t waiting = 0;                          // Bytes that the store does not have.
  size_t granted_max = audit::record_bytes_max;  // What is longer finds no room.

 private:
  std::string room_;
  size_t granted_ = 0;
  uint64_t seq_ = 0;
};

// A statement as the trail shows it: its start, and what its outcome added.
struct Trailed {
  std::string statement;
  std::string outcome;  // Empty: none came.
  int64_t rows = -1;
  int outcomes = 0;
  bool is_bind = false;  // Of a Bind that nothing executed.
};

inline std::map<uint64_t, Trailed> statements_of(const VectorSpace& space) {
  std::map<uint64_t, Trailed> out;
  for (const VectorSpace::Record& record : space.records) {
    if (record.kind == audit::RecordKind::start) {
      out[record.seq].statement = record[audit::Tag::statement];
      out[record.seq].is_bind = record[audit::Tag::action] == "postgres_bind";
    }
    if (record.kind != audit::RecordKind::outcome) continue;
    RINGFENCE_ASSERT(out.contains(record.start_seq));
    Trailed& statement = out[record.start_seq];
    ++statement.outcomes;
    statement.outcome = record[audit::Tag::outcome];
    statement.rows = record.integer(audit::Tag::rows);
    if (record.fields.contains(audit::Tag::statement)) statement.statement = record[audit::Tag::statement];
  }
  return out;
}

}  // namespace ringfence::proxy
