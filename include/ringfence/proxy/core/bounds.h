// Every bound of the data path that configuration does not set, with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringfence::proxy {

// Messages in flight before the client is read no further. A server buffers at most 8 KiB of answers, 1,638
// of the shortest kind, before it sends; with this many there are always some to come, so waiting here cannot
// deadlock.
inline constexpr size_t pipeline_entries_max = 4'096;
// Statements of one Query message that get records of their own; the rest share the last one.
inline constexpr uint32_t statements_per_query_max = 1'024;
// A Query up to this long is cut into its statements; of a longer one, what stands behind shares the last
// record.
inline constexpr size_t query_bytes_max = 1 << 20;
// Query and Parse messages of a restricted session, which are decided whole before any of them goes on.
inline constexpr size_t gated_bytes_max = 1 << 20;
// A sync group of a session whose statements may be held is kept back until it is whole; of a longer one the
// beginning goes out. So many messages of it may wait, which leaves room in the pipeline for a chunk of more.
inline constexpr size_t group_bytes_max = 1 << 20;
inline constexpr size_t group_messages_max = 1'024;
// What a parked session goes on reading of its client, to notice its end: what stands behind more than this
// is noticed when the hold is over.
inline constexpr size_t held_bytes_max = 64 * 1024;
// How long a statement is held while its transaction is open at the server, where it may hold locks.
inline constexpr uint64_t held_in_transaction_ms_max = 300'000;
// How long a session waits for a thread to analyse its statement, which takes about a second at most.
inline constexpr uint64_t analysis_ms_max = 30'000;
// Logins of which a shard remembers the server's default encoding: one for each target and credential. 100
// bytes each.
inline constexpr size_t default_encodings_max = 4'096;
// What a statement of the appliance's own may answer: a few short values.
inline constexpr size_t probe_rows_max = 8;
inline constexpr size_t probe_bytes_max = 16 * 1024;
// Statements of a refused Query that get records of their own; of more, one record has it all.
inline constexpr size_t statements_per_refusal_max = 256;
// Names that SQL statements in flight will make or drop.
inline constexpr size_t pending_changes_max = 4'096;
// Texts that the names of one session keep; statements prepared beyond it keep only the beginning of theirs.
inline constexpr uint64_t kept_text_bytes_max = 8 << 20;
inline constexpr size_t short_text_bytes = 1'024;
// Negotiation packets (SSLRequest, GSSENCRequest) before the startup packet: libpq sends at most two.
inline constexpr int negotiations_max = 4;
// Messages that a server may send while we log in: ParameterStatus and notices mostly.
inline constexpr int server_login_messages_max = 256;
inline constexpr uint32_t server_login_message_bytes_max = 64 * 1024;
// A password message while logging in. PostgreSQL's own bound (PG_MAX_AUTH_TOKEN_LENGTH).
inline constexpr uint32_t client_login_message_bytes_max = 65'535;
// Server messages that are read whole: errors, tags, parameters. What is longer is read by its beginning.
inline constexpr size_t server_capture_bytes_max = 16 * 1024;
// Room beside the text for names in Parse and Bind, whose beginning is kept while the message comes in
// pieces.
inline constexpr size_t names_bytes_max = 1'024;
// After a final message we read on, so that closing does not destroy it on its way.
inline constexpr uint64_t linger_ms = 2'000;
inline constexpr size_t linger_bytes_max = 1 << 20;
// How long reaching the server may take before its client is watched meanwhile, which costs a receive.
inline constexpr uint64_t login_watch_after_ms = 20;
// A client that has gone: how long the server may take to finish what it was sent.
inline constexpr uint64_t client_gone_ms = 10'000;
// How long a session waits for room in the trail before it is refused, and how often it looks.
inline constexpr uint64_t trail_wait_ms = 10'000;
// A session that was told to end and does not.
inline constexpr uint64_t end_ms = 5'000;
// Cancel requests with wrong keys of one address in a second. Further ones of it are looked up at the other
// shards together, so often: none is dropped, and a flood costs the others twenty messages a second.
inline constexpr uint32_t wrong_cancels_per_second = 100;
inline constexpr uint64_t cancel_pause_ms = 50;
// So many of them may wait for that; with more they are looked up at once. Each has a connection that is open
// meanwhile.
inline constexpr size_t paced_cancels_max = 1'024;
// Places in which a shard counts wrong ones by address, 8 bytes each. Two addresses that share one have its
// count together, which costs the quieter of them a pause.
inline constexpr size_t cancel_places = 1'024;
// How long another shard's mailbox may be full until it counts as one that has no session to cancel.
inline constexpr uint64_t cancel_delivery_ms = 5'000;
inline constexpr uint64_t cancel_delivery_pause_ms = 1;
inline constexpr uint64_t cancel_connect_ms = 5'000;
// A result that goes beyond a bound of its grant: how long the server may take to end its statement.
inline constexpr uint64_t withheld_result_ms = 10'000;
// Between two lines of the log about events that may come by the thousand: sessions whose connection could
// not be reset, cancel requests with wrong keys.
inline constexpr uint64_t log_pause_ms = 60'000;
// What of a message's body is worth a pipe: less than this is received and sent in about the same time.
// Measured; see bench/README.md.
inline constexpr uint32_t splice_bytes_min = 32 * 1024;
// Receives that brought no long body before a session goes back to receiving as much as there is.
inline constexpr uint8_t receives_without_body_max = 8;
// A raw TCP session of which one direction has ended: how long the other one may be quiet.
inline constexpr uint64_t half_closed_idle_ms = 600'000;
// While the appliance drains, a raw TCP session that has been quiet for so long has nothing to finish.
inline constexpr uint64_t drain_quiet_ms = 1'000;
// Keys derived from backend passwords that a shard remembers.
inline constexpr size_t derived_keys_max = 256;

