// JSON of requests and answers, as all resources have it.
#pragma once

#include <charconv>
#include <functional>
#include <optional>
#include <string>

#include "ringfence/admin/web/router.h"
#include "ringfence/control/answer.h"
#include "ringfence/control/record_directory.h"
#include "ringfence/http/response.h"
#include "ringfence/model/json.h"

namespace ringfence::admin {

struct Resources;

// Of a request that says what to make or to change.
inline constexpr size_t json_body_bytes_max = 64 * 1024;

// The request's body, an object; else `refusal` is what is answered: 415 for another media type, which also
// keeps forms of other sites out, 400 for what is no such JSON. `media_type` beside application/json.
bool take_json(const Call& call, model::Json& body, http::Response& refusal,
               std::string_view media_type = "application/json");

template <typename T>
bool take_number(std::string_view text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}
// RFC 9110, section 13.1.1: one tag of ours, or "*" for any. Others are refused: a tag that is misread would
// let a change overwrite another one. False: `refusal` says why.
bool take_if_match(const Call& call, std::optional<int64_t>& version, http::Response& refusal);
bool take_idempotency_key(const Call& call, std::string& key, http::Response& refusal);

// Nothing: there was no answer in time, or nobody who answers; `refusal` says so.
using Asking = std::function<void(control::RecordDirectory&, control::RecordDirectory::Done)>;
ring::Task<std::optional<control::Answer>> asked(Resources& resources, Asking asking,
                                                 http::Response& refusal);

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
