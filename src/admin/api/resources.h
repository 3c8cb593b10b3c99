// What the resources' handlers work with, and the files that register them: one for each resource.
#pragma once

#include "ringfence/admin/api/admin_server.h"
#include "ringfence/admin/web/ask.h"
#include "ringfence/admin/web/router.h"

namespace ringfence::admin {

class ApiAuthenticator;
class BrowserLogins;

struct Resources {
  ring::Shard& shard;
  const AdminOptions& options;
  const Sources& sources;
  AdminCounters& counters;
  Asks& asks;
  const Server& server;
  ApiAuthenticator& authenticator;
  BrowserLogins& logins;
  const Router& router;
};

// The handlers keep `resources`, which outlives the router's use.
void add_health(Router& router, Resources& resources);
void add_metrics(Router& router, Resources& resources);
void add_stats(Router& router, Resources& resources);
void add_sessions(Router& router, Resources& resources);
void add_policy(Router& router, Resources& resources);
void add_auth(Router& router, Resources& resources);
void add_privileges(Router& router, Resources& resources);
void add_encryption(Router& router, Resources& resources);
void add_target_test(Router& router, Resources& resources);
void add_records(Router& router, Resources& resources);
void add_config(Router& router, Resources& resources);
void add_trail(Router& router, Resources& resources);
void add_access_requests(Router& router, Resources& resources);
void add_permissions(Router& router, Resources& resources);
// Behind those whose routes other paths lead to.
void add_aliases(Router& router, Resources& resources);
// The last: it describes the routes that are there.
void add_description(Router& router, Resources& resources);

// The answer to a request that others did not answer in time.
http::Response late(Resources& resources, std::string_view who = "the data shards");

}  // namespace ringfence::admin
