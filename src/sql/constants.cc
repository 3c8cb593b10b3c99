#include "constants.h"

#include <algorithm>
#include <cctype>

namespace ringfence::sql {

std::string lower(std::string_view text) {
  std::string folded(text);
  std::transform(folded.begin(), folded.end(), folded.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return folded;
}

std::optional<std::string> constant_text(const Message* message) {
  for (int depth = 0; depth < 4; ++depth) {
    const auto* cast = as<PgQuery__TypeCast>(message, pg_query__type_cast__descriptor);
    if (cast == nullptr) break;
    message = unwrap(cast->arg);
  }
  if (const auto* string = as<PgQuery__String>(message, pg_query__string__descriptor)) return string->sval;
  if (const auto* number = as<PgQuery__Integer>(message, pg_query__integer__descriptor)) {
    return std::to_string(number->ival);
  }
  if (const auto* number = as<PgQuery__Float>(message, pg_query__float__descriptor)) return number->fval;
  if (const auto* boolean = as<PgQuery__Boolean>(message, pg_query__boolean__descriptor)) {
    return boolean->boolval ? "true" : "false";
  }
  const auto* constant = as<PgQuery__AConst>(message, pg_query__a__const__descriptor);
  if (constant == nullptr || constant->isnull) return std::nullopt;
  switch (constant->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL: return std::to_string(constant->ival->ival);
    case PG_QUERY__A__CONST__VAL_FVAL: return constant->fval->fval;
    case PG_QUERY__A__CONST__VAL_BOOLVAL: return constant->boolval->boolval ? "true" : "false";
    case PG_QUERY__A__CONST__VAL_SVAL: return constant->sval->sval;
    default: return std::nullopt;
  }
}

std::optional<std::string> constant_argument(const Message* message) {
  const Message* inner = message;
  while (const auto* cast = as<PgQuery__TypeCast>(inner, pg_query__type_cast__descriptor)) {
    const PgQuery__TypeName* type = cast->type_name;
    if (type == nullptr || type->n_typmods > 0 || type->n_array_bounds > 0) return std::nullopt;
    const Qualified name = qualified(type->names, type->n_names);
    if (!name.schema.empty() && name.schema != "pg_catalog") return std::nullopt;
    if (name.name != "text" && name.name != "varchar") return std::nullopt;
    inner = unwrap(cast->arg);
  }
  return constant_text(inner);
}

}  // namespace ringfence::sql
