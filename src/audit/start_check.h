// Before the node writes: is the store as this state directory left it?
//
// The seals tell whether checkpoints and open starts are the node's own; the head file tells how far the
// chain went when it was signed last. What is behind the signed head has to continue it, link by link and row
// by row, up to the sealed checkpoint. A store that is not so is refused, with a code that names its state: a
// person may accept exactly that.
#pragma once

#include "ringfence/audit/writer.h"
#include "ringfence/base/result.h"
#include "ringfence/store/connection.h"

namespace ringfence::audit {

// Rows in front of the signed head that are looked at, too.
inline constexpr uint64_t checked_rows = 5'000;
// Of a trail that was written before there were seals: the last ones, once, before it is adopted.
inline constexpr uint64_t adopted_rows = 1'000'000;

// By the owner's connection, outside of a transaction. Fault::denied: the store is not as it was left, and
// how to go on. Adopts a trail of a version without seals where it verifies, and takes a store that was
// accepted by hand.
Result<void> check_store(store::Connection& owner, const StoreClaim& claim);
// Names what the store holds of the node now: 12 hexadecimal digits.
Result<std::string> store_code(store::Connection& store, const std::string& node);

}  // namespace ringfence::audit
