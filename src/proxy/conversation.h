// Follows both directions of a session, byte for byte: cuts the messages, writes each statement's start before it may
// be sent on, and its outcome when the server has answered. Without a gate it changes nothing; with one it replaces what
// is refused, and the server's answers to that.
//
// Pure of IO: it is given chunks and says how far they may be sent. What always holds: a byte that ends a Query,
// Execute or FunctionCall is let through only after the statement's start is in the journal.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "bounds.h"
#include "call_guard.h"
#include "gate.h"
#include "recorder.h"
#include "ringfence/pg/frame.h"
#include "ringfence/pg/response_queue.h"
#include "ringfence/proxy/snapshot.h"
#include "text_hash.h"

namespace ringfence::proxy {

enum class Advance : uint8_t {
  all,         // The chunk is done; all of it may be sent.
  wait_trail,  // The trail has no room: call again with the same chunk when it has.
  wait_analysis,  // A statement is too much for a shard to analyse: give analysed() what analyze() says of text_to_analyse().
  wait_answer,  // What stands before has to be answered first: send to_server_so_far(), call again when is_clear().
  wait_queue,  // Too much is in flight: call again when the server has answered something.
  broken,      // The stream breaks the protocol or a limit; see error().
};

struct Now {
  uint64_t ns;
  uint64_t us;
};

class Conversation final : private pg::StatementObserver {
 public:
  // `gate`: null where everything may pass.
  Conversation(Recorder& recorder, pg::ObjectPools& pools, ShardCounters& counters, const Limits& limits,
               std::unique_ptr<Gate> gate = nullptr);

  // A chunk from the client, from `at` on, which is 0 for a new chunk and kept between calls for the same one.
  Advance client_bytes(ByteView chunk, size_t& at, Now now);
  Advance server_bytes(ByteView chunk, size_t& at, Now now);
  // Other policies from now on, between two chunks from the client; without a gate only when client_is_at_boundary().
  void use_judge(std::shared_ptr<StatementJudge> judge, std::string nonce);
  bool client_is_at_boundary() const { return client_.at_boundary(); }
  bool has_gate() const { return gate_ != nullptr; }
  // Of the last message that was refused; with a gate.
  const Refusal& last_refusal() const { return gate_->refusal(); }
  // What to send in place of a chunk that was advanced to all of it. Until the next chunk of that direction.
  ByteView to_server(ByteView chunk) { return gate_ ? gate_->from_client().finish() : chunk; }
  ByteView to_client(ByteView chunk) { return gate_ ? gate_->from_server().finish() : chunk; }
  // After wait_answer, once: what of the chunk, from the last such part on, may be sent now.
  ByteView to_server_so_far() { return gate_->from_client().take(client_held_->begin); }
  // Whether a client's message can be taken now.
  bool is_clear() const { return has_room_in_queue() && (!waits_for_answer_ || queue_.is_idle()); }
  const std::string& text_to_analyse() const { return text_to_analyse_; }
  void analysed(Result<sql::Facts> facts) { gate_->analysed(std::exchange(text_to_analyse_, {}), std::move(facts)); }
  Error error() const { return error_; }
  // The connection has ended: open statements become unknown.
  void abandon(Now now);

  const pg::ResponseQueue& queue() const { return queue_; }
  bool has_room_in_queue() const {
    return queue_.size() < pipeline_entries_max && queue_.pending_changes() < pending_changes_max;
  }
  // A setting that the server reported, at its login or later (ParameterStatus).
  void note_parameter(std::string_view name, std::string_view value);
  // Between two messages from the server: a message of ours may be put here.
  bool server_is_at_boundary() const { return server_.at_boundary(); }
  bool client_said_goodbye() const { return client_said_goodbye_; }
  // The server's last word was FATAL: its error went to the client.
  bool server_said_fatal() const { return server_said_fatal_; }
  uint64_t statements() const { return statements_; }

 private:
  void done(const pg::Completion& completion) override;
  void error_outside(const pg::ErrorFields& error, const pg::StatementText* text) override;

  bool client_message(char type, ByteView body, uint32_t body_length);
  static bool is_gated(char type);
  // Whether it is decided before it may go on; asked when its header is there.
  bool is_to_be_decided(char type) const;
  // Whether the session is to stay read-only although functions may be called that are not known to be harmless.
  bool is_watched() const {
    return gate_ && gate_->access().level == policy::Level::read && gate_->access().admits_by_name;
  }
  void hold(const pg::FrameSegment& segment);
  void hold_cut_header();
  // Decides a message that is to be decided. Refused: replacement_ is set. False: no room in the trail.
  bool admit(char type, ByteView body, uint32_t body_length);
  bool admit_query(ByteView body, uint32_t body_length);
  bool admit_parse(ByteView body, uint32_t body_length);
  bool admit_execute(ByteView body);
  bool admit_bind(ByteView body, uint32_t body_length);
  bool refuse_by_parse(pg::Prepared* prepared, char type);
  bool admit_function_call(ByteView body, uint32_t body_length);
  Gate::Verdict judge(ByteView statement, bool is_kept = false);
  Gate::Verdict judge_again(pg::Prepared& prepared);
  Gate::Verdict judge_text(ByteView statement);
  Gate::Verdict refuse_unknown();
  Gate::Verdict refuse_call_with_end();
  bool has_room_for_refused(size_t text_bytes, size_t statements);
  Decided decided_by(std::string_view rule) const { return {gate_ != nullptr, rule}; }
  void record_refused(ByteView statement, uint64_t full_bytes, char type, const Refusal* refusal);
  bool on_query(ByteView body, uint32_t body_length);
  void on_parse(ByteView body, uint32_t body_length);
  void on_bind(ByteView body, uint32_t body_length);
  bool on_execute(ByteView body, uint32_t body_length);
  bool on_function_call(ByteView body, uint32_t body_length);
  bool start_statement(ByteView text, uint64_t full_bytes, pg::StatementNumber& number, bool& is_redacted,
                       ByteView sha256, std::string_view rule);
  bool can_cut() const { return strings_are_standard_ && encoding_is_safe_; }
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
  // The beginning of a message that comes in pieces.
  // False while the session's settings make text mean what our lexer does not read.
  bool strings_are_standard_ = true;
  bool encoding_is_safe_ = true;
  std::string client_capture_;
  std::string server_capture_;
  // Of a message whose text is longer than what is captured, and what it came to.
  std::unique_ptr<TextHash> client_hash_;
  std::string client_sha256_;
  uint64_t client_text_bytes_ = 0;
  // A segment that waits for room.
  std::optional<pg::FrameSegment> client_held_;
  std::optional<pg::FrameSegment> server_held_;
  // A Query of many statements of which some have started: how far in its text, and the numbers given.
  size_t query_at_ = 0;
  uint32_t query_started_ = 0;
  uint64_t statements_ = 0;
  Error error_;
  std::unique_ptr<Gate> gate_;
  uint32_t gate_generation_ = 0;
  CallGuard guard_;
  pg::CallTraits traits_;            // Of the message at hand, as far as it is judged.
  std::vector<std::string_view> rules_;  // What let the statements of the message at hand pass, each by itself.
  bool is_message_gated_ = false;    // The client's message at hand is held until it is decided.
  bool waits_for_answer_ = false;    // client_held_ is a message of which nothing was taken.
  std::string replacement_;
  std::string text_to_analyse_;
  bool is_refusal_ = false;  // The error at hand is one of ours.
  bool client_said_goodbye_ = false;
  bool server_said_fatal_ = false;
};

}  // namespace ringfence::proxy
