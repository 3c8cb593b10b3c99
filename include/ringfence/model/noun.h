// The kinds of things that are managed: what their fields are and what makes one valid.
//
// A record is a JSON object: `id` (UUID), `number` (from 1, for who wants numeric ids), `version` (from 1,
// grows with each change), `created_at`, `created_by`, `updated_at`, `updated_by`, and the noun's fields,
// each present, null where it is not given. Times are RFC 3339 in UTC with microseconds. A field that refers
// to another record holds that record's id; people write its name. The store's tables, the API's routes,
// their description and the command line follow from this list.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ringfence/model/defect.h"
#include "ringfence/model/json.h"

namespace ringfence::model {

enum class FieldKind : uint8_t {
  text,
  boolean,
  integer,
  time,        // RFC 3339.
  texts,       // A list, each once, in their given order.
  reference,   // To a record of the noun `of`.
  references,  // To several, in the order of their ids.
  labels,      // An object whose values are texts.
  objects,     // A list of objects, each with the fields `parts`.
};

// Who gives the field and who sees it.
enum class Exposure : uint8_t {
  open,        // Given and shown.
  read_only,   // Shown alone: the appliance sets it.
  write_only,  // Given alone: the appliance keeps something else.
  hidden,      // Neither: a column of the appliance's own.
  observed,    // Shown, and no part of the record: what was seen of it.
};

struct Field {
  std::string_view name;
  FieldKind kind = FieldKind::text;
  std::string_view description;
  Exposure exposure = Exposure::open;
  bool is_required = false;  // Of a new record; the others may be null.
  bool is_fixed = false;     // It does not change once the record is there.
  bool is_filter = false;    // Lists take it as a parameter.
  bool is_sorted = false;    // Lists can be in its order. Of text, integer, time.
  // Of texts: null is not the empty list.
  bool is_nullable = false;
  // Text: bytes. Integer: the value. Texts, references, labels, objects: how many; each of texts has 1,000
  // bytes at most.
  int64_t min = 0;
  int64_t max = 0;
  std::string_view of;                        // The noun that a reference refers to.
  std::span<const std::string_view> choices;  // Of text and texts: no other value is one.
  std::string_view default_json;  // Of a new record where nothing is given; empty: null, [] or {}.
  std::string (*check)(std::string_view) =
      nullptr;  // Of text, and of each of texts: wrong and cure, or empty.
  // Of objects: texts, booleans and integers.
  std::span<const Field> parts = {};
  // Of a reference that may be to a record of a configuration file: the field that keeps that record's name,
  // null for a record of the store. Of references: the one that keeps the names of those of them.
  std::string_view declared_names = {};
};

struct Noun {
  std::string_view name;    // "user"; in the trail, the entity type.
  std::string_view plural;  // "users", "target-groups"; the path, and with _ for - the table.
  std::string_view description;
  std::span<const Field> fields;
  // What must hold between the fields of one record.
  Defects (*check)(const Json& record) = nullptr;
  // Who makes a record is the user that it is of. He sees his own, and nobody changes one (control/registry.h
  // has how it is decided).
  bool is_request = false;

  bool has_name() const { return find("name") != nullptr; }
  // Null: there is none.
  const Field* find(std::string_view field) const;
};

// "user 0198…": a record among those of all nouns.
std::string record_key(const Noun& noun, std::string_view id);

// In an order in which each refers to earlier ones, or to itself.
std::span<const Noun* const> nouns();
// By name or plural; null: there is none.
const Noun* find_noun(std::string_view name);

// Not records, but checked as new ones: what an approver says of a request, and what break-glass takes.
const Noun& decision_form();
const Noun& break_glass_form();

// What is wrong with a new record as it was given: no object, unknown members, those that the appliance sets,
// missing ones, values of a wrong kind or beyond a bound. Paths are names of members. References are looked
// at as texts: who keeps the records knows whether they exist.
Defects check_new(const Noun& noun, const Json& given);
// The same of a change (RFC 7396, JSON merge patch): only what is given, null takes a field's value away.
Defects check_change(const Noun& noun, const Json& given);
// The given fields with defaults for the others, and times in the one form; of what check_new has passed.
// What is given alone is left out: the appliance keeps something else.
Json complete(const Noun& noun, const Json& given);
// The same of a change upon the fields that there are.
Json merged(const Noun& noun, const Json& fields, const Json& given);

// The record as it is shown: without hidden fields.
Json shown(const Noun& noun, const Json& record);

}  // namespace ringfence::model
