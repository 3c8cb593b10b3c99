// SQL for the table of a noun: which columns it has, and how a row becomes JSON and JSON a row.
#pragma once

#include <string>

#include "ringfence/base/bytes.h"
#include "ringfence/model/noun.h"

namespace ringfence::store {

inline constexpr const char* control_schema = "ringfence_control";

// "users", "target_groups": without the schema.
std::string table_name_of(const model::Noun& noun);
// "ringfence_control.users"; of a field's links "ringfence_control.users_roles".
std::string table_of(const model::Noun& noun);
std::string links_of(const model::Noun& noun, const model::Field& field);
bool has_column(const model::Field& field);
bool has_links(const model::Field& field);
// Its names for SQL, "\"user\"".
std::string column_of(const model::Field& field);

// Of a JSON expression, cut where it is too long for any that an appliance wrote: that is no JSON then.
std::string bounded_text(const std::string& json);
// SELECT … FROM the table as t: the body as JSON text, key_id, the MAC in hexadecimal digits; `more`: further
// columns, ", t.id".
std::string select_of(const model::Noun& noun, const std::string& more = "");
// Of tombstones: the noun, the body as JSON text, key_id, the MAC in hexadecimal digits.
std::string stone_select(const std::string& more = "");
// $1: the body with key_id and mac ("\\x…").
std::string insert_of(const model::Noun& noun);
// The same, of the record with the id $2.
std::string update_of(const model::Noun& noun);
// A time in the one form that it has in JSON.
std::string time_text(const std::string& expression);

}  // namespace ringfence::store
