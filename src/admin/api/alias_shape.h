// How a contract of another system names what this API has: fields, both ways, and their schemas.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/control/record_directory.h"
#include "ringfence/http/text.h"
#include "ringfence/model/json.h"

namespace ringfence::admin {

struct FieldAlias {
  enum class Kind : uint8_t {
    renamed,    // The same value under another name.
    turned,     // `shown` and `given` make one of the other.
    reference,  // The number of the record of the noun `of` that `field` names; `field` is there, too.
    added,      // Shown alone: `made` of the whole record.
  };
  std::string_view alias;  // In the contract.
  std::string_view field;  // Here.
  Kind kind = Kind::renamed;
  std::string_view of = {};
  model::Json (*shown)(const model::Json& value) = nullptr;
  Result<model::Json> (*given)(const model::Json& value) = nullptr;
  model::Json (*made)(const model::Json& record) = nullptr;
  // Of a list's parameter of that name, where it stands for others.
  void (*asked)(const std::string& value, http::Parameters& query) = nullptr;
  const char* schema = nullptr;  // JSON Schema of the alias, where it is another one.
};

struct Shape {
  std::string_view prefix;    // Of names of schemas: "Dbbat" makes DbbatUser of User.
  std::string_view envelope;  // Of lists: the member that has them. Empty: a list is a bare array.
  std::span<const FieldAlias> fields;

  const FieldAlias* by_alias(std::string_view alias) const;
  const FieldAlias* by_field(std::string_view field) const;  // Of those whose field has no other name.
  // "username" of "name", "name" of itself; the same of the path of a defect, "host" of "hosts[0]".
  std::string alias_of(std::string_view field) const;
};

// What a body of the contract's shape refers to by numbers or names: what is to be asked for first.
struct GivenReference {
  const FieldAlias* alias = nullptr;
  std::string which;
};

// The body as this API takes it, but for references, which are told beside it. Defects have the contract's
// names.
struct GivenBody {
  model::Json body;
  std::vector<GivenReference> references;
  model::Defects defects;
};
GivenBody body_of(const Shape& shape, const model::Json& given);

// Names of records that references of this record, or of these, are made of; each noun's once.
using NamesByNoun = std::set<std::pair<std::string, std::string>>;  // (noun, name)
void add_names(const Shape& shape, const model::Json& record, NamesByNoun& to);
using NumbersByName = std::map<std::pair<std::string, std::string>, int64_t>;
// The record as the contract has it.
model::Json shown_as(const Shape& shape, const model::Json& record, const NumbersByName& numbers);

// The schema of what is shown, or given, out of that of this API.
model::Json shown_schema(const Shape& shape, model::Json schema);
model::Json given_schema(const Shape& shape, model::Json schema);

}  // namespace ringfence::admin
