// How strong a password must be that somebody sets.
//
// Only for new passwords: one that was set under other rules still logs in.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ringfence/model/secret.h"

namespace ringfence::auth {

inline constexpr size_t password_characters_min = 8;
inline constexpr size_t password_distinct_min = 5;
// A name of fewer bytes may stand in a password: it stands in too many texts by chance.
inline constexpr size_t name_bytes_in_password_min = 4;

// What is wrong with it and how to mend it, or an empty text; the password is not part of it. It looks at the
// password as SASLprep leaves it (pg::prepare_password), which is what is hashed; the first three rules hold
// for what was typed as well. The rules:
// - valid UTF-8 without control characters, at most model::password_bytes_max bytes as given;
// - at least 8 characters, 5 of them distinct;
// - not a run along the alphabet, the digits or the keys of a keyboard, in either direction;
// - neither within the user's name nor around it; the case of ASCII letters does not matter;
// - none of some hundred passwords that everybody tries first, in any case.
std::string check_new_password(const model::Secret& password, std::string_view user);

}  // namespace ringfence::auth