// Of what a record tells of authorization: policies, a name of one, the names of all that bind.
inline constexpr size_t told_policies_max = 20;
inline constexpr size_t told_name_bytes_max = 64;
inline constexpr size_t policy_names_bytes_max = 1'024;
// The message of a refusal and its hint, each: they quote what the client wrote.
inline constexpr size_t refusal_text_bytes_max = 1'024;
// Of the parameters that are secrets as much is sealed as fits in this.
inline constexpr size_t secret_parameters_bytes_max = 16 << 10;
// Of a server's message that is sealed.
inline constexpr size_t hidden_message_bytes_max = 1'024;
// Of a command tag that is told: one has 30 bytes or so; a server may send anything.
inline constexpr size_t told_tag_bytes_max = 64;
// So much of a text is kept and compared with what a server shows: as much as it shows by default
// (track_activity_query_size).
inline constexpr size_t shown_bytes_max = 1'024;
// Of the facts of a statement that are remembered.
inline constexpr size_t remembered_facts_bytes_max = 64 << 10;
// Statements of one question: answers grow with each, and a person asks about a few.
inline constexpr size_t explained_statements_max = 200;
// What one charge adds to the time until a budget is earned again: a charge is a few records, and a burst of
// at most 16 GiB takes at most 5 hours.
inline constexpr uint64_t charged_bytes_max = uint64_t{16} << 30;

// A pooled connection: how long the server may take to discard a session's state, and to answer when the next
// session gets it. One that does not answer at once is no better than a new one.
inline constexpr uint64_t pool_reset_ms = 10'000;
inline constexpr uint64_t pool_wake_ms = 2'000;
// Of one that has answered within this time a session does not wait for another answer: what cuts off
// connections without a word (firewalls, address translation) does so after minutes of silence.
inline constexpr uint64_t pool_fresh_ms = 5'000;
// A session names its connection together with its first message, or after this if it says nothing; the
// server has so long to answer.
inline constexpr uint64_t pool_naming_after_ms = 1'000;
inline constexpr uint64_t pool_naming_ms = 10'000;
// A first message up to this long goes in one piece with the name.
inline constexpr size_t pool_naming_bytes_max = 8 * 1024;
inline constexpr uint64_t pool_close_ms = 1'000;
// How long a session waits for one that makes room for it, and how often it looks.
inline constexpr uint64_t pool_room_ms = 2'000;
inline constexpr uint64_t pool_room_pause_ms = 5;
// What the server may say to either, and in how many messages.
inline constexpr uint32_t own_answer_bytes_max = 64 * 1024;
inline constexpr int own_answer_messages_max = 256;
// Settings that the server reports: PostgreSQL 17 has 15.
inline constexpr size_t reported_settings_max = 64;
// Of connections that waited, how many a login tries before it makes a new one.
inline constexpr int pool_tries_max = 2;
// After this a connection is closed at its next return: what the server looks at in a login alone (its user's
// own settings, whether that may log in) is not older than this.
inline constexpr uint64_t pool_lifetime_ms = 3'600'000;
// Between two rounds of making connections ahead; after a failure it doubles up to the last.
inline constexpr uint64_t pool_fill_pause_ms = 100;
inline constexpr uint64_t pool_retry_ms_min = 1'000;
inline constexpr uint64_t pool_retry_ms_max = 60'000;
// A connection made ahead that the server ends sooner than this counts as one that could not be made.
inline constexpr uint64_t pool_short_life_ms = 5'000;

// A target's watch (watch.h): how often it asks, at the earliest behind a doubtful name, how long an answer
// may take, and how long its connection is kept when no session is there.
inline constexpr uint64_t watch_period_ms = 1'000;
inline constexpr uint64_t watch_hurried_ms = 100;
inline constexpr uint64_t watch_answer_ms = 5'000;
inline constexpr uint64_t watch_idle_ms = 60'000;
// Sessions that one question is about.
inline constexpr size_t watch_ids_max = 1'000;

}  // namespace ringfence::proxy
