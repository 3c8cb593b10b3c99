// SQL statements that make and drop the names which the extended protocol uses too: PREPARE, DEALLOCATE,
// DECLARE, CLOSE and DISCARD. What is not recognised only leaves a name without a known text.
#pragma once

#include "ringfence/base/bytes.h"
#include "ringfence/pg/response_queue.h"
#include "ringfence/pg/server_name.h"

namespace ringfence::proxy {

// `encodings`: those of the session when the statement's message is read.
pg::NameChange recognise_name_change(ByteView statement, pg::ObjectPools& pools, size_t text_bytes_max,
                                     const pg::NameEncodings& encodings);
// Whether any of the statements in the text makes a name.
bool makes_names(ByteView text, pg::ObjectPools& pools);

}  // namespace ringfence::proxy
