// JSON of requests and answers, as all resources have it.
#pragma once

#include <string>

#include "ringfence/admin/web/router.h"
#include "ringfence/control/answer.h"
#include "ringfence/http/response.h"
#include "ringfence/model/json.h"

namespace ringfence::admin {

// Of a request that says what to make or to change.
inline constexpr size_t json_body_bytes_max = 64 * 1024;

// The request's body, an object; else `refusal` is what is answered: 415 for another media type, which also
// keeps forms of other sites out, 400 for what is no such JSON. `media_type` beside application/json.
bool take_json(const Call& call, model::Json& body, http::Response& refusal,
               std::string_view media_type = "application/json");

http::Response json_answer(int status, const model::Json& body);
// A problem that has `errors`, [{"field": …, "message": …}], where there are defects.
http::Response problem_of(int status, std::string_view detail, std::string_view instance,
                          const model::Defects& defects);
// What the control plane has answered: of a record with its ETag.
http::Response answer_of(const control::Answer& answer, std::string_view instance);
// "\"7\""
std::string etag_of(int64_t version);

// Who asks, for the control plane.
control::Actor actor_of(const Call& call);

}  // namespace ringfence::admin
