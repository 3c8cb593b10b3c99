// Values that contracts of other systems write in another form than this API.
#pragma once

#include "alias_shape.h"

namespace ringfence::admin {

// One host of several: the first one.
model::Json first_host(const model::Json& hosts);
Result<model::Json> only_host(const model::Json& host);
// "postgresql" of "postgres".
model::Json protocol_shown(const model::Json& type);
Result<model::Json> protocol_given(const model::Json& protocol);
// {"description": …}
model::Json metadata_shown(const model::Json& description);
Result<model::Json> metadata_given(const model::Json& metadata);
// An empty one stands for the one that there is.
Result<model::Json> password_given(const model::Json& password);
model::Json never_shown(const model::Json& value);
model::Json always_true(const model::Json& record);
// Of a statement.
model::Json milliseconds(const model::Json& microseconds);
model::Json parameters_shown(const model::Json& parameters);
// "127.0.0.1" of "127.0.0.1:51724".
model::Json address_alone(const model::Json& client_addr);
model::Json bytes_both_ways(const model::Json& connection);
// "user.created" of CREATE of a user; other actions as they are.
model::Json event_type(const model::Json& event);
void ask_event_type(const std::string& value, http::Parameters& query);
model::Json event_details(const model::Json& event);
// A question to the policy tester of port-authorizing, and its answer.
Result<model::Json> policy_question(const model::Json& given);
model::Json policy_answer(const model::Json& answer);

}  // namespace ringfence::admin
