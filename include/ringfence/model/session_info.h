// An open session, as those see it who may look at sessions.
#pragma once

#include <cstdint>
#include <string>

#include "ringfence/base/uuid.h"

namespace ringfence::model {

struct SessionInfo {
  Uuid id;
  std::string protocol = "postgres";  // Or "tcp".
  std::string user;
  std::string target;
  std::string database;
  std::string client_addr;
  std::string application_name;
  unsigned shard = 0;
  std::string state;  // active, held, idle, idle_in_transaction, idle_in_failed_transaction
  uint64_t connected_at_us = 0;
  uint64_t last_activity_us = 0;
  uint64_t statements = 0;
  uint64_t bytes_to_client = 0;
  uint64_t bytes_to_server = 0;
  uint64_t running_since_us = 0;  // 0: nothing runs.
  bool tls = false;               // On the client's leg.
};

}  // namespace ringfence::model
