// Small letters for capital ones, as a server folds names beyond ASCII whose encoding has one byte for each
// character.
#pragma once

#include <string>
#include <string_view>

namespace ringfence::policy {

// Of valid UTF-8, as far as one of PostgreSQL's encodings of one byte has the letter; ASCII stays as it is.
std::string fold_beyond_ascii(std::string_view text);

}  // namespace ringfence::policy
