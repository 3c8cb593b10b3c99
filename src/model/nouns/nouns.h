// The nouns, one in each file beside this one.
#pragma once

#include "ringfence/model/noun.h"

namespace ringfence::model {

extern const Noun user_noun;
extern const Noun user_group_noun;
extern const Noun role_noun;
extern const Noun key_noun;
extern const Noun target_noun;

// The value in the one form that it is kept in; of what has been checked.
Json normal_value(const Field& field, const Json& value);

}  // namespace ringfence::model
