// What of PostgreSQL's own catalog a reader may call: generated (generate_catalog.py), reviewed, versioned.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringfence::policy {

// `server_version` is the major version, 15; of an unknown one the newest known before it counts, of an older
// one the oldest.
bool is_read_function(std::string_view name, int server_version);
// Of the schema information_schema.
bool is_information_function(std::string_view name, int server_version);
// A relation of pg_catalog that shows what functions tell that a reader may not call, or passwords.
bool is_refused_relation(std::string_view name, int server_version);
bool is_read_operator(std::string_view name, int server_version);
// Takes a whole row as its only argument and tells of its columns: what `table.name` may be a call of.
bool is_row_function(std::string_view name, int server_version);
// Any function of the catalog, whatever it does, in any version.
bool is_catalog_function(std::string_view name);
// A column of what functions of the catalog return, and no function's name.
bool is_catalog_output(std::string_view name);
bool is_read_function_oid(uint32_t oid, int server_version);
// The name of one of the large-object functions that clients call by OID; "" for others.
std::string_view large_object_function(uint32_t oid);
// Changes data or session, but nothing that level `write` does not have anyway.
bool is_write_function(std::string_view name);

}  // namespace ringfence::policy
