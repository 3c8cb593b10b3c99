// By which key the rows of the control plane are, and how they are moved to another one. As with
// control_records.h, codes are bytes here, and an object belongs to one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ringfence/store/connection.h"
#include "ringfence/store/control_records.h"

namespace ringfence::store {

// One move of everything to another key.
struct KeyRotation {
  std::string id;
  std::string to_key;
  std::string node;  // That does it.
  std::string started_by;
  std::string started_at;  // RFC 3339.
  std::string state;       // "running", "completed", "failed".
  int64_t total = 0;
  int64_t moved = 0;
  int64_t left_out = 0;  // Rows that are not believed: they stay as they are.
  std::string ended_at;  // Empty: it runs.
  std::string message;   // Why it failed.
};

// How many rows are by one key.
struct KeyUse {
  std::string key_id;
  int64_t records = 0;
  int64_t tombstones = 0;
  int64_t credentials = 0;  // Sealed secrets.
};

class KeyMoves {
 public:
  // `connection` outlives it.
  explicit KeyMoves(Connection& connection) : connection_(connection) {}

  // Within a change (ControlRecords::begin): new rows are by this key from here on, on every node.
  Result<void> set_current_key(const std::string& key_id);
  Result<void> begin(const KeyRotation& rotation);
  // Numbers, state and message of the one with this id.
  Result<void> keep(const KeyRotation& rotation);
  // The newest. With an empty id: there has been none.
  Result<KeyRotation> latest();

  Result<std::vector<KeyUse>> uses();
  // Rows by other keys than this one.
  Result<int64_t> count_other(const std::string& key_id);
  // Those of one noun, or all tombstones, in their order, behind the page before (empty: the first ones).
  template <typename T>
  struct Page {
    std::vector<T> rows;  // Without those that have not the form of one.
    int64_t size = 0;     // With them.
    std::string after;    // For the next page; empty: this was the last one.
  };
  Result<Page<ControlRecord>> others(const model::Noun& noun, const std::string& key_id,
                                     const std::string& after, int limit);
  Result<Page<Tombstone>> other_stones(const std::string& key_id, const std::string& after, int limit);
  // Key, code and sealed secrets alone; nothing where the row has another version by now.
  Result<void> move(const ControlRecord& record);
  Result<void> move(const Tombstone& stone);

  // That this node has these keys in use.
  Result<void> announce(const std::string& node, const std::vector<std::string>& key_ids);
  // Nodes that were there within this time and have not got the key.
  Result<std::vector<std::string>> nodes_without(const std::string& key_id, int within_s);
  Result<bool> is_there(const std::string& node, int within_s);

 private:
  Connection& connection_;
};

}  // namespace ringfence::store
