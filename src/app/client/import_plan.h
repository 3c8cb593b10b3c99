// What another product's configuration becomes here: records to create, and what has no counterpart.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "outcome.h"
#include "ringfence/model/json.h"
#include "ringfence/model/noun.h"

namespace ringfence::client {

struct PlannedRecord {
  const model::Noun* noun = nullptr;
  int line = 0;
  model::Json body{};  // With a name. May hold a password.
};

struct Remark {
  int line = 0;
  std::string path;  // "connections[2].duration"
  std::string message;
};

// Records stand in an order in which each refers to earlier ones.
struct ImportPlan {
  std::vector<PlannedRecord> records;
  std::vector<Remark> remarks;
};

// Of a port-authorizing configuration (YAML). `level`: of its policies, which have none there. Exit::usage:
// the text is no such file; the message has its lines.
Outcome<ImportPlan> plan_port_authorizing(const std::string& text, const std::string& file,
                                          const std::string& level);

}  // namespace ringfence::client
