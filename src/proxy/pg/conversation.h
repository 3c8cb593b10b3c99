// Follows both directions of a session, byte for byte: cuts the messages, writes each statement's start
// before it may be sent on, and its outcome when the server has answered. Without a gate it changes nothing;
// with one it replaces what is refused, and the server's answers to that.
//
// Pure of IO: it is given chunks and says how far they may be sent. What always holds: a byte that ends a
// Query, Execute or FunctionCall is let through only after the statement's start is in the journal.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "call_guard.h"
#include "gate.h"
#include "message_judge.h"
#include "own_answer.h"
#include "probe.h"
#include "recorder.h"
#include "ringfence/pg/encoding.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/response_queue.h"
#include "ringfence/proxy/core/bounds.h"
#include "ringfence/proxy/core/hold.h"
#include "ringfence/proxy/core/snapshot.h"
#include "text_hash.h"
#include "unexecuted_binds.h"

namespace ringfence::proxy {

enum class Advance : uint8_t {
  all,            // The chunk is done; all of it may be sent.
  wait_trail,     // The trail has no room: call again with the same chunk when it has.
  wait_analysis,  // A statement is too much for a shard to analyse: give analysed() what analyze() says of
                  // text_to_analyse().
  wait_answer,    // What stands before has to be answered first: send to_server_so_far(), call again when
                  // is_clear().
  wait_hold,      // A statement waits for somebody's word: release_held() or refuse_held(), then call again.
  wait_queue,     // Too much is in flight: call again when the server has answered something.
  broken,         // The stream breaks the protocol or a limit; see error().
};

struct Now {
  uint64_t ns;
  uint64_t us;
};

struct WatchedSession;

class Conversation final : private pg::StatementObserver, private UsedNames {
 public:
  // `gate`: null where everything may pass.
  Conversation(Recorder& recorder, pg::ObjectPools& pools, ShardCounters& counters, const Limits& limits,
               std::unique_ptr<Gate> gate = nullptr);

  // A chunk from the client, from `at` on, which is 0 for a new chunk and kept between calls for the same
  // one.
  Advance client_bytes(ByteView chunk, size_t& at, Now now);
  Advance server_bytes(ByteView chunk, size_t& at, Now now);
  // Other policies from now on, between two chunks from the client; without a gate only when
  // client_is_at_boundary().
  void use_judge(std::shared_ptr<StatementJudge> judge, std::string_view nonce);
  bool client_is_at_boundary() const { return client_.at_boundary(); }
  // Whether statements can be told apart under the settings that the session has.
  bool can_cut() const { return strings_are_standard_ && encoding_is_safe_; }
  bool has_gate() const { return gate_ != nullptr; }
  // What to send in place of a chunk that was advanced to all of it. Until the next chunk of that direction.
  ByteView to_server(ByteView chunk);
  ByteView to_client(ByteView chunk) {
    Rewriter* out = from_server();
    return out != nullptr ? out->finish() : chunk;
  }
  // After wait_answer and wait_queue, once: what of the chunk, from the last such part on, may be sent now.
  // What waits for answers would wait for ever behind messages that do not go out.
  ByteView to_server_so_far(ByteView chunk);
  // Whether a client's message can be taken now.
  bool is_clear() const {
    return has_room_in_queue() && (!waits_for_answer_ || queue_.is_idle()) &&
           (reading_ != Reading::awaited || is_reading_known());
  }
  const std::string& text_to_analyse() const { return seen().text_to_analyse; }
  void analysed(Result<sql::Facts> facts) {
    gate_->check().analysed(std::exchange(rare().text_to_analyse, {}), std::move(facts));
  }
  // While a message waits (wait_hold, wait_analysis). What stands before it, or before its sync group, is to
  // go out first.
  ByteView before_waiting() const { return gate_->from_client().before_mark(); }
  void before_waiting_is_sent() { gate_->from_client().drop_before_mark(); }
  // The bytes of the chunk that waits stand somewhere else now.
  void move_chunk(ByteView chunk);
  void move_server_chunk(ByteView chunk);
  // Whether the policies may be changed while a chunk from the client waits: not within a Query that is
  // partly recorded.
  bool can_change_policies() const { return query_started_ == 0; }
  // After wait_hold, once: what is held, for how long and by which rule; the names are the session's to fill
  // in.
  HeldStatement held_statement();
  bool group_is_partly_out() const { return group_is_partly_out_; }
  void release_waiting();
  // The message is replaced, as a refused one is.
  void refuse_waiting(Refusal refusal);
  // The session ends: the statement is recorded, and nothing is sent.
  void drop_waiting(Refusal refusal, Now now);
  // After a chunk that was advanced to all of it: how many of the bytes that come next may go on without
  // being shown, for they belong to a body that nobody reads; body_passed() says how many did. The body's
  // last byte is always to be shown, and with it the message ends as every other.
  uint32_t client_body_to_pass() const;
  uint32_t server_body_to_pass() const;
  void client_body_passed(uint32_t bytes) { client_.skip(bytes); }
  void server_body_passed(uint32_t bytes) { server_.skip(bytes); }
  Error error() const { return error_ ? *error_ : Error{}; }
  bool is_broken() const { return error_ != nullptr; }
  // It is broken because its prepared statements and portals keep as much as they may.
  bool has_too_many_names() const { return has_too_many_names_; }
  // It is broken because the server's answers contradict what was recorded.
  bool is_contradicted() const { return is_contradicted_; }
  // The connection has ended: open statements become unknown, or not executed where they did not go out.
  void abandon(Now now);

