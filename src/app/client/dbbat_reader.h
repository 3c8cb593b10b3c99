// What a running DBBat tells by its REST API (/api/v1). Nothing is changed there.
#pragma once

#include <nlohmann/json.hpp>

#include "endpoint.h"
#include "outcome.h"
#include "ringfence/model/json.h"

namespace ringfence::client {

// Lists of objects; each object has a text `uid`, of keys `id`, which stands once in its list. Nothing else
// of an object is certain.
struct DbbatRecords {
  model::Json users = model::Json::array();
  model::Json servers = model::Json::array();
  model::Json user_groups = model::Json::array();
  model::Json server_groups = model::Json::array();
  model::Json definitions = model::Json::array();
  model::Json grants = model::Json::array();
  model::Json keys = model::Json::array();
  model::Json requests = model::Json::array();  // Access that nobody has decided about.
};

// Fails where it answers otherwise than it is documented to, where the user is no administrator there (who
// sees a part alone), and where a list does not end. The credential goes to the endpoint's URL alone.
Outcome<DbbatRecords> read_dbbat(const Endpoint& endpoint, const Credential& credential);

}  // namespace ringfence::client
