// The way to a server and the login there, told to somebody who wants to know how far it comes.
#pragma once

#include <vector>

#include "ringfence/proxy/core/opening_story.h"
#include "upstream.h"

namespace ringfence::proxy {

// As open_upstream(). `story`: null, nobody wants to know; else it outlives the task.
ring::Task<tl::expected<Upstream, UpstreamRefusal>> open_upstream_told(
    PgShardState& shard, const Target& target, const Credential& credential, Opening& opening,
    std::vector<pg::StartupParameter> parameters, OpeningStory* story);

}  // namespace ringfence::proxy
