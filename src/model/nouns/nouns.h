// The nouns, one in each file beside this one.
#pragma once

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
// The value in the one form that it is kept in; of what has been checked.
Json normal_value(const Field& field, const Json& value);

}  // namespace ringfence::model
