#include "ringfence/policy/harmless.h"

#include <algorithm>

#include "catalog.h"

namespace ringfence::policy {

bool is_harmless_function(std::string_view schema, std::string_view name, int server_version) {
  if (schema == "information_schema") return is_information_function(name, server_version);
  if (!schema.empty() && schema != "pg_catalog") return false;
  return is_read_function(name, server_version) || is_write_function(name) || name == "set_config";
}

bool is_harmless_call(uint32_t function_oid, int server_version) {
  return !large_object_function(function_oid).empty() || is_read_function_oid(function_oid, server_version);
}

bool calls_only_harmless(const sql::Facts& facts, int server_version) {
  return std::all_of(facts.functions.begin(), facts.functions.end(),
                     [&](const sql::Name& each) {
                       return is_harmless_function(each.schema, each.name, server_version);
                     }) &&
         std::all_of(facts.operators.begin(), facts.operators.end(),
                     [&](const sql::Name& each) {
                       return (each.schema.empty() || each.schema == "pg_catalog") &&
                              is_read_operator(each.name, server_version);
                     }) &&
         // A column, unless the catalog or nobody has a function of that name.
         std::all_of(facts.attributes.begin(), facts.attributes.end(), [&](const sql::Attribute& each) {
           return is_harmless_function({}, each.name, server_version) ||
                  (each.is_of_expression ? is_catalog_output(each.name) : !is_catalog_function(each.name));
         });
}

}  // namespace ringfence::policy