  const pg::ResponseQueue& queue() const { return queue_; }
  // All that has gone out is answered.
  bool server_is_idle() const { return queue_.is_idle_before(unsent_from_); }
  bool has_room_in_queue() const {
    return queue_.size() < pipeline_entries_max && queue_.pending_changes() < pending_changes_max;
  }
  // A setting that the server reported, at its login or later (ParameterStatus).
  void note_parameter(std::string_view name, std::string_view value);
  // What follows from an answer that contradicts the trail.
  void use_witness(AttributionWitness witness) { witness_ = witness; }
  // Which texts go to the server is noted there, too, for as long as this lives. From the beginning.
  void watch_by(WatchedSession& watched) { watched_ = &watched; }
  // Of a connection that has `reset_to` for its name at the login, and was called `name` for this session:
  // where RESET brings back the former, the client is shown the latter. From the beginning.
  void keep_name(std::string_view reset_to, std::string_view name);
  // The server has called it `reset_to` since.
  bool has_lost_name() const { return named_ && named_->is_lost; }
  void note_named() { named_->is_lost = false; }
  // The client's, as the server has told it last.
  pg::Encoding client_encoding() const { return client_encoding_; }
  // Settings that the server reports are noted there too, for as long as this lives.
  void report_to(ReportedSettings& settings) { settings_ = &settings; }
  // Nothing is under way in either direction, no transaction is open, not even one that only a Sync would
  // end, and nothing has gone wrong: all that the session leaves with the server is what DISCARD ALL
  // discards.
  bool is_at_rest() const;
  // Between two messages from the server: a message of ours may be put here.
  bool server_is_at_boundary() const { return server_.at_boundary(); }
  // How much of what comes next from the server ends a message of which a part was shown before.
  size_t bytes_of_open_server_message(ByteView chunk) const { return server_.open_message_bytes(chunk); }
  bool client_said_goodbye() const { return client_said_goodbye_; }
  // The server's last word was FATAL: its error went to the client.
  bool server_said_fatal() const { return server_said_fatal_; }
  uint64_t statements() const { return statements_; }

 private:
  struct Rare;
  void done(const pg::Completion& completion) override;
  void contradicted(const pg::Completion& completion);
  void note_strays();
  void error_outside(const pg::ErrorFields& error, const pg::StatementText* text) override;

