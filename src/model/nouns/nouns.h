// The nouns, one in each file beside this one.
#pragma once

#include <initializer_list>

#include "ringfence/model/noun.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::model {

extern const Noun user_noun;
extern const Noun user_group_noun;
extern const Noun role_noun;
extern const Noun key_noun;
extern const Noun target_group_noun;
extern const Noun target_noun;
extern const Noun policy_noun;
extern const Noun grant_noun;
extern const Noun access_request_noun;
extern const Noun request_rule_noun;

// Of records that policies and grants name.
inline std::string check_short_name(std::string_view name) { return check_simple_name(name, 63); }

// By which people find a record. `check`: what is wrong and cure, or an empty text.
constexpr Field name_field(std::string_view description, int64_t bytes_max,
                           std::string (*check)(std::string_view)) {
  return {.name = "name",
          .description = description,
          .is_required = true,
          .is_fixed = true,
          .is_filter = true,
          .is_sorted = true,
          .min = 1,
          .max = bytes_max,
          .check = check};
}

// Certificates in PEM, which have several lines.
std::string check_certificates(std::string_view text);
// Of a grant, and of a request for one.
inline constexpr std::string_view grant_controls[] = {"read_only", "block_copy", "block_ddl"};
inline constexpr int64_t number_max = int64_t{1} << 52;

// A number that is given once.
constexpr Field fixed_bound(std::string_view name, std::string_view description, int64_t max = number_max) {
  return {.name = name,
          .kind = FieldKind::integer,
          .description = description,
          .is_fixed = true,
          .min = 1,
          .max = max};
}
// What keeps the name that a reference leads to where the configuration file has the record
// (Field::declared_names).
constexpr Field declared_name_field(std::string_view name, std::string_view of) {
  return {.name = name,
          .description = of == "user"
                             ? "The user's name where he is one of the configuration file; else null."
                             : "The target's name where it is one of the configuration file; else null.",
          .exposure = Exposure::read_only,
          .is_filter = true,
          .max = 63};
}
// Found anew for each answer, on each node.
constexpr Field not_declared_field() {
  return {.name = "not_declared_here",
          .kind = FieldKind::texts,
          .description =
              "\"user ana\", \"target shop\": those that the record names and this node's configuration "
              "file does not have. A grant has no effect there.",
          .exposure = Exposure::observed,
          .max = 1'000};
}
// How many of these fields are given.
size_t count_given(const Json& record, std::initializer_list<const char*> fields);

// The value in the one form that it is kept in; of what has been checked.
Json normal_value(const Field& field, const Json& value);

}  // namespace ringfence::model
