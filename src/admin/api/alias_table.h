// The paths that other systems' contracts have, and the routes of this API that answer them: one table.
#pragma once

#include <vector>

#include "alias_shape.h"
#include "ringfence/http/request.h"

namespace ringfence::admin {

// Whose contract it is: how refusals look, and the tag in the description.
enum class Family : uint8_t { dbbat, port_authorizing, rusty_db };
std::string_view name(Family family);

struct Alias {
  Family family = Family::dbbat;
  std::string method;
  std::string pattern;  // As Route has it; with one {id} where the other pattern has one.
  std::string to_method;
  std::string to_pattern;
  const Shape* shape = nullptr;  // Null: bodies and answers are the same ones.
  std::string_view noun = {};    // Whose numbers may stand for {id}; empty: nobody's.
  // In place of a shape: of the whole body, and of the whole answer. Schemas are in pages/schemas.json.
  Result<model::Json> (*given)(const model::Json& body) = nullptr;
  model::Json (*shown)(const model::Json& answer) = nullptr;
  std::string given_schema = {};
  std::string shown_schema = {};
};

// In the order in which they are registered. Those whose other route is not there have no route either.
const std::vector<Alias>& aliases();
// Whose contract a path without a query is of, whether there is such a route or not; null: nobody's.
const Family* family_of(std::string_view path);

}  // namespace ringfence::admin