  bool client_message(char type, ByteView body, uint32_t body_length);
  bool wants_a_name(char type, ByteView body) const;
  bool has_room_for_name(char type, ByteView body);
  // Names that what runs out of sight may have changed (conversation_names.cc).
  pg::Unseen unseen_of(pg::Prepared& prepared) const;
  pg::Unseen unseen_of_query(ByteView text, bool is_whole) const;
  pg::Unseen unseen_now(pg::Prepared* prepared) const;
  Use use(const sql::Facts& facts, const Judgement& so_far, pg::Unseen unseen_before,
          bool is_behind_change) override;
  pg::Unseen resolved(pg::Unseen unseen) const override { return queue_.resolved(unseen); }
  bool can_renew(const pg::Prepared& prepared) const;
  void renew(const pg::Ref<pg::Prepared>& prepared, bool is_alone);
  bool is_name_to_be_settled(const pg::FrameSegment& segment);
  // Whether what is bound, or executed, may be used; perhaps it is renewed.
  bool settle_bound_name(const pg::Ref<pg::Prepared>& prepared, std::string_view name);
  std::optional<Refusal> settle_portal(pg::Portal* portal, std::string_view name);
  bool hides(char type);
  bool take_renewal_answer(char type, ByteView body);
  // How the server reads the text of the message at hand (conversation_reading.cc).
  bool reads_text(char type) const;
  bool settle_reading(const pg::FrameSegment& segment, ByteView body);
  bool is_reading_known() const;
  ByteView with_probe(ByteView before);
  bool take_own_answer(char type, ByteView body);
  bool swallow(const pg::FrameSegment& segment);
  bool is_own_answer(char type);
  static bool is_gated(char type);
  // Whether it is decided before it may go on; asked when its header is there.
  bool is_to_be_decided(const pg::FrameSegment& segment);
  // Whether the session is to stay read-only although functions may be called that are not known to be
  // harmless.
  bool is_watched() const { return gate_ && MessageJudge::is_watched(gate_->access()); }
  // Names are foreseen as if all that was sent succeeded, which holds within a sync group alone: the server
  // skips the rest of one that fails. Where more hangs on a name than its record, what begins a group waits
  // until they are known.
  bool must_know_names(char type) const;
  void note_group(char type);
  Advance waiting_reason();
  bool may_hold() const { return gate_ && gate_->access().has_hold; }
  void mark_group(const pg::FrameSegment& segment);
  void settle_group(char type, ByteView body);
  bool is_asked_for();
  void note_held_text(ByteView text, uint64_t full_bytes);
  const Refusal* refused_while_waiting() const {
    return waiting_ && waiting_->refusal ? &*waiting_->refusal : nullptr;
  }
  bool may_hold_bind(const pg::FrameSegment& segment) const;
  void note_held_bind(const pg::Prepared& prepared, ByteView body);
  bool is_portal_asked_for(pg::Portal& portal);
  void hold(const pg::FrameSegment& segment);
  void hold_cut_header();
  // Decides a message that is to be decided. Refused: has_replacement(). False: no room in the trail.
  bool admit(char type, ByteView body, uint32_t body_length);
  // Decides what is asked of it into the gate's judgement.
  MessageJudge judge();
  // Of the message at hand; without a gate: nothing was judged.
  const Judgement& judged() const;
  bool passes();
  bool admit_query(ByteView body, uint32_t body_length);
  bool admit_parse(ByteView body, uint32_t body_length);
  bool admit_execute(ByteView body);
  bool admit_bind(ByteView body, uint32_t body_length);
  bool refuse_by_parse(pg::Prepared* prepared, char type);
  bool admit_function_call(ByteView body, uint32_t body_length);
  bool record_refused_query(ByteView text, uint64_t full_bytes);
  bool has_room_for_refused(size_t text_bytes, size_t statements);
  Decided decided_by(std::string_view rule, std::string_view instead = {}) const {
    return {gate_ != nullptr, rule, instead};
  }
  // Statements that go on with another text (conversation_change.cc).
  void change_message(char type, ByteView body);
  void note_changed(pg::StatementNumber number) { rare().changed.push_back(number); }
  void warn_of_change(const pg::Completion& completion);
  void record_refused(ByteView statement, uint64_t full_bytes, char type, const Refusal* refusal,
                      const MessagePart& place = {});
  bool on_query(ByteView body, uint32_t body_length);
  void on_parse(ByteView body, uint32_t body_length);
  void on_bind(ByteView body, uint32_t body_length);
  bool on_execute(ByteView body, uint32_t body_length);
  // Binds that nothing executes (conversation_binds.cc).
  bool settles_binds(char type) const;
  bool record_binds();
  void abandon_binds();
  bool on_function_call(ByteView body, uint32_t body_length);
  bool start_statement(ByteView text, uint64_t full_bytes, pg::StatementNumber& number, bool& is_redacted,
                       ByteView sha256, const Decided& decided, const MessagePart& place);
  bool record_message(ByteView text, uint64_t full_bytes);
  Rare& rare() {
    if (!rare_) rare_ = std::make_unique<Rare>();
    return *rare_;
  }
  const Rare& seen() const;
  // What of the server's bytes does not go on as it stands; null: all does.
  Rewriter* from_server() { return named_ ? &named_->out : gate_ ? &gate_->from_server() : nullptr; }
  void take_parameter(std::string_view name, std::string_view value);
  void append_refusal(const pg::ErrorFields& fields);
  // Which text the server shows as running (conversation_watch.cc).
  void show(ByteView text, uint64_t full_bytes);
  void show(const pg::Prepared* prepared);
  void keep_sent(pg::Prepared& prepared, ByteView text, uint64_t full_bytes) const;
  void show_error();
  void show_rest();
  bool has_replacement() const { return rare_ && !rare_->replacement.empty(); }
  void break_off(Fault fault, std::string why) {
    error_ = std::make_unique<Error>(Error{fault, std::move(why), 0});
  }
  void count_row(char type, uint32_t rows, uint64_t bytes);
  void server_message(char type, ByteView body, uint32_t body_length);
  size_t client_capture_max(char type) const;
  void capture(const pg::FrameSegment& segment);

