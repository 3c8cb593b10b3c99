// The tables of what is managed, one for each noun of the model, by the fields that the noun lists.
//
// Rows carry a message authentication code (MAC) that the caller makes and checks: here it is bytes. An
// object belongs to one thread, as its connection does. Errors: Fault::unavailable, the store does not
// answer; Fault::conflict, it refused, and refusal() says why.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ringfence/base/uuid.h"
#include "ringfence/model/noun.h"
#include "ringfence/store/connection.h"

namespace ringfence::store {

struct ControlRecord {
  const model::Noun* noun = nullptr;
  model::Json body;  // As model/noun.h says, and `revision`: that of the change that made it.
  std::string key_id;
  std::string mac;

  std::string id() const { return body["id"].get<std::string>(); }
  int64_t version() const { return body["version"].get<int64_t>(); }
};

struct Tombstone {
  const model::Noun* noun = nullptr;
  model::Json body;  // id, version, revision, deleted_at, deleted_by.
  std::string key_id;
  std::string mac;
};

// A page of a list.
struct ListQuery {
  std::vector<std::pair<std::string, std::string>>
      filters;                // Fields that the noun filters by, and their values.
  std::string sort = "name";  // A sorted field, or created_at or number.
  bool is_descending = false;
  size_t limit = 100;
  // Of the last record of the page before: the sort field's value as JSON, and the id.
  std::optional<std::pair<model::Json, std::string>> after;
};

// Why the store refused a change.
struct Refusal {
  enum class Kind : uint8_t {
    none,
    taken,       // Another record has this value of `field`.
    missing,     // A record that `field` refers to is not there.
    referred,    // Records of `noun` refer to the one that was to go.
    constraint,  // `constraint` of the table does not hold.
  };
  Kind kind = Kind::none;
  std::string field;
  std::string noun;
  std::string constraint;
};

class ControlRecords {
 public:
  // `connection` outlives it.
  explicit ControlRecords(Connection& connection) : connection_(connection) {}

  Result<int64_t> revision();
  Result<std::optional<ControlRecord>> by_id(const model::Noun& noun, const Uuid& id);
  Result<std::optional<ControlRecord>> by_name(const model::Noun& noun, std::string_view name);
  Result<std::optional<ControlRecord>> by_number(const model::Noun& noun, int64_t number);
  Result<std::vector<ControlRecord>> list(const model::Noun& noun, const ListQuery& query);
  // Ids, and names, that are not there are left out.
  Result<std::vector<ControlRecord>> by_ids(const model::Noun& noun, const std::vector<std::string>& ids);
  Result<std::vector<ControlRecord>> by_names(const model::Noun& noun, const std::vector<std::string>& names);

  // One change: begin() locks the state and gives the revision that the change makes; then reads and writes,
  // then commit() or roll_back().
  Result<int64_t> begin();
  // Of the change under way: the key that new rows are by, on every node; empty: that is not said.
  const std::string& current_key() const { return current_key_; }
  Result<int64_t> next_number(const model::Noun& noun);
  Result<void> insert(const ControlRecord& record);
  Result<void> update(const ControlRecord& record);
  Result<void> remove(const Tombstone& stone);
  // The same of a record whose row is not believed, or is not there.
  Result<void> bury(const Tombstone& stone);
  // Tells the other nodes, too.
  Result<void> commit();
  void roll_back();

  // What somebody has been answered already.
  struct EarlierAnswer {
    std::string request_digest;  // The request's code, and that of the answer behind it.
    std::string answer;          // JSON.
  };
  Result<std::optional<EarlierAnswer>> earlier_answer(const std::string& actor, const std::string& key);
  Result<void> keep_answer(const std::string& actor, const std::string& key, ByteView request_digest,
                           const std::string& answer);

  // When keys were last used: beside the records, and no part of them. A use less than a minute after the one
  // that is known is left out, whichever node has written that.
  struct KeyUse {
    std::string id;       // The key's.
    std::string used_at;  // RFC 3339.
  };
  Result<void> note_key_uses(const std::vector<KeyUse>& uses);
  // Those of these keys that were used.
  Result<std::vector<KeyUse>> key_uses(const std::vector<std::string>& ids);

  // All that changed after `revision`, as one moment shows it, the nouns in their order; gives that moment's
  // revision.
  struct Changes {
    std::vector<ControlRecord> records;
    std::vector<Tombstone> stones;
    int64_t revision = 0;
    std::string store_id;
    std::string current_key;  // As above.
  };
  Result<Changes> changes_since(int64_t revision);

  // From now on the connection waits so long for a statement, and 5 seconds for a lock. What it commits is on
  // the disk, whatever the store's settings are.
  Result<void> bound(int statement_s);
  Result<void> listen();
  const Refusal& refusal() const { return refusal_; }

 private:
  template <typename T>
  Result<T> refused(const model::Noun& noun, Error error);
  Result<void> put_stone(const Tombstone& stone, const std::string& on_conflict);
  Result<void> write_links(const ControlRecord& record);
  Result<std::vector<ControlRecord>> select(const model::Noun& noun, const std::string& behind,
                                            const std::vector<Param>& params);
  Result<std::optional<ControlRecord>> one(const model::Noun& noun, const std::string& where,
                                           const Param& value);

  Connection& connection_;
  Refusal refusal_;
  bool is_removal_ = false;
  int64_t revision_ = 0;  // Of the change under way.
  std::string current_key_;
};

}  // namespace ringfence::store
