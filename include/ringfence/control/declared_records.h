// Records that the configuration declares, as the API shows them beside those of the store: read-only there.
// Immutable; a reload makes a new one.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringfence/control/record_directory.h"
#include "ringfence/model/json.h"
#include "ringfence/model/noun.h"
#include "ringfence/store/control_records.h"

namespace ringfence::control {

class DeclaredRecords {
 public:
  // `given`: fields of the noun, with names where it refers to others, and `name` among them; the others have
  // their defaults. `where`: "ringfence.yaml:12".
  void add(const model::Noun& noun, const model::Json& given, const std::string& where);

  // By id or name, as it is shown. Null: it is none of these.
  const model::Json* find(const model::Noun& noun, const std::string& which) const;
  // By the number that it is shown with. Null: it is of none of these.
  const model::Json* find_number(const model::Noun& noun, int64_t number) const;
  // The first ones of the query's order that match its filters and stand behind its cursor: `limit` at most.
  std::vector<model::Json> list(const model::Noun& noun, const store::ListQuery& query) const;

  // Why nobody changes it here, and the cure.
  static std::string refusal_of(const model::Noun& noun, const model::Json& declared);

 private:
  std::map<std::string_view, std::map<std::string, model::Json>> by_name_;  // By the noun's name, then its.
  std::map<std::string, const model::Json*> by_id_;
  std::map<std::pair<std::string_view, int64_t>, const model::Json*> by_number_;  // By noun and number.
};

// What a record, of the store or declared, is sorted by, as a cursor has it. What has no value of its own
// there stands before all others: the configuration's have no time.
model::Json sort_value(const std::string& sort, const model::Json& body);
// Whether `a` stands before `b` in the query's order.
bool stands_before(const store::ListQuery& query, const model::Json& a, const model::Json& b);

}  // namespace ringfence::control