  Recorder& recorder_;
  pg::ObjectPools& pools_;
  ShardCounters& counters_;
  const Limits& limits_;
  pg::ResponseQueue queue_;
  pg::FrameCursor client_;
  pg::FrameCursor server_;
  Now now_{};
  // What most messages have no need of.
  struct Rare {
    // The beginning of a message that comes in pieces.
    std::string client_capture;
    std::string server_capture;
    // Of a message whose text is longer than what is captured, and what it came to.
    std::unique_ptr<TextHash> client_hash;
    std::string client_sha256;
    uint64_t client_text_bytes = 0;
    // A segment that waits for room.
    std::optional<pg::FrameSegment> client_held;
    std::optional<pg::FrameSegment> server_held;
    std::string replacement;  // Of a message that was refused, or of the server's answer to that.
    std::string text_to_analyse;
    Uuid message;                  // Of the Query at hand, once the whole of its text is recorded.
    std::unique_ptr<Probe> probe;  // What the server is asked before the message that waits.
    std::vector<pg::StatementNumber> changed;  // Of Queries, in flight.
    std::string notices;                       // For the client, behind the server's message at hand.
  };
  std::unique_ptr<Rare> rare_;
  // See keep_name().
  struct Named {
    std::string reset_to;
    std::string name;
    std::string told;  // What the client takes it for.
    bool is_lost = false;
    bool is_hidden = false;  // The message at hand does not go on.
    Rewriter out;
  };
  std::unique_ptr<Named> named_;
  // A Query of many statements of which some have started: how far in its text, and the numbers given.
  size_t query_at_ = 0;
  uint32_t query_started_ = 0;
  // False while the session's settings make text mean what our lexer does not read.
  bool strings_are_standard_ = true;
  bool encoding_is_safe_ = true;
  pg::Encoding client_encoding_ = pg::Encoding::named("UTF8");
  uint64_t statements_ = 0;
  std::unique_ptr<Error> error_;  // Nothing goes on behind it.
  std::unique_ptr<Gate> gate_;
  uint32_t gate_generation_ = 0;
  CallGuard guard_;
  UnexecutedBinds unexecuted_;
  uint32_t message_generation_ = 0;  // Of the policies when it began.
  bool is_message_gated_ = false;    // The client's message at hand is held until it is decided.
  bool is_in_group_ = false;         // Messages since the last Sync, Query or FunctionCall.
  bool has_renewed_ = false;         // The server may answer a renewal.
  size_t message_begin_ = 0;         // In the chunk, of what of the message at hand stands there.
  size_t client_sent_ = 0;           // Without a gate: how much of the chunk has gone out.
  bool waits_for_answer_ = false;    // The one that is held is a message of which nothing was taken.
  // How the server reads the text of the client's message at hand: not looked at yet, told when answers have
  // come, told.
  enum class Reading : uint8_t { open, awaited, settled };
  Reading reading_ = Reading::open;
  bool is_text_doubtful_ = false;     // It cannot be cut into statements.
  bool is_probe_due_ = false;         // The question has not gone out.
  bool group_is_partly_out_ = false;  // Messages before the mark are of the same sync group.
  // Of a message that waits, and what was said of it.
  struct Waiting {
    size_t begin = 0;  // Of the statement in the message's text.
    std::string statement;
    std::string parameters;
    bool is_asked = false;
    bool is_released = false;
    bool is_dropped = false;
    std::optional<Refusal> refusal;
  };
  std::unique_ptr<Waiting> waiting_;
  uint64_t unsent_from_ = ~uint64_t{0};  // Place in the queue from which on nothing has gone out.
  ReportedSettings* settings_ = nullptr;
  WatchedSession* watched_ = nullptr;  // Null: nobody asks for what is shown.
  bool is_refusal_ = false;            // The error at hand is one of ours.
  bool client_said_goodbye_ = false;
  bool server_said_fatal_ = false;
  bool has_too_many_names_ = false;
  AttributionWitness witness_ = AttributionWitness::report;
  bool has_told_strays_ = false;
  bool is_contradicted_ = false;
};

}  // namespace ringfence::proxy
