// What a thread has of libpg_query between its first text and its end.
#pragma once

namespace ringfence::sql {

// Before a thread's call of pg_query_*. Costs nothing from the second time on.
void prepare_grammar_thread();

}  // namespace ringfence::sql
