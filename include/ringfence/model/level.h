// Levels of access, by their names.
#pragma once

#include "ringfence/model/number.h"
#include "ringfence/sql/facts.h"

namespace ringfence::model {

inline constexpr Named<sql::Level> levels[] = {{"read", sql::Level::read},
                                               {"write", sql::Level::write},
                                               {"ddl", sql::Level::ddl},
                                               {"admin", sql::Level::admin}};
inline constexpr std::string_view level_names[] = {"read", "write", "ddl", "admin"};

}  // namespace ringfence::model
